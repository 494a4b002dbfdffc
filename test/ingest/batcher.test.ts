import { expect, test } from 'vitest';

import { createBatcher } from '../../src/ingest/batcher.ts';

interface PendingWrite {
  readonly items: readonly string[];
  succeed(): Promise<void>;
  fail(reason: Error): Promise<void>;
}

/** A batcher whose writes end when the test says so. An item's result is the item with a mark; its size is its length. */
function makeBatcher(limits: { maxItems?: number; maxBytes?: number; maxInFlight?: number } = {}) {
  const writes: PendingWrite[] = [];
  const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  const batcher = createBatcher<string, string>({
    maxItems: 100,
    maxBytes: 1000,
    maxInFlight: 1,
    ...limits,
    sizeOf: (item) => item.length,
    write: (items) => {
      const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
      writes.push({
        items,
        succeed: () => (resolve(items.map((item) => `${item}!`)), settle()),
        fail: (reason) => (reject(reason), settle()),
      });
      return promise;
    },
  });
  return { batcher, writes, itemsOf: () => writes.map(({ items }) => items.join('')) };
}

test('an item that finds the writer idle is written at once, and alone', () => {
  const { batcher, itemsOf } = makeBatcher();

  void batcher.put('a');

  expect(itemsOf()).toStrictEqual(['a']);
});

test('items that come while a write is under way go out together when it ends', async () => {
  const { batcher, writes, itemsOf } = makeBatcher();
  const results = Promise.all(['a', 'b', 'c', 'd'].map((item) => batcher.put(item)));

  await writes[0]?.succeed();
  await writes[1]?.succeed();

  expect(itemsOf()).toStrictEqual(['a', 'bcd']);
  await expect(results).resolves.toStrictEqual(['a!', 'b!', 'c!', 'd!']);
});

test('a batch that is full is written beside the one under way, up to the number in flight', () => {
  const { batcher, itemsOf } = makeBatcher({ maxItems: 2, maxInFlight: 2 });

  for (const item of 'abcdef') void batcher.put(item);

  expect(itemsOf()).toStrictEqual(['a', 'bc']);
});

test('a batch holds no more bytes than the limit, and an item above it goes alone', async () => {
  const { batcher, writes, itemsOf } = makeBatcher({ maxBytes: 4 });
  for (const item of ['x', 'aa', 'bb', 'c', 'dddddd', 'e']) void batcher.put(item);

  for (let index = 0; index < 5; index += 1) await writes[index]?.succeed();

  expect(itemsOf()).toStrictEqual(['x', 'aabb', 'c', 'dddddd', 'e']);
});

test('a write that fails fails its own items and no others', async () => {
  const { batcher, writes } = makeBatcher();
  const settled = Promise.allSettled(['a', 'b', 'c'].map((item) => batcher.put(item)));

  await writes[0]?.succeed();
  await writes[1]?.fail(new Error('disk full'));
  const later = batcher.put('d');
  await writes[2]?.succeed();

  expect((await settled).map(({ status }) => status)).toStrictEqual(['fulfilled', 'rejected', 'rejected']);
  await expect(later).resolves.toBe('d!');
});

test('a write that answers too few results fails, so that nobody waits for ever', async () => {
  const batcher = createBatcher<string, string>({
    maxItems: 10,
    maxBytes: 10,
    maxInFlight: 1,
    sizeOf: () => 1,
    write: () => Promise.resolve([]),
  });

  await expect(batcher.put('a')).rejects.toThrow('a write of 1 items answered 0 results');
});

test('draining waits for everything that was put, and for nothing when there is nothing', async () => {
  const { batcher, writes } = makeBatcher();
  await batcher.drain();
  void batcher.put('a');
  void batcher.put('b');
  let drained = false;
  const draining = batcher.drain().then(() => (drained = true));

  await writes[0]?.succeed();
  expect(drained).toBe(false);
  await writes[1]?.succeed();
  await draining;

  expect(drained).toBe(true);
});
