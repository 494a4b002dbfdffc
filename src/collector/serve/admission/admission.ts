import type { IncomingHttpHeaders } from 'node:http';
import type { RequestOrigin } from '../../../report/request-origin.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { Ingest } from '../../ingest/ingest.ts';
import { createRateLimiter } from '../../ingest/rate-limiter.ts';
import type { Authenticator } from './authenticator.ts';
import type { Limits } from './limits.ts';

interface AdmissionOptions {
  readonly limits: Pick<Limits, 'requestsPerSecondPerAddress'>;
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
  /** Waits until the address may send one more report of a stream, or the signal is aborted. */
  pace(origin: RequestOrigin, signal: AbortSignal): Promise<void>;
}

/** The seconds' worth of requests that an idle address may send at once. */
const BURST_SECONDS = 5;

export function createAdmission({ limits, authenticate, ingest, clock }: AdmissionOptions): Admission {
  const count = limits.requestsPerSecondPerAddress;
  const rateLimiter = createRateLimiter({ count, perMs: 1_000, burst: count * BURST_SECONDS, clock });
  const admitRequest = ({ addressKey }: RequestOrigin): void => {
    const waitMs = addressKey === undefined ? 0 : rateLimiter.take(addressKey);
    if (waitMs > 0)
      throw new SpartakusError('rate-limited', `an address may send ${count} requests a second: send it again later`, {
        retryAfterMs: waitMs,
      });
  };
  return {
    admitRequest,
    admitReport(origin, headers) {
      admitRequest(origin);
      authenticate(headers);
      ingest.rejectIfFull();
    },
    async pace({ addressKey }, signal) {
      const waitMs = addressKey === undefined ? 0 : rateLimiter.reserve(addressKey);
      if (waitMs > 0) await clock.sleep(waitMs, signal);
    },
  };
}
