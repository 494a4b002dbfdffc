import { Code, ConnectError } from '@connectrpc/connect';
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node';
import type { Compression } from '@connectrpc/connect/protocol';
import { tooLarge } from './grpc-frames.ts';

/**
 * How many messages are decompressed at a time. A few bytes can become the largest message that is allowed, so many at once would
 * be as many of those in memory; and Node.js has four threads for it.
 */
const AT_A_TIME = 4;

const takeTurn = createTurns(AT_A_TIME);

/** What messages may be compressed with. */
export const GZIP = inTurns(compressionGzip);
export const COMPRESSIONS: Compression[] = [GZIP, inTurns(compressionBrotli)];

function inTurns(compression: Compression): Compression {
  return {
    name: compression.name,
    compress: (bytes) => compression.compress(bytes),
    async decompress(bytes, readMaxBytes) {
      const endTurn = await takeTurn();
      try {
        return await compression.decompress(bytes, readMaxBytes);
      } catch (error) {
        throw error instanceof ConnectError && error.code === Code.ResourceExhausted ? tooLarge(readMaxBytes) : error;
      } finally {
        endTurn();
      }
    },
  };
}

/** Lets so many go on at a time, in their order. Resolves with what ends a turn. */
function createTurns(count: number): () => Promise<() => void> {
  let free = count;
  const queue: (() => void)[] = [];
  const end = (): void => {
    const next = queue.shift();
    if (next === undefined) free += 1;
    else next();
  };
  return async () => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => queue.push(resolve));
    return end;
  };
}
