import type { Clock } from '../runtime/clock.ts';

const REQUESTS_PER_SECOND = 5;

/** Limits requests to five in any second. The returned function resolves, in call order, when a request may be sent or at the abort. */
export function createRateLimiter(clock: Clock): (signal: AbortSignal) => Promise<void> {
  const sentAtMs: number[] = [];
  let last = Promise.resolve();

  const wait = async (signal: AbortSignal): Promise<void> => {
    const oldestMs = sentAtMs.length < REQUESTS_PER_SECOND ? undefined : sentAtMs.shift();
    if (oldestMs !== undefined) {
      // Capped, because the clock may have been set back.
      const waitMs = Math.min(1000, oldestMs + 1000 - clock.now().getTime());
      if (waitMs > 0) await clock.sleep(waitMs, signal);
    }
    sentAtMs.push(clock.now().getTime());
  };

  return (signal) => (last = last.then(() => wait(signal)));
}
