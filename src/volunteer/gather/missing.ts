import { create } from '@bufbuild/protobuf';
import { type Missing, MissingSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { KubeClient } from '../../kubernetes/client.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';

/** Why something is missing; nothing else is ever said of it in a report. */
export type MissingReason =
  | 'not permitted'
  | 'not installed'
  | 'failed'
  | 'unreadable file'
  | 'not a JSON object'
  | 'not a qualified name'
  | 'ambiguous';

/**
 * What costs the whole report: `anything` that is not a missing right; only what concerns every request; or `nothing`, where another cluster
 * than the own one is asked.
 */
export type Costly = 'anything' | 'little' | 'nothing';

/** Keeps record of what could not be gathered, while the rest goes on. */
export interface MissingRecord {
  /** What was recorded, each pair once, in order. */
  readonly missing: readonly Missing[];
  /**
   * Reads something from Kubernetes. A right that is not granted, and unless such things are costly any other failure of this one
   * thing, is recorded and logged, and the result undefined. Rejects where nobody may ask for anything, or the program stops.
   *
   * @param what a path as listFields() has it
   */
  attempt<Value>(what: string, costly: Costly, read: () => Promise<Value>): Promise<Value | undefined>;
  /** Records something else, and logs why. */
  add(what: string, reason: MissingReason, message: string): void;
  /** The first failure, where everything that was attempted failed. */
  totalFailure(): SpartakusError | undefined;
}

export function createMissingRecord(kube: KubeClient, logger: Logger | undefined): MissingRecord {
  const missing: Missing[] = [];
  const failures = new Set<SpartakusError>();
  let worked = 0;

  const record = (what: string, reason: MissingReason): void => {
    if (!missing.some((entry) => entry.what === what && entry.reason === reason))
      missing.push(create(MissingSchema, { what, reason }));
  };

  return {
    missing,
    add: (what, reason, message) => {
      record(what, reason);
      logger?.warn({ what, reason }, message);
    },
    attempt: async (what, costly, read) => {
      try {
        const value = await read();
        worked += 1;
        return value;
      } catch (thrown) {
        const error = SpartakusError.from(thrown);
        const isBearable =
          error.kind === 'forbidden' ||
          costly === 'nothing' ||
          (costly === 'little' && error.kind !== 'unauthenticated');
        if (kube.isClosed() || !isBearable) throw error;
        const reason = reasonOf(error);
        record(what, reason);
        // Two parts of a report may be read from one list, which fails once.
        if (!failures.has(error)) logger?.warn({ what, reason }, `The report goes without ${what}: ${error.message}`);
        failures.add(error);
        return undefined;
      }
    },
    totalFailure: () => (worked === 0 ? [...failures][0] : undefined),
  };
}

function reasonOf({ kind }: SpartakusError): MissingReason {
  if (kind === 'forbidden') return 'not permitted';
  return kind === 'not-found' ? 'not installed' : 'failed';
}
