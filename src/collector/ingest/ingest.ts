import { hash } from 'node:crypto';
import { type Message, toBinary } from '@bufbuild/protobuf';
import { type Record as KubermaticRecord, RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { Report } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { Arrival, Outcome, ReportStore, Sender, StoreEntry } from '../../report/ports.ts';
import { createReportId } from '../../report/report-id.ts';
import { validateKubermaticRecord, validateReport, type ValidateOptions } from '../../report/validate.ts';
import type { Clock } from '../../runtime/clock.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import { createBatcher } from './batcher.ts';
import type { IngestHooks, Via } from './hooks.ts';
import { createQuarantine } from './quarantine.ts';
import { createRate } from './rate.ts';

/** Who sends something, and what limits know it by: see serve/peer.ts. The latter is never stored. */
export interface IngestPeer extends Sender {
  readonly source?: string | undefined;
}

/** What is known of how something came. */
export interface AcceptOptions extends IngestPeer {
  readonly via: Via;
}

/** What became of a report that was accepted: it is durable. */
export interface Accepted {
  readonly reportId: string;
  readonly status: 'stored' | 'duplicate';
}

/** The one way in, for every protocol and dialect. */
export interface Ingest {
  /**
   * Gives the report an id where it has none, checks it, and stores it. Resolves once it is durable.
   *
   * @throws SpartakusError: `invalid` names the field; `overloaded` where its cluster sends too many, or too much is pending; whatever the store says of this one report
   */
  accept(report: Report, options: AcceptOptions & ValidateOptions): Promise<Accepted>;
  /** The same for a record of Kubermatic's. */
  acceptKubermatic(record: KubermaticRecord, options: AcceptOptions): Promise<Accepted>;
  /** @throws SpartakusError `overloaded` where any report would be refused now as one too many */
  requireRoom(): void;
  /** Resolves when it is worth reading another report of a stream: see Batcher. */
  room(signal?: AbortSignal): Promise<void>;
  /** What waits for the database or is being written, the bytes as the database has them. */
  pending(): { readonly items: number; readonly bytes: number };
  /** Resolves once everything that was accepted so far is answered. */
  drain(): Promise<void>;
}

/** How much is taken at a time. */
export interface IngestLimits {
  /** The most reports that wait for the database; one more is refused as `overloaded`. */
  readonly maxPendingReports: number;
  /** The same in bytes, as the database has them. */
  readonly maxPendingBytes: number;
  /** The reports that one cluster may send in an hour; 0 for any number. */
  readonly reportsPerHourPerCluster: number;
  /** See QuarantineOptions. */
  readonly newClustersPerHourPerAddress: number;
}

export interface IngestOptions {
  readonly sink: Pick<ReportStore, 'put' | 'hasReportsFrom'>;
  readonly clock: Clock;
  /** Fresh random bytes, cryptographically strong: ids must not be guessed. */
  readonly randomBytes: (count: number) => Uint8Array;
  readonly limits: IngestLimits;
  /** Who counts. */
  readonly hooks?: IngestHooks;
}

/** Bounds of one write: larger ones are no faster, and hold more memory while they are encoded. */
const MAX_BATCH_REPORTS = 1000;
const MAX_BATCH_BYTES = 8 * 1024 * 1024;
/** How long a report may wait until its write begins: after that its client should hear that it has to come again. */
const MAX_WAIT_MS = 10_000;
/** What is larger is refused by the database, and should not be told to come again instead. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
const HOUR_MS = 3_600_000;
/** Longer than a UUID. */
const LONGEST_KEY = 64;
/** With two writes under way, one is at the disk while the other is encoded. */
const MAX_WRITES_IN_FLIGHT = 2;

/** Opens the way into a sink. */
export function createIngest({ sink, clock, randomBytes, limits, hooks }: IngestOptions): Ingest {
  const batcher = createBatcher<StoreEntry, Outcome>({
    write: (entries) => sink.put(entries),
    maxItems: MAX_BATCH_REPORTS,
    maxBytes: MAX_BATCH_BYTES,
    sizeOf: (entry) =>
      Math.min(
        'report' in entry ? estimateBytes(entry.report) : estimateKubermaticBytes(entry.kubermaticRecord),
        MAX_DOCUMENT_BYTES,
      ),
    maxInFlight: MAX_WRITES_IN_FLIGHT,
    maxPendingItems: limits.maxPendingReports,
    maxPendingBytes: limits.maxPendingBytes,
    maxWaitMs: MAX_WAIT_MS,
    ...(hooks === undefined ? {} : { onWrite: (batch) => hooks.onWrite(batch) }),
    clock,
  });
  const quarantine = createQuarantine({
    newClustersPerHour: limits.newClustersPerHourPerAddress,
    isKnown: (owner) => sink.hasReportsFrom(owner),
    clock,
  });
  const count = limits.reportsPerHourPerCluster;
  const rate = count === 0 ? undefined : createRate({ count, perMs: HOUR_MS, burst: count, now: () => clock.now() });
  /** Stores what holds the id that is given, or is given one. */
  const store = async (
    holder: { reportId: string },
    owner: string,
    { source, ...sender }: IngestPeer,
    wrap: (arrival: Arrival) => StoreEntry,
  ): Promise<Accepted> => {
    const receivedAt = clock.now();
    const key = keyOf(owner);
    const waitMs = owner === '' ? 0 : (rate?.take(key) ?? 0);
    if (waitMs > 0)
      throw new SpartakusError('overloaded', `a cluster may send ${count} reports an hour: send it again later`, {
        retryAfterMs: waitMs,
      });
    const quarantined = await quarantine.holds({ clusterId: owner, key, source });
    if (holder.reportId === '') holder.reportId = createReportId(receivedAt, randomBytes(16));
    const outcome = await batcher.put(wrap({ receivedAt, ...sender, ...(quarantined ? { quarantined } : {}) }));
    if (outcome.status === 'failed') throw SpartakusError.from(outcome.error);
    return { reportId: holder.reportId, status: outcome.status };
  };
  const counted = async (via: Via, accept: () => Promise<Accepted>): Promise<Accepted> => {
    try {
      const accepted = await accept();
      hooks?.onReport(via, accepted.status);
      return accepted;
    } catch (error) {
      hooks?.onReport(via, SpartakusError.from(error).kind);
      throw error;
    }
  };
  return {
    accept: (report, { requireClusterId, via, ...peer }) =>
      counted(via, () => {
        validateReport(report, { requireClusterId });
        return store(report, report.clusterId, peer, (arrival) => ({ report, ...arrival }));
      }),
    acceptKubermatic: (kubermaticRecord, { via, ...peer }) =>
      counted(via, () => {
        validateKubermaticRecord(kubermaticRecord);
        return store(kubermaticRecord, kubermaticRecord.clientUuid, peer, (arrival) => ({
          kubermaticRecord,
          ...arrival,
        }));
      }),
    pending: () => batcher.pending(),
    requireRoom: () => batcher.requireRoom(),
    room: (signal) => batcher.room(signal),
    drain: () => batcher.drain(),
  };
}

/** What an owner is remembered by: ids may be as long as their senders like. */
function keyOf(owner: string): string {
  return owner.length <= LONGEST_KEY ? owner : hash('sha256', owner);
}

/** About how large a report is in the database, without encoding it: enough to keep a batch within bounds. */
function estimateBytes(report: Report): number {
  const nodes = report.nodes.reduce(
    (sum, node) => sum + 200 + textBytes(node) + node.capacity.reduce((all, each) => all + 40 + textBytes(each), 0),
    0,
  );
  const extensions = report.extensions.reduce((sum, extension) => sum + 60 + textBytes(extension), 0);
  return 400 + textBytes(report) + nodes + extensions;
}

/** How long the texts of a message are, and what it has of fields that nobody knows. */
function textBytes(message: Message): number {
  let bytes = 0;
  for (const value of Object.values(message)) if (typeof value === 'string') bytes += value.length;
  for (const { data } of message.$unknown ?? []) bytes += data.length;
  return bytes;
}

/** The same for a record, whose documents are about four times its encoding. Such records come once a day, so encoding one is cheap. */
function estimateKubermaticBytes(record: KubermaticRecord): number {
  return 400 + 4 * toBinary(RecordSchema, record).length;
}
