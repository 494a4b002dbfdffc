import { brotliCompressSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { inflate, statedLength } from '../../../../src/collector/serve/decode/inflate.ts';

const MAX_BYTES = 10_000;
const zeros = (length: number): Buffer => gzipSync(Buffer.alloc(length));

describe('the length that compressed bytes state', () => {
  test.each([
    ['is that of gzip', 'gzip', zeros(5_000), 5_000],
    ['is at most the limit', 'gzip', zeros(MAX_BYTES + 1), MAX_BYTES],
    ['is the limit for Brotli, which states none', 'br', brotliCompressSync(Buffer.alloc(5_000)), MAX_BYTES],
    ['is that of the last four bytes alone', 'gzip', Buffer.from([1, 2, 0, 0]), 513],
    ['is the limit for Brotli, whatever its last bytes are', 'br', Buffer.from([0, 0, 1, 2, 0, 0]), MAX_BYTES],
    ['is the limit where bytes are missing', 'gzip', Buffer.from([1, 2, 3]), MAX_BYTES],
  ] as const)('%s', (_what, encoding, bytes, expected) => {
    expect(statedLength(encoding, bytes, MAX_BYTES)).toBe(expected);
  });
});

describe('decompressed bytes', () => {
  test.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
  ] as const)('of %s are at most the limit, which passes', (encoding, compress) => {
    const inflated = (length: number): Uint8Array =>
      inflate(encoding, compress(Buffer.alloc(length)), MAX_BYTES, MAX_BYTES);

    expect(inflated(MAX_BYTES)).toHaveLength(MAX_BYTES);
    expect(() => inflated(MAX_BYTES + 1)).toThrow(expect.objectContaining({ kind: 'too-large' }));
  });

  test('are at most the length that they state, which passes', () => {
    expect(inflate('gzip', zeros(100), 100, MAX_BYTES)).toHaveLength(100);
    expect(() => inflate('gzip', zeros(101), 100, MAX_BYTES)).toThrow(
      expect.objectContaining({ kind: 'invalid', message: expect.stringContaining('longer than it states') as string }),
    );
  });

  test.each(['gzip', 'br'] as const)('of what is no %s are invalid, with the problem and its cause', (encoding) => {
    expect(() => inflate(encoding, Buffer.from('nothing'), 100, MAX_BYTES)).toThrow(
      expect.objectContaining({
        kind: 'invalid',
        message: expect.stringMatching(
          new RegExp(`^the message is not valid ${encoding}: (?!it is longer).`),
        ) as string,
        cause: expect.any(Error) as Error,
      }),
    );
  });
});
