import { expect, test } from 'vitest';
import { drain, type Queue } from '../../src/delivery/drain.ts';
import type { Outcome } from '../../src/report/report-sink.ts';
import { type ErrorKind, SpartakusError } from '../../src/runtime/errors.ts';
import { createJumpingClock } from '../support/jumping-clock.ts';

const STORED: Outcome = { status: 'stored' };
const failure = (kind: ErrorKind, retryAfterMs?: number): Outcome => ({
  status: 'failed',
  error: new SpartakusError(kind, kind, { retryAfterMs }),
});

/** A queue of names that are sent together, with the outcomes, or the error, of each attempt. */
function createQueue(names: readonly string[], attempts: readonly (readonly Outcome[] | Error)[]) {
  const sent: (readonly string[])[] = [];
  const settled: string[] = [];
  const queue: Queue<string> = {
    next: (after) => {
      const left = names.filter((name) => !settled.includes(name));
      return Promise.resolve(after === undefined ? left : left.slice(left.indexOf(after) + 1));
    },
    send: (items) => {
      const attempt = attempts[sent.push(items) - 1] ?? items.map(() => STORED);
      return attempt instanceof Error ? Promise.reject(attempt) : Promise.resolve(attempt);
    },
    isFinal: ({ kind }) => kind === 'invalid',
    settle: (items) => {
      settled.push(...items.map(({ item }) => item));
      return Promise.resolve(items.length);
    },
  };
  return { queue, sent, settled };
}

async function run(queue: Queue<string>, { stop = new AbortController().signal, deadlineMs = 3_600_000 } = {}) {
  const clock = createJumpingClock();
  const retries: string[] = [];
  const onRetry = ({ kind }: SpartakusError) => void retries.push(kind);
  const error = await drain(queue, { clock, random: () => 0.5, stop, deadlineMs, onRetry });
  return { kind: error?.kind, retries, sleeps: clock.sleeps };
}

test('stored and finally rejected items are settled at once, the others are retried', async () => {
  const { queue, sent, settled } = createQueue(
    ['a', 'b', 'c'],
    [[STORED, failure('invalid'), failure('unavailable')], [failure('unavailable')]],
  );

  const { kind, retries } = await run(queue);

  expect(kind).toBeUndefined();
  expect(sent).toStrictEqual([['a', 'b', 'c'], ['c'], ['c']]);
  expect(settled).toStrictEqual(['a', 'b', 'c']);
  expect(retries).toStrictEqual(['unavailable', 'unavailable']);
});

test('an error that is neither final for its item nor retryable ends the delivery', async () => {
  const { queue, sent, settled } = createQueue(['a', 'b'], [[STORED, failure('too-large')]]);

  await expect(run(queue)).resolves.toStrictEqual({ kind: 'too-large', retries: [], sleeps: [] });
  expect([sent.length, settled]).toStrictEqual([1, ['a']]);
});

test.each(['unauthenticated', 'forbidden', 'not-found'] as const)(
  'an item that is %s stays and is retried slowly: after minutes at first, and hourly later',
  async (kind) => {
    const attempts = Array.from({ length: 6 }, () => [failure(kind)]);
    const { queue, settled } = createQueue(['a'], attempts);

    const { sleeps } = await run(queue, { deadlineMs: Number.POSITIVE_INFINITY });

    expect(sleeps.map((ms) => ms / 60_000)).toStrictEqual([3.75, 7.5, 15, 30, 45, 45]);
    expect(settled).toStrictEqual(['a']);
  },
);

test('an item that is unavailable too is not retried slowly', async () => {
  const { queue } = createQueue(['a', 'b'], [[failure('unauthenticated'), failure('unavailable')]]);

  await expect(run(queue)).resolves.toMatchObject({ sleeps: [2500] });
});

test('no attempt is made after the deadline', async () => {
  const away = Array.from({ length: 10 }, () => [failure('unavailable')]);
  const { queue, sent } = createQueue(['a'], away);

  // The waits are 2.5 s, 5 s and 10 s.
  await expect(run(queue, { deadlineMs: 10_000 })).resolves.toMatchObject({
    kind: 'unavailable',
    sleeps: [2500, 5000],
  });
  expect(sent).toHaveLength(3);
});

