import { expect, test } from 'vitest';
import { createRateLimiter } from '../../../src/collector/ingest/rate-limiter.ts';

/** 10 tokens a second, and 100 at once. */
function makeLimiter() {
  let nowMs = 1_000_000;
  const clock = { now: () => new Date(nowMs) };
  const limiter = createRateLimiter({ count: 10, perMs: 1_000, burst: 100, maxKeys: 100, clock });
  return { ...limiter, pass: (ms: number) => (nowMs += ms) };
}

test('a full bucket pays for its size without debt, and not for one token more', () => {
  const limiter = makeLimiter();
  limiter.charge('a', 100);
  expect(limiter.debtMs('a')).toBe(0);

  limiter.charge('a', 1);

  expect(limiter.debtMs('a')).toBe(100);
  expect(limiter.debtMs('b')).toBe(0);
});

test('a bucket may be charged far more than it has, and is in debt for as long as that takes', () => {
  const limiter = makeLimiter();
  limiter.charge('a', 1_100);
  expect(limiter.debtMs('a')).toBe(100_000);

  limiter.pass(99_999);
  expect(limiter.debtMs('a')).toBe(1);
  limiter.pass(1);
  expect(limiter.debtMs('a')).toBe(0);
});

test('keys that are charged nothing do not displace one in debt', () => {
  const limiter = makeLimiter();
  limiter.charge('a', 101);

  for (let index = 0; index < 100; index += 1) limiter.charge(`other-${index}`, 0);

  expect(limiter.debtMs('a')).toBe(100);
});

test('without a limit nothing has to wait, and there is no debt', () => {
  const limiter = createRateLimiter({ count: 0, perMs: 1_000, clock: { now: () => new Date(0) } });
  limiter.charge('a', 1e12);

  expect([limiter.take('a'), limiter.take('a'), limiter.reserve('a'), limiter.debtMs('a')]).toStrictEqual([0, 0, 0, 0]);
});
