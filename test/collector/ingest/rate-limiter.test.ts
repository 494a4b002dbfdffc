import { expect, test } from 'vitest';
import { createRateLimiter } from '../../../src/collector/ingest/rate-limiter.ts';
import { createManualClock } from '../../support/manual-clock.ts';

test('of too many keys the one that was used longest ago is forgotten; a rejection is a use', () => {
  const clock = createManualClock(new Date('2026-11-21T10:00:00Z'));
  const { take } = createRateLimiter({ count: 1, perMs: 3_600_000, clock });
  const other = (count: number): void => {
    for (let index = 0; index < count; index += 1) take(`${count}-${index}`);
  };
  take('insistent');
  take('silent');
  other(99_998);
  expect(take('insistent')).toBeGreaterThan(0);
  take('one more');

  // Forgotten, so its bucket is full.
  expect(take('silent')).toBe(0);
  expect(take('insistent')).toBeGreaterThan(0);
});
