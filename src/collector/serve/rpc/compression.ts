import { Code, ConnectError } from '@connectrpc/connect';
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node';
import type { Compression } from '@connectrpc/connect/protocol';
import { SpartakusError } from '../../../runtime/errors.ts';
import { malformed } from '../decode/inflate.ts';

export const GZIP = compressionGzip;
export const COMPRESSIONS: Compression[] = [GZIP, compressionBrotli];

/** Bounds memory, since a few bytes can become the largest message. Node.js has four threads for it. */
const MAX_CONCURRENT = 4;
const acquire = createSemaphore(MAX_CONCURRENT);

/**
 * @param onTurn called before memory is taken; may throw
 * @returns undefined where the result is longer than `maxBytes`
 * @throws SpartakusError `invalid` where the bytes cannot be decompressed
 */
export async function decompress(
  compression: Compression,
  bytes: Uint8Array,
  maxBytes: number,
  onTurn: () => void,
): Promise<Uint8Array | undefined> {
  const release = await acquire();
  try {
    onTurn();
    return await compression.decompress(bytes, maxBytes);
  } catch (error) {
    if (error instanceof SpartakusError) throw error;
    const { code, rawMessage } = ConnectError.from(error);
    if (code === Code.ResourceExhausted) return undefined;
    throw malformed(compression.name, rawMessage, error);
  } finally {
    release();
  }
}

/** Resolves with a function that releases the permit, in the order of the calls. */
function createSemaphore(permits: number): () => Promise<() => void> {
  let free = permits;
  const queue: (() => void)[] = [];
  const release = (): void => {
    const next = queue.shift();
    if (next === undefined) free += 1;
    else next();
  };
  return async () => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => queue.push(resolve));
    return release;
  };
}
