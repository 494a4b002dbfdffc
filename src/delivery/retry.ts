export interface RetryOptions {
  /** A random number, at least 0 and less than 1. */
  readonly random: () => number;
}

/** How long to wait before a delivery is tried again. */
export interface Backoff {
  /** How many times in a row it failed. */
  readonly failures: number;
  /**
   * Counts a failure, and tells how long to wait now, in milliseconds.
   *
   * @param retryAfterMs what the other side asked for; it is waited for at least as long, but not longer than a day
   */
  next(retryAfterMs?: number): number;
  /** It did not fail: begins anew. */
  reset(): void;
}

const FIRST_MS = 5_000;
const LONGEST_MS = 300_000;
/** However the dice fall: no more than one attempt a second. */
export const SHORTEST_RETRY_MS = 1_000;
/** A collector that asks for more than that has made a mistake, and nobody would notice it. */
const LONGEST_ASKED_MS = 86_400_000;
/** A time that many were told is not the same moment for all of them. */
const ASKED_SPREAD = 0.05;

/**
 * Exponential with full jitter, as in https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/: a random part of 5 s,
 * of 10 s, of 20 s, …, of 5 min, but at least 1 s, without end. In the long run that is an attempt every 2.5 minutes, 24 an hour.
 */
export function createBackoff({ random }: RetryOptions): Backoff {
  let failures = 0;
  return {
    get failures() {
      return failures;
    },
    next: (retryAfterMs = 0) => {
      const windowMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 20));
      failures += 1;
      const askedMs = Math.min(retryAfterMs, LONGEST_ASKED_MS) * (1 + ASKED_SPREAD * random());
      return Math.round(Math.max(windowMs * random(), askedMs, SHORTEST_RETRY_MS));
    },
    reset: () => {
      failures = 0;
    },
  };
}
