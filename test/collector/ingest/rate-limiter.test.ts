import { expect, test } from 'vitest';
import { createRateLimiter } from '../../../src/collector/ingest/rate-limiter.ts';
import { createManualClock } from '../../support/manual-clock.ts';

test('of too many keys the one that was used longest ago is forgotten; a rejection is a use', () => {
  const clock = createManualClock(new Date('2026-11-21T10:00:00Z'));
  const { take } = createRateLimiter({ count: 1, perMs: 3_600_000, maxKeys: 100, clock });
  const other = (count: number): void => {
    for (let index = 0; index < count; index += 1) take(`${count}-${index}`);
  };
  take('insistent');
  take('silent');
  other(98);
  expect(take('insistent')).toBeGreaterThan(0);
  take('one more');

  // Forgotten, so its bucket is full.
  expect(take('silent')).toBe(0);
  expect(take('insistent')).toBeGreaterThan(0);
});

test('a key that was idle for ten hours has no more than its burst', () => {
  const clock = createManualClock(new Date('2026-11-21T10:00:00Z'));
  const { take } = createRateLimiter({ count: 10, perMs: 3_600_000, burst: 3, clock });
  const takeAll = (): number => {
    for (let taken = 0; ; taken += 1) if (take('a') > 0) return taken;
  };
  expect(takeAll()).toBe(3);

  clock.advance(36_000_000);

  expect(takeAll()).toBe(3);
});

test('a rejected key takes no token: it may go on when the time that it was told has passed', () => {
  const clock = createManualClock(new Date('2026-11-21T10:00:00Z'));
  const { take } = createRateLimiter({ count: 1, perMs: 60_000, clock });
  take('a');
  const waits = [take('a'), take('a'), take('a')];

  expect(waits).toStrictEqual([60_000, 60_000, 60_000]);
  clock.advance(60_000);
  expect(take('a')).toBe(0);
});

test('a reserved token is owed: the next ones come later', () => {
  const clock = createManualClock(new Date('2026-11-21T10:00:00Z'));
  const { reserve, take } = createRateLimiter({ count: 1, perMs: 1_000, clock });

  expect([reserve('a'), reserve('a'), reserve('a'), take('a')]).toStrictEqual([0, 1_000, 2_000, 3_000]);
});
