import { SpartakusError } from '../../../runtime/errors.ts';

/** How long a collector waits for a client to send on. */
export interface BodyDeadline {
  /** It is the collector's turn now: its own time does not count. */
  pause(): void;
  /** It is the client's turn again, with all the time. */
  restart(): void;
  /** The body is whole, or nobody waits for it any more. */
  end(): void;
}

/** How soon to come again: at once would be as slow. */
const RETRY_AFTER_MS = 1_000;

/** @param onLate called at most once, after `ms` milliseconds in which the client did not send what was waited for */
export function startBodyDeadline(ms: number, onLate: (error: SpartakusError) => void): BodyDeadline {
  let waiting = true;
  const timer = setTimeout(() => {
    if (waiting)
      onLate(
        new SpartakusError('unavailable', `the body did not come within ${ms} ms: send it again`, {
          retryAfterMs: RETRY_AFTER_MS,
        }),
      );
    else timer.refresh();
  }, ms);
  return {
    pause: () => {
      waiting = false;
    },
    restart: () => {
      waiting = true;
      timer.refresh();
    },
    end: () => clearTimeout(timer),
  };
}
