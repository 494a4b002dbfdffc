import { SpartakusError } from '../../runtime/errors.ts';

const SHORT_MS = 10_000;
const SHORT_STEP_MS = 100;
const LONG_STEP_MS = 1_000;
/** Errors of longer delays, which no default has, are created each time. */
const MAX_KEPT_MS = 3_600_000;

/**
 * Errors `rate-limited` by their delay. Each is created once, because an error with its stack and the encoding of its details cost more
 * than the rest of a rejection. Delays are rounded up: to tenths of a second up to ten seconds, and to seconds.
 *
 * @param text what the client exceeded
 */
export function createRateErrors(text: string): (waitMs: number) => SpartakusError {
  const errors = new Map<number, SpartakusError>();
  return (waitMs) => {
    const stepMs = waitMs <= SHORT_MS ? SHORT_STEP_MS : LONG_STEP_MS;
    const retryAfterMs = Math.ceil(waitMs / stepMs) * stepMs;
    const known = errors.get(retryAfterMs);
    if (known !== undefined) return known;
    const error = new SpartakusError('rate-limited', `${text}: send it again later`, { retryAfterMs });
    if (retryAfterMs <= MAX_KEPT_MS) errors.set(retryAfterMs, error);
    return error;
  };
}
