import type { ServerHttp2Stream } from 'node:http2';

/** Reads a body, chunk by chunk. */
export interface ChunkReader {
  /**
   * The next chunk, undefined where the body has ended.
   *
   * @throws what `interrupt` was called with, or an error where the stream was closed before the body ended
   */
  next(): Promise<Buffer | undefined>;
  /** Fails whoever waits for a chunk, or asks for one later. */
  interrupt(error: Error): void;
}

/** How much is read ahead, in bytes; then flow control holds the client. */
const READ_AHEAD_BYTES = 64 * 1024;

/**
 * By events: an async iterator over a stream of Node.js costs more than the decoding of a report, cannot be interrupted while it
 * waits, and destroys the stream when it is left.
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
