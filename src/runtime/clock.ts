import { setTimeout as timeout } from 'node:timers/promises';

/** Time, as an argument: tests bring their own. */
export interface Clock {
  now(): Date;
  /** Resolves after `ms` milliseconds, or as soon as the signal is aborted; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest that a timer of Node.js waits; one that is set for longer fires at once. About 24.8 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The machine's clock. A sleep of any length is kept to. */
export const systemClock: Clock = {
  now: () => new Date(),
  sleep: async (ms, signal) => {
    try {
      for (let left = ms; left > 0; left -= LONGEST_TIMER_MS) {
        await timeout(Math.min(left, LONGEST_TIMER_MS), undefined, signal === undefined ? {} : { signal });
      }
    } catch {
      // Aborted: who sleeps asks the signal.
    }
  },
};
