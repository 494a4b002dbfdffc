import { expect, test } from 'vitest';
import { createBackoff, SHORTEST_RETRY_MS } from '../../src/delivery/retry.ts';

test('the wait is a random part of 5 s, 10 s, 20 s, … 5 min, without end', () => {
  const backoff = createBackoff({ random: () => 0.999_999 });
  const highest = Array.from({ length: 100 }, () => Math.round(backoff.next() / 1000));

  expect(highest.slice(0, 8)).toStrictEqual([5, 10, 20, 40, 80, 160, 300, 300]);
  expect(new Set(highest.slice(6))).toStrictEqual(new Set([300]));
});

test('the wait is never under a second, whatever the random number', () => {
  const backoff = createBackoff({ random: () => 0 });

  expect(Array.from({ length: 20 }, () => backoff.next())).toStrictEqual(Array(20).fill(SHORTEST_RETRY_MS));
});

test('after a success the wait is the first one again', () => {
  const backoff = createBackoff({ random: () => 0.5 });
  for (let i = 0; i < 10; i++) backoff.next();

  backoff.reset();

  expect(backoff.next()).toBe(2500);
});

test('the wait is at least what the collector asked for, with jitter, and at most about a day', () => {
  const backoff = createBackoff({ random: () => 0.5 });

  expect(backoff.next(60_000)).toBe(61_500);
  expect(backoff.next(1)).toBe(5000);
  expect(backoff.next(Number.MAX_SAFE_INTEGER)).toBe(88_560_000);
});

test('a slow wait is half to all of 5 min, 10 min, … 1 h, and the first one again after a success', () => {
  const [shortest, longest] = [createBackoff({ random: () => 0 }), createBackoff({ random: () => 1 })];
  const waits = (backoff: typeof shortest): readonly number[] =>
    [1, 2, 3, 4, 5, 6].map(() => backoff.next(undefined, true) / 60_000);

  expect(waits(shortest)).toStrictEqual([2.5, 5, 10, 20, 30, 30]);
  expect(waits(longest)).toStrictEqual([5, 10, 20, 40, 60, 60]);
  for (const backoff of [shortest, longest]) backoff.reset();
  expect([shortest.next(undefined, true), longest.next(undefined, true)]).toStrictEqual([150_000, 300_000]);
});
