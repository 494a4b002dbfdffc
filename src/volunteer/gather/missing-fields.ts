import { create } from '@bufbuild/protobuf';
import { type Missing, MissingSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';

/** The only texts about errors in reports. */
export type MissingReason =
  | 'not permitted'
  | 'not installed'
  | 'failed'
  | 'unreadable file'
  | 'not a JSON object'
  | 'not a qualified name'
  | 'ambiguous';

/** The errors of a read after which gathering continues: status 403; all but 401, which concerns every request; or all. */
export type Tolerance = 'forbidden' | 'all-but-unauthenticated' | 'all';

export interface MissingFields {
  /** Each pair of field and reason once. */
  readonly list: Missing[];
  /** Records a tolerated error and resolves to undefined. Rejects with other errors, and with all errors once the client is closed. */
  attempt<Value>(what: string, tolerance: Tolerance, read: () => Promise<Value>): Promise<Value | undefined>;
  add(what: string, reason: MissingReason, message: string): void;
  throwIfAllFailed(): void;
}

export function createMissingFields(kube: KubernetesClient, logger: Logger | undefined): MissingFields {
  const list: Missing[] = [];
  /** The fields that each error concerns: several may share one request. */
  const errors = new Map<SpartakusError, readonly string[]>();
  let succeeded = 0;

  const record = (what: string, reason: MissingReason): void => {
    if (!list.some((entry) => entry.what === what && entry.reason === reason))
      list.push(create(MissingSchema, { what, reason }));
  };

  return {
    list,
    add: (what, reason, message) => {
      record(what, reason);
      logger?.warn({ what, reason }, message);
    },
    attempt: async (what, tolerance, read) => {
      try {
        const value = await read();
        succeeded += 1;
        return value;
      } catch (thrown) {
        const error = SpartakusError.from(thrown);
        if (kube.isClosed() || !isTolerated(error, tolerance)) throw error;
        const reason = reasonOf(error);
        record(what, reason);
        const [first] = errors.get(error) ?? [];
        const cause = first === undefined ? error.message : `it is read with ${first}.`;
        logger?.warn({ what, reason }, `${what} is left out: ${cause}`);
        errors.set(error, [...(errors.get(error) ?? []), what]);
        return undefined;
      }
    },
    throwIfAllFailed: () => {
      if (succeeded === 0 && errors.size > 0) throw combine(errors);
    },
  };
}

/** One error that names every field, of the kind of the first one. */
function combine(errors: ReadonlyMap<SpartakusError, readonly string[]>): SpartakusError {
  const [[first] = []] = errors;
  const parts = [...errors].map(([{ message }, fields]) => `${fields.join(', ')}: ${message}`);
  return new SpartakusError(first?.kind ?? 'internal', `Nothing can be read. ${parts.join(' ')}`, {
    retryAfterMs: first?.retryAfterMs,
  });
}

function isTolerated({ kind }: SpartakusError, tolerance: Tolerance): boolean {
  if (kind === 'forbidden' || tolerance === 'all') return true;
  return tolerance === 'all-but-unauthenticated' && kind !== 'unauthenticated';
}

function reasonOf({ kind }: SpartakusError): MissingReason {
  if (kind === 'forbidden') return 'not permitted';
  return kind === 'not-found' ? 'not installed' : 'failed';
}
