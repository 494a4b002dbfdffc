import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRateLimiter } from '../../src/kubernetes/rate-limiter.ts';
import { createJumpingClock } from '../support/jumping-clock.ts';

const { signal } = new AbortController();

test('in any second at most five requests are sent, and none waits longer than necessary', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 40 }), async (pausesMs) => {
      const clock = createJumpingClock();
      const waitForRate = createRateLimiter(clock);
      const sentAtMs: number[] = [];
      for (const pauseMs of pausesMs) {
        await clock.sleep(pauseMs);
        const calledAtMs = clock.now().getTime();
        await waitForRate(signal);
        const fifthLastMs = sentAtMs.at(-5) ?? Number.NEGATIVE_INFINITY;
        sentAtMs.push(clock.now().getTime());
        expect(sentAtMs.at(-1)).toBe(Math.max(calledAtMs, fifthLastMs + 1000));
      }
    }),
  );
});

test('after the clock is set back a request waits for a second at most', async () => {
  const clock = createJumpingClock(new Date(1_000_000));
  const waitForRate = createRateLimiter(clock);
  for (let request = 1; request <= 5; request++) await waitForRate(signal);
  await clock.sleep(-900_000);

  await waitForRate(signal);

  expect(clock.sleeps.at(-1)).toBe(1000);
});
