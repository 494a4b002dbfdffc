import type { ErrorKind, SpartakusError } from '../runtime/errors.ts';

interface Backoff {
  /** The number of failures in a row. */
  readonly failures: number;
  /**
   * Counts a failure. Returns the wait before the next attempt in milliseconds: at least the server's retry delay, at most about a day.
   *
   * @param isSlow whether a person has to act first, see {@link isRetriedSlowly}
   */
  next(retryAfterMs?: number, isSlow?: boolean): number;
  reset(): void;
}

const FIRST_MS = 5_000;
const MAX_MS = 300_000;
export const SHORTEST_RETRY_MS = 1_000;
const SLOW_FIRST_MS = 300_000;
const SLOW_MAX_MS = 3_600_000;
/** A longer retry delay is regarded as an error of the server. */
const MAX_ASKED_MS = 86_400_000;
/** Clients with the same retry delay do not retry at the same time. */
const ASKED_JITTER = 0.05;

/**
 * Exponential backoff with full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/): a random part of 5 s,
 * 10 s, 20 s, … 5 min, but at least 1 s. Slow: half to all of 5 min, 10 min, … 1 h.
 */
export function createBackoff({ random }: { readonly random: () => number }): Backoff {
  let failures = 0;
  let slowFailures = 0;
  return {
    get failures() {
      return failures;
    },
    next: (retryAfterMs = 0, isSlow = false) => {
      const windowMs = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(failures, 20));
      const slowWindowMs = Math.min(SLOW_MAX_MS, SLOW_FIRST_MS * 2 ** Math.min(slowFailures, 20));
      failures += 1;
      slowFailures += isSlow ? 1 : 0;
      const ownMs = isSlow ? slowWindowMs * (1 + random()) * 0.5 : windowMs * random();
      const askedMs = Math.min(retryAfterMs, MAX_ASKED_MS) * (1 + ASKED_JITTER * random());
      return Math.round(Math.max(ownMs, askedMs, SHORTEST_RETRY_MS));
    },
    reset: () => {
      failures = 0;
      slowFailures = 0;
    },
  };
}

/** Errors of the token, of a proxy or of the URL. They say nothing about the report. */
const SLOW: ReadonlySet<ErrorKind> = new Set(['unauthenticated', 'forbidden', 'not-found']);

/** Whether the same report may be accepted once a person has changed something, such as the token in --token-file. */
export function isRetriedSlowly({ kind }: SpartakusError): boolean {
  return SLOW.has(kind);
}

export function isRetried(error: SpartakusError): boolean {
  return error.retryable || isRetriedSlowly(error);
}
