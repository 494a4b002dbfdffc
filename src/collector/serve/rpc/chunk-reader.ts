import type { ServerHttp2Stream } from 'node:http2';

export interface ChunkReader {
  /**
   * The next chunk; undefined at the end of the body.
   *
   * @throws the error that `interrupt` was called with, or an error where the stream was closed before the body ended
   */
  next(): Promise<Buffer | undefined>;
  /** Rejects the pending and all later calls of `next`. */
  interrupt(error: Error): void;
}

/** The bytes that are read ahead before flow control stops the client. */
const READ_AHEAD_BYTES = 64 * 1024;

/**
 * Reads by events: Node.js' async iterator of a stream costs more than the decoding of a report, cannot be interrupted, and destroys
 * the stream when it is left.
 */
export function createChunkReader(stream: ServerHttp2Stream): ChunkReader {
  const chunks: Buffer[] = [];
  let heldBytes = 0;
  let ended = false;
  let failure: Error | undefined;
  let ring: (() => void) | undefined;
  const wake = (): void => {
    ring?.();
    ring = undefined;
  };
  const interrupt = (error: Error): void => {
    failure ??= error;
    wake();
  };
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes >= READ_AHEAD_BYTES) stream.pause();
    wake();
  });
  stream.once('end', () => {
    ended = true;
    wake();
  });
  stream.once('close', () => {
    if (!ended) interrupt(new Error('the stream was closed before the body ended'));
  });
  return {
    async next() {
      while (true) {
        if (failure !== undefined) throw failure;
        const chunk = chunks.shift();
        if (chunk !== undefined) {
          heldBytes -= chunk.length;
          if (stream.isPaused() && heldBytes < READ_AHEAD_BYTES) stream.resume();
          return chunk;
        }
        if (ended) return undefined;
        await new Promise<void>((resolve) => (ring = resolve));
      }
    },
    interrupt,
  };
}
