import { SpartakusError } from '../../../runtime/errors.ts';

/** The memory of one request or message, from its first byte to its answer. */
export interface MemoryReservation {
  readonly bytes: number;
  /**
   * Changes what is reserved; has no effect after `end`.
   *
   * @throws SpartakusError `overloaded` where less is free; what was reserved before stays
   */
  resize(bytes: number): void;
  /** Calls the listener when the reservation ends, or at once where it has ended. */
  onEnd(listener: () => void): void;
  /** Releases everything. Idempotent. */
  end(): void;
}

/** Accounts for the memory of all requests: received bytes, decompressed bytes, and what is decoded of them. */
export interface MemoryLimiter {
  open(): MemoryReservation;
  readonly reservedBytes: number;
  readonly maxBytes: number;
}

/**
 * What a message takes until its answer, per byte of its decompressed encoding: itself, the decoded message (2.4 bytes), the document
 * (2.0) and its BSON (2.4), of which the last two are not all held at a time. Measured with nodes of Ubuntu in protobuf; JSON takes less.
 */
const BYTES_PER_MESSAGE_BYTE = 6;

const RETRY_AFTER_MS = 5_000;

/** An estimate of the memory of a message that is decoded and stored, in bytes. */
export function estimateMemory(messageBytes: number): number {
  return BYTES_PER_MESSAGE_BYTE * messageBytes;
}

export function createMemoryLimiter(maxBytes: number): MemoryLimiter {
  // Created once: creating an error per request is a cost.
  const full = new SpartakusError('overloaded', 'the memory for requests is in use: send it again later', {
    retryAfterMs: RETRY_AFTER_MS,
  });
  let reservedBytes = 0;
  /** A class, since closures for each request and message would take more memory than a small report. */
  class Reservation implements MemoryReservation {
    bytes = 0;
    #hasEnded = false;
    #listeners: (() => void)[] | undefined;

    resize(bytes: number): void {
      if (this.#hasEnded) return;
      if (reservedBytes - this.bytes + bytes > maxBytes) throw full;
      this.#change(bytes);
    }

    onEnd(listener: () => void): void {
      if (this.#hasEnded) listener();
      else (this.#listeners ??= []).push(listener);
    }

    end(): void {
      this.#change(0);
      this.#hasEnded = true;
      const listeners = this.#listeners ?? [];
      this.#listeners = undefined;
      for (const listener of listeners) listener();
    }

    #change(bytes: number): void {
      reservedBytes += bytes - this.bytes;
      this.bytes = bytes;
    }
  }
  return {
    maxBytes,
    get reservedBytes() {
      return reservedBytes;
    },
    open: () => new Reservation(),
  };
}
