import { gzipSync } from 'node:zlib';
import type { Compression } from '@connectrpc/connect/protocol';
import { describe, expect, test } from 'vitest';
import { decompress, GZIP } from '../../../../src/collector/serve/rpc/compression.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';

const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
const nothing = (): void => undefined;
const zeros = (length: number): Uint8Array => gzipSync(Buffer.alloc(length));

describe('decompressed bytes', () => {
  test('of the limit pass', async () => {
    await expect(decompress(GZIP, zeros(100), 100, nothing)).resolves.toHaveLength(100);
  });

  test('of more are undefined', async () => {
    await expect(decompress(GZIP, zeros(101), 100, nothing)).resolves.toBeUndefined();
  });

  test('of what is no gzip are invalid, with the problem', async () => {
    await expect(decompress(GZIP, Buffer.from('no gzip'), 100, nothing)).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringMatching(/^the message is not valid gzip: ./) as string,
    });
  });
});

test('an error where memory is taken is that of the message, which is not decompressed', async () => {
  const full = new SpartakusError('overloaded', 'full');
  let calls = 0;
  const compression: Compression = { ...GZIP, decompress: () => Promise.reject(new Error(String((calls += 1)))) };

  await expect(
    decompress(compression, zeros(1), 100, () => {
      throw full;
    }),
  ).rejects.toBe(full);

  expect(calls).toBe(0);
});

test('four messages are decompressed at a time, the others in their order, also where some fail', async () => {
  const running: { readonly id: number; readonly end: (fails: boolean) => void }[] = [];
  const compression: Compression = {
    ...GZIP,
    decompress: (bytes) =>
      new Promise((resolve, reject) => {
        const end = (fails: boolean): void => (fails ? reject(new Error('broken')) : resolve(new Uint8Array(bytes)));
        running.push({ id: bytes[0]!, end });
      }),
  };
  const turns: number[] = [];
  const results = Array.from({ length: 7 }, (_, id) =>
    decompress(compression, new Uint8Array([id]), 10, () => void turns.push(id)).catch(() => undefined),
  );
  const ids = (): readonly number[] => running.map(({ id }) => id);

  await settle();
  expect([ids(), turns]).toStrictEqual([
    [0, 1, 2, 3],
    [0, 1, 2, 3],
  ]);
  running[2]!.end(true);
  await settle();
  expect(ids()).toStrictEqual([0, 1, 2, 3, 4]);
  for (const { end } of running) end(false);
  await settle();
  for (const { end } of running) end(false);

  await expect(Promise.all(results)).resolves.toHaveLength(7);
  expect(ids()).toStrictEqual([0, 1, 2, 3, 4, 5, 6]);
  // All four permits are free again, and there are no more of them.
  const again = Array.from({ length: 5 }, (_, id) => decompress(compression, new Uint8Array([id]), 10, nothing));
  await settle();
  expect(ids()).toHaveLength(11);
  for (const { end } of running) end(false);
  await settle();
  for (const { end } of running) end(false);
  await Promise.all(again);
});
