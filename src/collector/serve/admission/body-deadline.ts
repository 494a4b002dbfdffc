import { SpartakusError } from '../../../runtime/errors.ts';

/** Limits how long a client may take to send a body, or the next part of a stream. */
export interface BodyDeadline {
  pause(): void;
  restart(): void;
  end(): void;
}

const RETRY_AFTER_MS = 1_000;

/**
 * Starts deadlines of `ms` milliseconds. All share one timer, since one for each body costs as much as reading it. It does not keep the
 * process running.
 *
 * @returns a function that starts a deadline. It calls `onLate` at most once, when nothing arrives for `ms` milliseconds while the deadline
 * is not paused
 */
export function createBodyDeadlines(ms: number): (onLate: (error: SpartakusError) => void) => BodyDeadline {
  /** In the order in which they end, since all last as long. */
  const waiting = new Set<Deadline>();
  let timer: NodeJS.Timeout | undefined;
  const arm = (leftMs: number): void => {
    timer = setTimeout(expire, Math.ceil(leftMs)).unref();
  };
  const expire = (): void => {
    timer = undefined;
    for (const deadline of waiting) {
      const leftMs = deadline.endsAtMs - performance.now();
      if (leftMs > 0) {
        arm(leftMs);
        return;
      }
      deadline.end();
      deadline.onLate(
        new SpartakusError('unavailable', `the body did not arrive within ${ms} ms: send it again`, {
          retryAfterMs: RETRY_AFTER_MS,
        }),
      );
    }
  };
  class Deadline implements BodyDeadline {
    readonly onLate: (error: SpartakusError) => void;
    endsAtMs = 0;
    #hasEnded = false;

    constructor(onLate: (error: SpartakusError) => void) {
      this.onLate = onLate;
      this.restart();
    }

    pause(): void {
      waiting.delete(this);
    }

    restart(): void {
      if (this.#hasEnded) return;
      waiting.delete(this);
      waiting.add(this);
      this.endsAtMs = performance.now() + ms;
      if (timer === undefined) arm(ms);
    }

    end(): void {
      this.#hasEnded = true;
      waiting.delete(this);
    }
  }
  return (onLate) => new Deadline(onLate);
}
