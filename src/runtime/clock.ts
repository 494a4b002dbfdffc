import { setTimeout as timeout } from 'node:timers/promises';

export interface Clock {
  now(): Date;
  /** Resolves after any number of milliseconds, or when the signal is aborted; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A longer timer of Node.js fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => new Date(),
  sleep: async (ms, signal) => {
    try {
      for (let left = ms; left > 0; left -= LONGEST_TIMER_MS) {
        await timeout(Math.min(left, LONGEST_TIMER_MS), undefined, { signal });
      }
    } catch {
      // Aborted; the caller checks the signal.
    }
  },
};
