import { toBinary } from '@bufbuild/protobuf';

import { type Record as KubermaticRecord, RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { SpartakusError } from '../report/errors.ts';
import type { Clock, Sender, Outcome, ReportStore, StoreEntry } from '../report/ports.ts';
import { createReportId } from '../report/report-id.ts';
import { validateKubermaticRecord, validateReport, type ValidateOptions } from '../report/validate.ts';
import { createBatcher } from './batcher.ts';

export interface AcceptOptions extends ValidateOptions, Sender {}

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
   * @throws SpartakusError: `invalid` names the field; whatever the store says of this one report
   */
  accept(report: Report, options: AcceptOptions): Promise<Accepted>;
  /** The same for a record of Kubermatic's. */
  acceptKubermatic(record: KubermaticRecord, sender: Sender): Promise<Accepted>;
  /** @throws SpartakusError `overloaded` where any report would be refused now as one too many */
  requireRoom(): void;
  /** Resolves when it is worth reading another report of a stream: see Batcher. */
  room(signal?: AbortSignal): Promise<void>;
  /** Resolves once everything that was accepted so far is answered. */
  drain(): Promise<void>;
}

/** How much is taken at a time. */
export interface IngestLimits {
  /** The most reports that wait for the database; one more is refused as `overloaded`. */
  readonly maxPendingReports: number;
  /** The same in bytes, as the database has them. */
  readonly maxPendingBytes: number;
}

export interface IngestOptions {
  readonly sink: Pick<ReportStore, 'put'>;
  readonly clock: Clock;
  /** Fresh random bytes, cryptographically strong: ids must not be guessed. */
  readonly randomBytes: (count: number) => Uint8Array;
  readonly limits: IngestLimits;
}

/** Bounds of one write: larger ones are no faster, and hold more memory while they are encoded. */
const MAX_BATCH_REPORTS = 1000;
const MAX_BATCH_BYTES = 8 * 1024 * 1024;
/** How long a report may wait until its write begins: after that its client should hear that it has to come again. */
const MAX_WAIT_MS = 10_000;
/** What is larger is refused by the database, and should not be told to come again instead. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
/** With two writes under way, one is at the disk while the other is encoded. */
const MAX_WRITES_IN_FLIGHT = 2;

/** Opens the way into a sink. */
export function createIngest({ sink, clock, randomBytes, limits }: IngestOptions): Ingest {
  const batcher = createBatcher<StoreEntry, Outcome>({
    write: (entries) => sink.put(entries),
    maxItems: MAX_BATCH_REPORTS,
    maxBytes: MAX_BATCH_BYTES,
    sizeOf: (entry) =>
      Math.min('report' in entry ? estimateBytes(entry.report) : estimateKubermaticBytes(entry.kubermaticRecord), MAX_DOCUMENT_BYTES),
    maxInFlight: MAX_WRITES_IN_FLIGHT,
    maxPendingItems: limits.maxPendingReports,
    maxPendingBytes: limits.maxPendingBytes,
    maxWaitMs: MAX_WAIT_MS,
    clock,
  });
  /** Stores what holds the id that is given, or is given one. */
  const store = async (holder: { reportId: string }, wrap: (receivedAt: Date) => StoreEntry): Promise<Accepted> => {
    const receivedAt = clock.now();
    if (holder.reportId === '') holder.reportId = createReportId(receivedAt, randomBytes(16));
    const outcome = await batcher.put(wrap(receivedAt));
    if (outcome.status === 'failed') throw SpartakusError.from(outcome.error);
    return { reportId: holder.reportId, status: outcome.status };
  };
  return {
    async accept(report, { requireClusterId, ...sender }) {
      validateReport(report, { requireClusterId });
      return await store(report, (receivedAt) => ({ report, receivedAt, ...sender }));
    },
    async acceptKubermatic(kubermaticRecord, sender) {
      validateKubermaticRecord(kubermaticRecord);
      return await store(kubermaticRecord, (receivedAt) => ({ kubermaticRecord, receivedAt, ...sender }));
    },
    requireRoom: () => batcher.requireRoom(),
    room: (signal) => batcher.room(signal),
    drain: () => batcher.drain(),
  };
}

/** About how large a report is in the database, without encoding it: enough to keep a batch within bounds. */
function estimateBytes(report: Report): number {
  const nodes = report.nodes.reduce((sum, node) => sum + 400 + 60 * node.capacity.length, 0);
  const extensions = report.extensions.reduce((sum, { name, value }) => sum + 60 + name.length + value.length, 0);
  return 400 + nodes + extensions;
}

/** The same for a record, whose documents are about four times its encoding. Such records come once a day, so encoding one is cheap. */
function estimateKubermaticBytes(record: KubermaticRecord): number {
  return 400 + 4 * toBinary(RecordSchema, record).length;
}
