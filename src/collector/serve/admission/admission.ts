import type { IncomingHttpHeaders } from 'node:http';
import type { RequestOrigin } from '../../../report/request-origin.ts';
import type { Clock } from '../../../runtime/clock.ts';
import type { Ingest } from '../../ingest/ingest.ts';
import { createRateErrors } from '../../ingest/rate-errors.ts';
import { createRateLimiter } from '../../ingest/rate-limiter.ts';
import type { Authenticator } from './authenticator.ts';
import type { Limits } from './limits.ts';

interface AdmissionOptions {
  readonly limits: Pick<Limits, 'requestsPerSecondPerAddress' | 'bytesPerSecondPerAddress'>;
  readonly authenticate: Authenticator;
  readonly ingest: Pick<Ingest, 'rejectIfFull'>;
  readonly clock: Clock;
}

/** Decides by headers and origin, before the body is read. */
export interface Admission {
  /** @throws SpartakusError `rate-limited` */
  admitRequest(origin: RequestOrigin): void;
  /**
   * Health and reflection need no authentication.
   *
   * @throws SpartakusError `rate-limited`, `unauthenticated` or `overloaded`
   */
  admitReport(origin: RequestOrigin, headers: IncomingHttpHeaders): void;
  /** Resolves when the address may send one more report of a stream, or the signal is aborted; returns undefined where it may at once. */
  pace(origin: RequestOrigin, signal: AbortSignal): Promise<void> | undefined;
  /** Counts bytes of a message after decompression. They may exceed the rate of the address; its next report is rejected then. */
  chargeBytes(origin: RequestOrigin, bytes: number): void;
  /** @throws SpartakusError `rate-limited` where the address has sent more bytes than it may */
  rejectIfInDebt(origin: RequestOrigin): void;
}

/** The seconds' worth of requests that an idle address may send at once. */
const BURST_SECONDS = 5;
/** The same for bytes: with the default rate, eight reports of the largest size. */
const BYTES_BURST_SECONDS = 16;

export function createAdmission({ limits, authenticate, ingest, clock }: AdmissionOptions): Admission {
  const count = limits.requestsPerSecondPerAddress;
  const rateLimiter = createRateLimiter({ count, perMs: 1_000, burst: count * BURST_SECONDS, clock });
  const requestsError = createRateErrors(`an address may send ${count} requests a second`);
  const admitRequest = ({ addressKey }: RequestOrigin): void => {
    const waitMs = addressKey === undefined ? 0 : rateLimiter.take(addressKey);
    if (waitMs > 0) throw requestsError(waitMs);
  };
  const byteCount = limits.bytesPerSecondPerAddress;
  const byteLimiter = createRateLimiter({
    count: byteCount,
    perMs: 1_000,
    burst: byteCount * BYTES_BURST_SECONDS,
    clock,
  });
  const bytesError = createRateErrors(`an address may send ${byteCount} bytes a second, after decompression`);
  const debtMs = ({ addressKey }: RequestOrigin): number =>
    addressKey === undefined ? 0 : byteLimiter.debtMs(addressKey);
  const rejectIfInDebt = (origin: RequestOrigin): void => {
    const waitMs = debtMs(origin);
    if (waitMs > 0) throw bytesError(waitMs);
  };
  return {
    admitRequest,
    rejectIfInDebt,
    admitReport(origin, headers) {
      admitRequest(origin);
      rejectIfInDebt(origin);
      authenticate(headers);
      ingest.rejectIfFull();
    },
    pace(origin, signal) {
      const { addressKey } = origin;
      const waitMs = addressKey === undefined ? 0 : Math.max(rateLimiter.reserve(addressKey), debtMs(origin));
      return waitMs > 0 ? clock.sleep(waitMs, signal) : undefined;
    },
    chargeBytes({ addressKey }, bytes) {
      if (addressKey !== undefined) byteLimiter.charge(addressKey, bytes);
    },
  };
}
