import type { Clock } from '../runtime/clock.ts';

/** In any second, no more requests than this go out. */
const REQUESTS_PER_SECOND = 5;

/** Keeps requests at a rate. */
export interface Throttle {
  /** Resolves when the next request may go, or as soon as the signal is aborted. In the order of the calls. */
  wait(signal: AbortSignal): Promise<void>;
}

/** Five requests may go at once, so that a report of a small cluster does not wait; a sixth waits until the first is a second old. */
export function createThrottle(clock: Clock): Throttle {
  const sentAtMs: number[] = [];
  let last = Promise.resolve();

  const take = async (signal: AbortSignal): Promise<void> => {
    const oldestMs = sentAtMs.length < REQUESTS_PER_SECOND ? undefined : sentAtMs.shift();
    if (oldestMs !== undefined) {
      // Never more than the second: a clock that was set back would have it wait for as long.
      const waitMs = Math.min(1000, oldestMs + 1000 - clock.now().getTime());
      if (waitMs > 0) await clock.sleep(waitMs, signal);
    }
    sentAtMs.push(clock.now().getTime());
  };

  return {
    wait: (signal) => {
      last = last.then(() => take(signal));
      return last;
    },
  };
}
