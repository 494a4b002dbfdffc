import type { IncomingMessage } from 'node:http';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { ServerRequest } from '../http/router.ts';

const RETRY_AFTER_MS = 5_000;

/** Limits the calls of services for anyone, which may stay open without a report, so that they cannot take all memory. */
interface CallSlots {
  /**
   * @returns a function to call when the call has ended; calling it again has no effect
   * @throws SpartakusError `overloaded`
   */
  take(): () => void;
}

/** @param what such as "the connection has 10 health or reflection streams" */
export function createCallSlots(count: number, what: string): CallSlots {
  let taken = 0;
  const full = new SpartakusError('overloaded', `${what}: end one before opening another`, {
    retryAfterMs: RETRY_AFTER_MS,
  });
  return {
    take() {
      if (taken >= count) throw full;
      taken += 1;
      let isTaken = true;
      return () => {
        if (isTaken) taken -= 1;
        isTaken = false;
      };
    },
  };
}

/** Slots for each connection. */
export function createConnectionSlots(count: number, what: string) {
  const slots = new WeakMap<object, CallSlots>();
  return {
    of(req: ServerRequest): CallSlots {
      const connection = connectionOf(req);
      const known = slots.get(connection) ?? createCallSlots(count, what);
      slots.set(connection, known);
      return known;
    },
  };
}

function connectionOf(req: ServerRequest): object {
  if (isHttp1(req)) return req.socket;
  return req.stream.session ?? req;
}

function isHttp1(req: ServerRequest): req is IncomingMessage {
  return !('stream' in req);
}
