import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createThrottle } from '../../src/kubernetes/throttle.ts';
import { createJumpingClock } from '../support/jumping-clock.ts';

const { signal } = new AbortController();

test('in any second at most five requests go out, and none waits longer than it must', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 40 }), async (pausesMs) => {
      const clock = createJumpingClock();
      const throttle = createThrottle(clock);
      const sentAtMs: number[] = [];
      for (const pauseMs of pausesMs) {
        await clock.sleep(pauseMs);
        const wantedAtMs = clock.now().getTime();
        await throttle.wait(signal);
        const fifthLastMs = sentAtMs.at(-5) ?? Number.NEGATIVE_INFINITY;
        sentAtMs.push(clock.now().getTime());
        expect(sentAtMs.at(-1)).toBe(Math.max(wantedAtMs, fifthLastMs + 1000));
      }
    }),
  );
});

test('a clock that was set back makes a request wait for a second at most', async () => {
  const clock = createJumpingClock(new Date(1_000_000));
  const throttle = createThrottle(clock);
  for (let request = 1; request <= 5; request++) await throttle.wait(signal);
  await clock.sleep(-900_000);

  await throttle.wait(signal);

  expect(clock.sleeps.at(-1)).toBe(1000);
});
