import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { messageOf, SpartakusError } from '../../../runtime/errors.ts';
import { messageTooLarge } from '../rpc/grpc-frames.ts';

/** The name of a compression in HTTP and gRPC. */
export type Encoding = 'gzip' | 'br';

/** RFC 1952, section 2.3.1: ISIZE, little endian, at the end. */
const LENGTH_BYTES = 4;

/**
 * The length that compressed bytes state for their result; where they state none, or more than `maxBytes`, `maxBytes`. Gzip of several
 * members states that of the last, and is rejected by `inflate`.
 */
export function statedLength(encoding: Encoding, bytes: Uint8Array, maxBytes: number): number {
  if (encoding !== 'gzip' || bytes.length < LENGTH_BYTES) return maxBytes;
  const { buffer, byteOffset, length } = bytes;
  return Math.min(new DataView(buffer, byteOffset + length - LENGTH_BYTES).getUint32(0, true), maxBytes);
}

/**
 * Decompresses, into one buffer, and blocks meanwhile: for a thread.
 *
 * @param length as `statedLength` returns it
 * @throws SpartakusError: `too-large` where the result is longer than `maxBytes`, `invalid` where the bytes cannot be decompressed
 */
export function inflate(encoding: Encoding, bytes: Uint8Array, length: number, maxBytes: number): Uint8Array {
  try {
    // One byte more, so that the whole result is in the first piece.
    const options = { maxOutputLength: length, chunkSize: Math.max(length + 1, 1_024) };
    return encoding === 'gzip' ? gunzipSync(bytes, options) : brotliDecompressSync(bytes, options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE')
      throw malformed(encoding, messageOf(error), error);
    throw length === maxBytes ? messageTooLarge(maxBytes) : malformed(encoding, 'it is longer than it states', error);
  }
}

export function malformed(encoding: string, problem: string, cause: unknown): SpartakusError {
  return new SpartakusError('invalid', `the message is not valid ${encoding}: ${problem}`, { cause });
}
