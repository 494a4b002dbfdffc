import { SpartakusError } from '../../../runtime/errors.ts';

export interface MemoryReservation {
  /** @throws SpartakusError `overloaded` where less is free; earlier reservations stay */
  reserve(bytes: number): void;
  release(bytes: number): void;
  /** Releases everything. Later calls of `reserve` and `release` have no effect. */
  end(): void;
}

/** Limits the memory of all bodies that are being read. */
export interface MemoryLimiter {
  open(): MemoryReservation;
  readonly reservedBytes: number;
}

const RETRY_AFTER_MS = 5_000;

export function createMemoryLimiter(maxBytes: number): MemoryLimiter {
  let reservedBytes = 0;
  return {
    get reservedBytes() {
      return reservedBytes;
    },
    open() {
      let heldBytes = 0;
      let ended = false;
      const add = (bytes: number): void => {
        if (ended) return;
        heldBytes += bytes;
        reservedBytes += bytes;
      };
      return {
        reserve(bytes) {
          if (!ended && reservedBytes + bytes > maxBytes) {
            throw new SpartakusError('overloaded', 'too many bodies are being read: send it again later', {
              retryAfterMs: RETRY_AFTER_MS,
            });
          }
          add(bytes);
        },
        release: (bytes) => add(-bytes),
        end() {
          add(-heldBytes);
          ended = true;
        },
      };
    },
  };
}
