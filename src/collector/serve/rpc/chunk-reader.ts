import type { ServerHttp2Stream } from 'node:http2';

/** Beyond it, flow control stops the client. */
const READ_AHEAD_BYTES = 64 * 1024;

/**
 * Node.js' async iterator of a stream costs more than decoding a report, cannot be interrupted, and destroys the stream on return.
 *
 * @param onReceived called with the length of each chunk as it arrives; where it throws, `next` does
 */
export function createChunkReader(stream: ServerHttp2Stream, onReceived: (bytes: number) => void) {
  let chunks: Buffer[] = [];
  let heldBytes = 0;
  let ended = false;
  let failure: Error | undefined;
  let wake = (): void => undefined;
  /** Rejects the pending and all later calls of `next`. */
  const interrupt = (error: Error): void => {
    failure ??= error;
    wake();
  };
  stream.on('data', (chunk: Buffer) => {
    if (failure !== undefined) return;
    try {
      onReceived(chunk.length);
    } catch (error) {
      chunks = [];
      interrupt(error as Error);
      return;
    }
    chunks.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes >= READ_AHEAD_BYTES) stream.pause();
    // Node.js reads many frames in a turn of its event loop, each with its own event and its own microtasks.
    if (chunks.length === 1) setImmediate(() => wake());
  });
  stream.once('end', () => {
    ended = true;
    wake();
  });
  stream.once('close', () => {
    if (!ended) interrupt(new Error('the stream was closed before the body ended'));
  });
  return {
    /**
     * The chunks that have arrived, at least one; undefined at the end of the body. Throws where it was interrupted, or the stream was
     * closed before the end.
     */
    async next(): Promise<readonly Buffer[] | undefined> {
      while (true) {
        if (failure !== undefined) throw failure;
        if (chunks.length > 0) {
          const arrived = chunks;
          chunks = [];
          heldBytes = 0;
          if (stream.isPaused()) stream.resume();
          return arrived;
        }
        if (ended) return undefined;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    interrupt,
  };
}