test('after a stop nothing is sent, and what stays is an error', async () => {
  const full = createQueue(['a'], []);
  const empty = createQueue([], []);
  const stop = AbortSignal.abort();

  await expect(run(full.queue, { stop })).resolves.toMatchObject({ kind: 'unavailable' });
  await expect(run(empty.queue, { stop })).resolves.toMatchObject({ kind: undefined });
  expect(full.sent).toStrictEqual([]);
});

test('an item without an outcome, and a batch that rejects, are retried', async () => {
  const { queue, sent, settled } = createQueue(['a', 'b'], [[STORED], new Error('broken')]);

  await expect(run(queue)).resolves.toMatchObject({ kind: undefined, retries: ['internal', 'internal'] });
  expect([sent, settled]).toStrictEqual([
    [['a', 'b'], ['b'], ['b']],
    ['a', 'b'],
  ]);
});

test('items that a repeated attempt settles again do not shorten the wait', async () => {
  const attempts = Array.from({ length: 10 }, () => [STORED, failure('unavailable')]);
  const { queue, sent } = createQueue(['a', 'b'], attempts);
  // As a begun report, which is sent as a whole until each of its records is settled.
  const whole: Queue<string> = { ...queue, settle: () => Promise.resolve(sent.length === 1 ? 1 : 0) };

  await expect(run(whole, { deadlineMs: 40_000 })).resolves.toMatchObject({ sleeps: [2500, 5000, 10_000, 20_000] });
  expect(sent).toStrictEqual(Array.from({ length: 5 }, () => ['a', 'b']));
});

test('of several retry delays the longest counts, wherever it is', async () => {
  const [short, long] = [failure('overloaded', 60_000), failure('unavailable', 600_000)];
  const waits = [short, long, failure('unavailable'), short];
  const { queue } = createQueue(['a', 'b', 'c', 'd'], [waits, waits.toReversed()]);

  const { sleeps } = await run(queue);

  // With half of the jitter.
  expect(sleeps).toStrictEqual([615_000, 615_000]);
});

test.each([
  [2_500, []],
  [2_501, [2_500]],
])('an attempt after 2.5 s is made before the deadline, not at it (%i ms)', async (leftMs, sleeps) => {
  const deadlineMs = createJumpingClock().now().getTime() + leftMs;
  const { queue } = createQueue(['a'], [[failure('unavailable')]]);

  await expect(run(queue, { deadlineMs })).resolves.toMatchObject({ sleeps });
});

test('where one of several errors can be retried, all of their items are', async () => {
  const { queue, sent, settled } = createQueue(['a', 'b'], [[failure('too-large'), failure('unavailable')]]);

  await expect(run(queue)).resolves.toMatchObject({ kind: undefined, retries: ['too-large'] });
  expect([sent.length, settled]).toStrictEqual([2, ['a', 'b']]);
});

test('a stop while a batch is sent ends with its error, which is not retried', async () => {
  const stop = new AbortController();
  const { queue } = createQueue(['a'], [[failure('overloaded')]]);
  const send: Queue<string>['send'] = (items) => {
    stop.abort();
    return queue.send(items);
  };

  await expect(run({ ...queue, send }, { stop: stop.signal })).resolves.toStrictEqual({
    kind: 'overloaded',
    retries: [],
    sleeps: [],
  });
});

test('a stop while it waits ends with the error that it waits for', async () => {
  const stop = new AbortController();
  const { queue, sent } = createQueue(['a'], [[failure('overloaded')]]);

  const error = await drain(queue, {
    clock: createJumpingClock(),
    random: () => 0.5,
    stop: stop.signal,
    onRetry: () => stop.abort(),
  });

  expect([error?.kind, sent.length]).toStrictEqual(['overloaded', 1]);
});

test('a batch that rejects fails with its error', async () => {
  const { queue } = createQueue(['a'], [new Error('broken')]);
  const messages: string[] = [];

  await drain(queue, {
    clock: createJumpingClock(),
    random: () => 0.5,
    stop: new AbortController().signal,
    onRetry: ({ message }) => void messages.push(message),
  });

  expect(messages).toStrictEqual(['broken']);
});
