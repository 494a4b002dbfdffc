import type { IncomingHttpHeaders } from 'node:http';
import type { RequestOrigin } from '../../../report/request-origin.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { Ingest } from '../../ingest/ingest.ts';
import { createRateLimiter } from '../../ingest/rate-limiter.ts';
import type { Authenticator } from './authenticator.ts';
import type { Limits } from './limits.ts';

export interface AdmissionOptions {
  readonly limits: Pick<Limits, 'requestsPerSecondPerAddress'>;
  readonly authenticate: Authenticator;
  readonly ingest: Pick<Ingest, 'rejectIfFull'>;
  readonly clock: Clock;
}

/** Decides by its headers and origin whether a request is accepted, before its body is read. */
export interface Admission {
  /** @throws SpartakusError `rate-limited` */
  admitRequest(origin: RequestOrigin): void;
  /**
   * Admits a request that submits reports. Health and reflection need no authentication.
   *
   * @throws SpartakusError `rate-limited`, `unauthenticated` or `overloaded`
   */
  admitReport(origin: RequestOrigin, headers: IncomingHttpHeaders): void;
  /** Waits until the address may send one more report of a stream, or the signal is aborted. */
  pace(origin: RequestOrigin, signal: AbortSignal): Promise<void>;
}

/** An address that was idle may send this many seconds' worth of requests at once. */
const BURST_SECONDS = 5;

export function createAdmission({ limits, authenticate, ingest, clock }: AdmissionOptions): Admission {
  const count = limits.requestsPerSecondPerAddress;
  const rateLimiter =
    count === 0
      ? undefined
      : createRateLimiter({ count, perMs: 1_000, burst: count * BURST_SECONDS, now: () => clock.now() });
  const admitRequest = ({ addressKey }: RequestOrigin): void => {
    const waitMs = addressKey === undefined ? 0 : (rateLimiter?.take(addressKey) ?? 0);
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
      const waitMs = addressKey === undefined ? 0 : (rateLimiter?.reserve(addressKey) ?? 0);
      if (waitMs > 0) await clock.sleep(waitMs, signal);
    },
  };
}
