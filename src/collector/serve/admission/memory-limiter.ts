import { SpartakusError } from '../../../runtime/errors.ts';

/** The part of a budget that one request holds. */
export interface BodyShare {
  /**
   * Takes more.
   *
   * @throws SpartakusError `overloaded` where the budget has no more to give; what was taken stays taken
   */
  take(bytes: number): void;
  /** Gives some back. */
  give(bytes: number): void;
  /** Gives all back, and all that is taken from now on at once. */
  end(): void;
}

/** The memory of bodies that are being read, of all requests together: each may be small, and many of them are not. */
export interface BodyBudget {
  open(): BodyShare;
  /** What is taken now, in bytes. */
  readonly takenBytes: number;
}

/** How soon to come again: a body takes seconds to come in. */
const RETRY_AFTER_MS = 5_000;

export function createBodyBudget(maxBytes: number): BodyBudget {
  let takenBytes = 0;
  return {
    get takenBytes() {
      return takenBytes;
    },
    open() {
      let heldBytes = 0;
      let ended = false;
      const give = (bytes: number): void => {
        heldBytes -= bytes;
        takenBytes -= bytes;
      };
      return {
        take(bytes) {
          if (ended) return;
          if (takenBytes + bytes > maxBytes) {
            throw new SpartakusError('overloaded', 'too many bodies are being read: send it again later', {
              retryAfterMs: RETRY_AFTER_MS,
            });
          }
          heldBytes += bytes;
          takenBytes += bytes;
        },
        give(bytes) {
          if (!ended) give(bytes);
        },
        end() {
          ended = true;
          give(heldBytes);
        },
      };
    },
  };
}
