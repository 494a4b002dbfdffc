import { SpartakusError } from '../../../runtime/errors.ts';

/** Limits how long a client may take to send a body, or the next part of a stream. */
export interface BodyDeadline {
  pause(): void;
  restart(): void;
  end(): void;
}

const RETRY_AFTER_MS = 1_000;

/** @param onLate called at most once, when nothing arrives for `ms` milliseconds while the deadline is not paused */
export function startBodyDeadline(ms: number, onLate: (error: SpartakusError) => void): BodyDeadline {
  let waiting = true;
  const timer = setTimeout(() => {
    if (waiting)
      onLate(
        new SpartakusError('unavailable', `the body did not arrive within ${ms} ms: send it again`, {
          retryAfterMs: RETRY_AFTER_MS,
        }),
      );
  }, ms);
  return {
    pause: () => (waiting = false),
    restart: () => {
      waiting = true;
      timer.refresh();
    },
    end: () => clearTimeout(timer),
  };
}
