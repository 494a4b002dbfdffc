export interface BackoffOptions {
  readonly random: () => number;
}

/** How long to wait before an attempt is repeated. */
export interface Backoff {
  /** The number of failures in a row. */
  readonly failures: number;
  /**
   * Counts a failure and gives the wait before the next attempt, in milliseconds.
   *
   * @param retryAfterMs the retry delay that the server asked for: the wait is at least as long, but not longer than about a day
   */
  next(retryAfterMs?: number): number;
  /** An attempt succeeded: the next wait is the first one again. */
  reset(): void;
}

const FIRST_MS = 5_000;
const MAX_MS = 300_000;
/** At most one attempt a second, whatever the random number. */
export const SHORTEST_RETRY_MS = 1_000;
/** A longer retry delay is taken for a mistake of the server. */
const MAX_ASKED_MS = 86_400_000;
/** Clients that were given the same retry delay do not come back together. */
const ASKED_JITTER = 0.05;

/**
 * Exponential backoff with full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/): a random part of 5 s,
 * 10 s, 20 s, … 5 min, but at least 1 s, without end. In the long run that is an attempt every 2.5 minutes.
 */
export function createBackoff({ random }: BackoffOptions): Backoff {
  let failures = 0;
  return {
    get failures() {
      return failures;
    },
    next: (retryAfterMs = 0) => {
      const windowMs = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(failures, 20));
      failures += 1;
      const askedMs = Math.min(retryAfterMs, MAX_ASKED_MS) * (1 + ASKED_JITTER * random());
      return Math.round(Math.max(windowMs * random(), askedMs, SHORTEST_RETRY_MS));
    },
    reset: () => {
      failures = 0;
    },
  };
}
