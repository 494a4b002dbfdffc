import { expect, test } from 'vitest';
import { createRandomBlocks } from '../../src/runtime/random-blocks.ts';

/** A source whose bytes are counted upwards. */
function countingSource() {
  const calls: number[] = [];
  let next = 0;
  const randomBytes = (count: number): Uint8Array => {
    calls.push(count);
    return Uint8Array.from({ length: count }, () => next++ % 251);
  };
  return { randomBytes, calls };
}

test('no byte is returned twice, and few calls of the source are needed', () => {
  const { randomBytes, calls } = countingSource();
  const take = createRandomBlocks(randomBytes);

  const taken = Array.from({ length: 512 }, () => [...take(16)]).flat();

  expect(taken).toStrictEqual(Array.from({ length: 8_192 }, (_, index) => index % 251));
  expect(calls).toStrictEqual([4_096, 4_096]);
});

test('the rest of a block that is too short is left out', () => {
  const { randomBytes } = countingSource();
  const take = createRandomBlocks(randomBytes);

  expect(take(4_090)).toHaveLength(4_090);
  expect([...take(8)]).toStrictEqual(Array.from({ length: 8 }, (_, index) => (4_096 + index) % 251));
});

test('more bytes than a block has come from the source at once', () => {
  const { randomBytes, calls } = countingSource();

  expect(createRandomBlocks(randomBytes)(5_000)).toHaveLength(5_000);
  expect(calls).toStrictEqual([5_000]);
});
