import type { Envelope } from '../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import type { Record as KubermaticRecord } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import type { SpartakusError } from '../runtime/errors.ts';
import type { RequestOrigin } from './request-origin.ts';

/** Metadata that the collector adds. */
export interface EntryMetadata {
  readonly origin?: RequestOrigin | undefined;
  /** The country that the client sent: a code of ISO 3166-1 alpha-2. */
  readonly country?: string | undefined;
  /** Set if the entry may be forged. Statistics ignore it until an operator releases it. */
  readonly quarantined?: true | undefined;
  readonly receivedAt?: Date;
  /** What statistics need of the entry. */
  readonly facts?: object | undefined;
}

export interface ReportEntry extends EntryMetadata {
  readonly report: Report;
  /** The report in protobuf. If set, `report` is a getter that decodes it on each access (and may throw), to save memory. */
  readonly encoded?: EncodedReport;
}

export interface EncodedReport {
  readonly reportId: string;
  readonly bytes: Uint8Array;
}

interface KubermaticEntry extends EntryMetadata {
  readonly kubermaticRecord: KubermaticRecord;
}

/** A report or Kubermatic record that was validated and encoded in a worker thread, since it is large. */
export interface EncodedDocument {
  readonly kind: 'report' | 'kubermaticRecord';
  readonly clusterId: string;
  /** Empty where the client sent none. */
  reportId: string;
  /** The stored document in BSON, without what the collector adds: `_id` and metadata. */
  readonly fields: Uint8Array;
  /** The number of protobuf fields that the schema does not have, and that were dropped. */
  readonly droppedFields: number;
}

export interface EncodedEntry extends EntryMetadata {
  readonly encodedDocument: EncodedDocument;
}

export type StoreEntry = ReportEntry | KubermaticEntry | EncodedEntry;

/** The content of a StoreEntry, as a client submits it. */
export type Submission =
  | Pick<ReportEntry, 'report'>
  | Pick<KubermaticEntry, 'kubermaticRecord'>
  | Pick<EncodedEntry, 'encodedDocument'>;

/** The outcome of one report. After `stored` and `duplicate` it is durable. */
export type Outcome =
  | { readonly status: 'stored' | 'duplicate'; readonly nextReportAfterMs?: number }
  | { readonly status: 'failed'; readonly error: SpartakusError };

/** The destination of reports: a database in the collector, a collector in the volunteer. */
export interface ReportSink {
  /** Resolves to one outcome per entry, in the same order, once all are settled. Never rejects. Each report must have an id. */
  put(entries: readonly ReportEntry[]): Promise<readonly Outcome[]>;
  /** Waits for pending entries and releases all resources. Idempotent. */
  close(): Promise<void>;
}

/** The destination of Kubermatic's records, all of one envelope together. */
export interface EnvelopeSink {
  /** Resolves to one outcome per record, in the same order, once all are settled. Never rejects. */
  put(envelope: Envelope): Promise<readonly Outcome[]>;
  /** As ReportSink.close. */
  close(): Promise<void>;
}

export interface ReportStore extends ReportSink {
  /** As ReportSink.put. */
  put(entries: readonly StoreEntry[]): Promise<readonly Outcome[]>;
  /** Whether the store has an entry of this cluster or Kubermatic client that is not in quarantine. Throws a SpartakusError `unavailable`. */
  hasReportsFrom(id: string): Promise<boolean>;
  /** Checks within a few seconds that a report could be stored now. Throws a SpartakusError `unavailable` with its cause. */
  check(): Promise<void>;
  /** Calls back whenever the store may have become available, so that a check is worth it. */
  onRecovery?(listener: () => void): void;
  /** The space for a database in a directory of its own; undefined before it is measured. */
  disk?(): DiskSpace | undefined;
}

export interface DiskSpace {
  readonly freeBytes: number;
  /** With less free space, reports are rejected. */
  readonly reserveBytes: number;
  readonly isExhausted: boolean;
}
