import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { createBatcher } from '../../../src/collector/ingest/batcher.ts';
import { makeBatcher, settle } from '../../support/make-batcher.ts';
import { createManualClock } from '../../support/manual-clock.ts';

test('an item that finds the writer idle is written at once, and alone', () => {
  const { batcher, itemsOf } = makeBatcher();

  void batcher.put('a');

  expect(itemsOf()).toStrictEqual(['a']);
});

test('items that are put without a pause share the first write, and a full batch does not wait for more', async () => {
  const { batcher, itemsOf } = makeBatcher({ defer: setImmediate, maxItems: 3, maxInFlight: 2 });

  for (const item of 'ab') void batcher.put(item);
  expect(itemsOf()).toStrictEqual([]);
  await settle();
  expect(itemsOf()).toStrictEqual(['ab']);
  for (const item of 'cde') void batcher.put(item);

  expect(itemsOf()).toStrictEqual(['ab', 'cde']);
});

test('of items that share the first write, those beyond a batch expire like others', async () => {
  const { batcher, clock } = makeBatcher({ defer: setImmediate, maxItems: 2, maxWaitMs: 1_000 });
  const [, , third] = ['a', 'b', 'c'].map((item) => batcher.put(item));
  // A full batch is written at once, and the third item waits.
  await settle();

  clock.advance(1_000);

  await expect(third).rejects.toMatchObject({ kind: 'unavailable' });
  expect(batcher.pending().items).toBe(2);
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

test('48 items are written beside the write under way, with those that are put without a pause', async () => {
  const { batcher, itemsOf } = makeBatcher({ defer: setImmediate, maxInFlight: 2 });
  const put = (count: number): void => {
    for (let each = 0; each < count; each += 1) void batcher.put('x');
  };
  put(1);
  await settle();

  put(47);
  await settle();
  expect(itemsOf()).toStrictEqual(['x']);
  put(2);
  await settle();

  expect(itemsOf()).toStrictEqual(['x', 'x'.repeat(49)]);
});

test('the next write begins before the callers of the last one have their results', async () => {
  const deferred: (() => void)[] = [];
  const { batcher, writes, itemsOf } = makeBatcher({ defer: (action) => void deferred.push(action) });
  const answered: string[] = [];
  void batcher.put('a').then((result) => answered.push(result));
  deferred.pop()?.();
  void batcher.put('b');

  await writes[0]?.succeed();
  expect(itemsOf()).toStrictEqual(['a', 'b']);
  expect(answered).toStrictEqual([]);
  deferred.pop()?.();
  await settle();

  expect(answered).toStrictEqual(['a!']);
  expect(batcher.pending().items).toBe(1);
});

test('a batch that the last item fills, by number or by bytes, is written without waiting for a further one', () => {
  const [byNumber, byBytes] = [
    makeBatcher({ maxItems: 2, maxInFlight: 2 }),
    makeBatcher({ maxBytes: 4, maxInFlight: 2 }),
  ];

  for (const item of ['a', 'b', 'c']) void byNumber.batcher.put(item);
  for (const item of ['a', 'bb', 'c']) void byBytes.batcher.put(item);
  expect(byBytes.itemsOf()).toStrictEqual(['a']);
  void byBytes.batcher.put('d');

  expect(byNumber.itemsOf()).toStrictEqual(['a', 'bc']);
  expect(byBytes.itemsOf()).toStrictEqual(['a', 'bbcd']);
});

test('items that were written do not count towards the size of the next batch', async () => {
  const { batcher, writes, itemsOf } = makeBatcher({ maxBytes: 4, maxInFlight: 2 });
  for (const item of ['a', 'bbb']) void batcher.put(item);
  await writes[0]?.succeed();

  void batcher.put('c');

  expect(itemsOf()).toStrictEqual(['a', 'bbb']);
});

test('the begin of each write is told with the number and the bytes of its items, and its end when it ended, also in failure', async () => {
  const told: unknown[] = [];
  const { batcher, writes } = makeBatcher({
    onWrite: (batch) => {
      told.push(batch);
      return () => told.push('end');
    },
  });
  const settled = Promise.allSettled(['a', 'bb', 'cccc'].map((item) => batcher.put(item)));
  expect(told).toStrictEqual([{ items: 1, bytes: 1 }]);

  await writes[0]?.succeed();
  expect(told.slice(1)).toStrictEqual(['end', { items: 2, bytes: 6 }]);
  await writes[1]?.fail(new Error('disk full'));
  await settled;

  expect(told.slice(3)).toStrictEqual(['end']);
});

test('a batch has no more items than the limit when more are waiting', async () => {
  const { batcher, writes, itemsOf } = makeBatcher({ maxItems: 2 });
  for (const item of 'abcdef') void batcher.put(item);

  for (let index = 0; index < 3; index += 1) await writes[index]?.succeed();

  expect(itemsOf()).toStrictEqual(['a', 'bc', 'de', 'f']);
});

test('with two writes in flight, a full batch does not wait for the first of them', () => {
  const { batcher, itemsOf } = makeBatcher({ maxItems: 1, maxInFlight: 2 });

  for (const item of 'abc') void batcher.put(item);

  expect(itemsOf()).toStrictEqual(['a', 'b']);
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
  expect(batcher.pending()).toStrictEqual({ items: 0, bytes: 0 });
});

test('a write that returns too few results fails, so that no caller waits for ever', async () => {
  const batcher = createBatcher<string, string>({
    maxItems: 10,
    maxBytes: 10,
    maxInFlight: 1,
    maxPendingItems: 10,
    maxPendingBytes: 10,
    maxWaitMs: 10,
    clock: createManualClock(new Date()),
    sizeOf: () => 1,
    write: () => Promise.resolve([]),
  });

  await expect(batcher.put('a')).rejects.toThrow('a write of 1 items returned 0 results');
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

test.each([
  ['items', { maxPendingItems: 3 }],
  ['bytes', { maxPendingBytes: 3 }],
])(
  'one more than may be pending, in %s, is rejected at once, and there is capacity again when a write ends',
  async (_what, limits) => {
    const { batcher, writes } = makeBatcher(limits);
    const first = ['a', 'b', 'c'].map((item) => batcher.put(item));

    expect(() => batcher.rejectIfFull()).toThrow('too many reports are pending');
    await expect(batcher.put('d')).rejects.toMatchObject({ kind: 'overloaded', retryAfterMs: 1_000 });
    await writes[0]?.succeed();
    expect(() => batcher.rejectIfFull()).not.toThrow();
    const later = batcher.put('e');
    await writes[1]?.succeed();
    await writes[2]?.succeed();

    await expect(Promise.all([...first, later])).resolves.toStrictEqual(['a!', 'b!', 'c!', 'e!']);
    expect(batcher.pending()).toStrictEqual({ items: 0, bytes: 0 });
  },
);

test('an item over what may be pending is taken when it is alone', async () => {
  const { batcher, writes } = makeBatcher({ maxPendingBytes: 3 });
  const large = batcher.put('large');

  await expect(batcher.put('a')).rejects.toMatchObject({ kind: 'overloaded' });
  await writes[0]?.succeed();

  await expect(large).resolves.toBe('large!');
});

test('callers that wait for capacity leave the last quarter free, and continue in order as writes end', async () => {
  const { batcher, writes } = makeBatcher({ maxPendingItems: 4 });
  await batcher.waitForCapacity();
  for (const item of 'abc') void batcher.put(item);
  const gone: string[] = [];
  for (const name of ['x', 'y', 'z']) void batcher.waitForCapacity().then(() => gone.push(name));

  await settle();
  expect(gone).toStrictEqual([]);
  expect(() => batcher.rejectIfFull()).not.toThrow();
  await writes[0]?.succeed();
  expect(gone).toStrictEqual(['x']);
  await writes[1]?.succeed();
  expect(gone).toStrictEqual(['x', 'y', 'z']);
});

test('callers wait for capacity while three quarters of the bytes are pending', async () => {
  const { batcher, writes } = makeBatcher({ maxPendingBytes: 4 });
  void batcher.put('aa');
  await batcher.waitForCapacity();
  void batcher.put('b');
  let isFree = false;
  void batcher.waitForCapacity().then(() => (isFree = true));

  await settle();
  expect(isFree).toBe(false);
  await writes[0]?.succeed();

  expect(isFree).toBe(true);
});

test('of more callers than there is capacity for, none waits for ever when nothing is pending any more', async () => {
  const { batcher, writes } = makeBatcher({ maxPendingItems: 4 });
  for (const item of 'abc') void batcher.put(item);
  const waiting = Promise.all(Array.from({ length: 10 }, () => batcher.waitForCapacity()));

  await writes[0]?.succeed();
  await writes[1]?.succeed();

  await expect(waiting).resolves.toHaveLength(10);
});

test('a caller that comes while others wait does not overtake them', async () => {
  const { batcher, writes } = makeBatcher({ maxPendingItems: 4 });
  for (const item of 'abc') void batcher.put(item);
  const gone: string[] = [];
  for (const name of ['x', 'y']) void batcher.waitForCapacity().then(() => gone.push(name));
  await writes[0]?.succeed();

  void batcher.waitForCapacity().then(() => gone.push('z'));
  await settle();
  expect(gone).toStrictEqual(['x']);
  await writes[1]?.succeed();

  expect(gone).toStrictEqual(['x', 'y', 'z']);
});

test('a caller that was aborted before it came does not wait', async () => {
  const { batcher } = makeBatcher({ maxPendingItems: 4 });
  for (const item of 'abc') void batcher.put(item);

  await expect(batcher.waitForCapacity(AbortSignal.abort())).resolves.toBeUndefined();
});

test('an aborted caller stops waiting for capacity, and leaves its place to the next one', async () => {
  const { batcher, writes } = makeBatcher({ maxPendingItems: 4 });
  for (const item of 'abc') void batcher.put(item);
  const leaving = new AbortController();
  const left = batcher.waitForCapacity(leaving.signal);
  let isNext = false;
  void batcher.waitForCapacity().then(() => (isNext = true));

  leaving.abort();
  await left;
  expect(isNext).toBe(false);
  await writes[0]?.succeed();

  expect(isNext).toBe(true);
});

test('waiting for capacity leaves no listener on the signal', async () => {
  const { batcher, writes } = makeBatcher({ maxPendingItems: 4 });
  const { signal } = new AbortController();
  for (const item of 'abc') void batcher.put(item);
  const waiting = batcher.waitForCapacity(signal);
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);

  await writes[0]?.succeed();
  await waiting;

  expect(getEventListeners(signal, 'abort')).toStrictEqual([]);
});

test('items that expire free their capacity, and wake callers that wait for it', async () => {
  const { batcher, clock, writes } = makeBatcher({ maxPendingItems: 4 });
  const written = batcher.put('a');
  const late = Promise.allSettled(['b', 'c'].map((item) => batcher.put(item)));
  let woken = false;
  void batcher.waitForCapacity().then(() => (woken = true));
  await clock.asleep();

  clock.advance(10_000);
  await late;
  await settle();

  expect(batcher.pending()).toStrictEqual({ items: 1, bytes: 1 });
  expect(woken).toBe(true);
  await writes[0]?.succeed();
  await written;
});

test('waiting items share one timer, which ends with the last of them', async () => {
  const { batcher, clock, writes } = makeBatcher();
  const results = Promise.all(['a', 'b', 'c', 'd'].map((item) => batcher.put(item)));
  await clock.asleep();
  expect(clock.sleepers()).toBe(1);

  await writes[0]?.succeed();
  await writes[1]?.succeed();
  await results;

  expect(clock.sleepers()).toBe(0);
});

test('an item whose write does not begin in time is rejected, and the one that is being written is not', async () => {
  const { batcher, writes, clock, itemsOf } = makeBatcher();
  const written = batcher.put('a');
  const late = batcher.put('b');
  await expect(clock.asleep()).resolves.toBe(10_000);
  clock.advance(4_000);
  const inTime = batcher.put('c');

  clock.advance(6_000);
  await expect(late).rejects.toMatchObject({ kind: 'unavailable', retryAfterMs: 1_000 });
  await writes[0]?.succeed();
  await writes[1]?.succeed();

  await expect(Promise.all([written, inTime])).resolves.toStrictEqual(['a!', 'c!']);
  expect(itemsOf()).toStrictEqual(['a', 'c']);
});

test('draining does not wait for the time that an item might have waited', async () => {
  const { batcher, writes, clock } = makeBatcher();
  void batcher.put('a');
  void batcher.put('b');
  await clock.asleep();
  await writes[0]?.succeed();
  await writes[1]?.succeed();

  await batcher.drain();
  clock.advance(60_000);
  const next = batcher.put('c');
  await writes[2]?.succeed();

  await expect(next).resolves.toBe('c!');
});
