interface Backoff {
  /** The number of failures in a row. */
  readonly failures: number;
  /** Counts a failure. Returns the wait before the next attempt in milliseconds: at least the server's retry delay, at most about a day. */
  next(retryAfterMs?: number): number;
  reset(): void;
}

const FIRST_MS = 5_000;
const MAX_MS = 300_000;
export const SHORTEST_RETRY_MS = 1_000;
/** A longer retry delay is regarded as an error of the server. */
const MAX_ASKED_MS = 86_400_000;
/** Clients with the same retry delay do not retry at the same time. */
const ASKED_JITTER = 0.05;

/**
 * Exponential backoff with full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/): a random part of 5 s,
 * 10 s, 20 s, … 5 min, but at least 1 s.
 */
export function createBackoff({ random }: { readonly random: () => number }): Backoff {
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
