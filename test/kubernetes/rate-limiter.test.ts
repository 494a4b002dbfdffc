import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRateLimiter } from '../../src/kubernetes/rate-limiter.ts';
import { createJumpingClock } from '../support/jumping-clock.ts';

const { signal } = new AbortController();

/** The times at which a plain token bucket, of tokens that are added one by one, lets requests pass. */
function plainTimes(pausesMs: readonly number[], qps: number, burst: number): number[] {
  const intervalMs = 1_000 / qps;
  let tokens = burst;
  let nowMs = 0;
  let filledAtMs = 0;
  const fill = (): void => {
    for (; tokens < burst && filledAtMs + intervalMs <= nowMs; filledAtMs += intervalMs) tokens += 1;
    if (tokens === burst) filledAtMs = nowMs;
  };
  return pausesMs.map((pauseMs) => {
    nowMs += pauseMs;
    fill();
    if (tokens === 0) {
      nowMs = filledAtMs + intervalMs;
      fill();
    }
    tokens -= 1;
    return nowMs;
  });
}

test('requests are sent at the rate of a token bucket, and none waits longer than necessary', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 40 }),
      fc.constantFrom(1, 2, 5, 10),
      fc.integer({ min: 1, max: 20 }),
      async (pausesMs, qps, burst) => {
        const clock = createJumpingClock(new Date(0));
        const waitForRate = createRateLimiter(clock, { qps, burst });
        const sentAtMs: number[] = [];
        for (const pauseMs of pausesMs) {
          await clock.sleep(pauseMs);
          await waitForRate(signal);
          sentAtMs.push(clock.now().getTime());
        }
        expect(sentAtMs).toStrictEqual(plainTimes(pausesMs, qps, burst));
      },
    ),
  );
});

test('requests that wait at the same time are sent one after the other', async () => {
  const clock = createJumpingClock(new Date(0));
  const waitForRate = createRateLimiter(clock, { qps: 2, burst: 1 });

  await Promise.all([1, 2, 3].map(() => waitForRate(signal)));

  expect(clock.now().getTime()).toBe(1_000);
});

test('after the clock is set back a request waits for one interval at most', async () => {
  const clock = createJumpingClock(new Date(1_000_000));
  const waitForRate = createRateLimiter(clock, { qps: 5, burst: 5 });
  for (let request = 1; request <= 5; request++) await waitForRate(signal);
  await clock.sleep(-900_000);

  await waitForRate(signal);

  expect(clock.sleeps.at(-1)).toBe(200);
});
