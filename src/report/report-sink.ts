import type { Envelope } from '../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import type { Record as KubermaticRecord } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import type { SpartakusError } from '../runtime/errors.ts';
import type { RequestOrigin } from './request-origin.ts';

/** What the collector knows about an entry besides its content; the volunteer sets none of it. */
export interface EntryMetadata {
  readonly origin?: RequestOrigin | undefined;
  /** The country that the client states: a code of ISO 3166-1 alpha-2. */
  readonly country?: string | undefined;
  /** Set where the entry looks forged: it is left out of statistics until an operator releases it. */
  readonly quarantined?: true | undefined;
  readonly receivedAt?: Date;
}

export interface ReportEntry extends EntryMetadata {
  readonly report: Report;
  /**
   * The same report in protobuf, where it is at hand. `report` is then a getter that decodes it on each access (and may throw): a
   * sink that uses `encoded` instead saves several times its size in memory.
   */
  readonly encoded?: EncodedReport;
}

export interface EncodedReport {
  readonly reportId: string;
  readonly bytes: Uint8Array;
}

export interface KubermaticEntry extends EntryMetadata {
  readonly kubermaticRecord: KubermaticRecord;
}

export type StoreEntry = ReportEntry | KubermaticEntry;

/** The content of a StoreEntry, as a client submits it. */
export type Submission = Pick<ReportEntry, 'report'> | Pick<KubermaticEntry, 'kubermaticRecord'>;

/** The outcome of one report. `stored` and `duplicate` are successes: the report is durable. */
export type Outcome =
  | { readonly status: 'stored' | 'duplicate'; readonly nextReportAfterMs?: number }
  | { readonly status: 'failed'; readonly error: SpartakusError };

/** The destination of reports: a database in the collector, a collector in the volunteer. */
export interface ReportSink {
  /**
   * Takes reports that have an id. Resolves to one outcome per entry, in the same order, once all are settled. The failure of one does
   * not affect the others. Never rejects: a failure is an outcome.
   */
  put(entries: readonly ReportEntry[]): Promise<readonly Outcome[]>;
  /** Waits for pending entries and releases all resources. Idempotent. */
  close(): Promise<void>;
}

/** The destination of Kubermatic's records, all of one envelope together. */
export interface EnvelopeSink {
  /** Resolves to one outcome per record, in the same order, once all are settled. Never rejects: a failure is an outcome. */
  put(envelope: Envelope): Promise<readonly Outcome[]>;
  /** Waits for pending entries and releases all resources. Idempotent. */
  close(): Promise<void>;
}

/** A sink that keeps entries of all kinds. */
export interface ReportStore extends ReportSink {
  /** As ReportSink.put, for entries of all kinds. */
  put(entries: readonly StoreEntry[]): Promise<readonly Outcome[]>;
  /**
   * Whether a report of this cluster, or a record of this Kubermatic client, is stored that is not in quarantine.
   *
   * @throws SpartakusError `unavailable` where the store cannot tell
   */
  hasReportsFrom(id: string): Promise<boolean>;
  /**
   * Checks, within a few seconds, whether a report could be stored now.
   *
   * @throws SpartakusError `unavailable`, with the reason as its cause
   */
  check(): Promise<void>;
}
