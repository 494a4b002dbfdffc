import type { Envelope } from '../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import type { Record as KubermaticRecord } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import type { SpartakusError } from '../runtime/errors.ts';

/** Who sent something, as far as the operator wants that kept. */
export interface Sender {
  /** Whom the collector received it from. */
  readonly receivedFrom?: string | undefined;
  /** The country that the client says it is in: two capital letters, ISO 3166-1 alpha-2. */
  readonly country?: string | undefined;
}

/** What the collector knows of anything that came. */
export interface Arrival extends Sender {
  /** Set where it looks made up: it is kept out of statistics until somebody has released it. */
  readonly quarantined?: true | undefined;
  /** When the collector received it. Absent on the volunteer's side. */
  readonly receivedAt?: Date;
}

/** A report on its way into a sink, with what the collector knows of it. */
export interface ReportEntry extends Arrival {
  readonly report: Report;
  /**
   * The same report in protobuf, where that is at hand. `report` is then decoded each time that it is asked for (which may throw), and who
   * can do without saves the memory, several times what it is encoded.
   */
  readonly encoded?: EncodedReport;
}

/** A report in protobuf. */
export interface EncodedReport {
  readonly reportId: string;
  readonly bytes: Uint8Array;
}

/** A record of Kubermatic's on its way into a store. */
export interface KubermaticEntry extends Arrival {
  readonly kubermaticRecord: KubermaticRecord;
}

/** Whatever a store keeps. */
export type StoreEntry = ReportEntry | KubermaticEntry;

/** What became of one report. `stored` and `duplicate` are successes: the report is durable. */
export type Outcome =
  | { readonly status: 'stored' | 'duplicate'; readonly nextReportAfterMs?: number }
  | { readonly status: 'failed'; readonly error: SpartakusError };

/**
 * Where reports go: a database in the collector, a collector in the volunteer (as in the original, where a client "stores" into
 * an https:// database).
 */
export interface ReportSink {
  /**
   * Takes reports that have an id, and answers one outcome for each, in the same order, once all are settled. A failure of one
   * does not touch the others. Never rejects: what goes wrong is an outcome.
   */
  put(entries: readonly ReportEntry[]): Promise<readonly Outcome[]>;
  /** Finishes what was put and lets go of every resource. Idempotent. */
  close(): Promise<void>;
}

/** Where the records of Kubermatic's agents go, all of one report together. */
export interface EnvelopeSink {
  /** Answers one outcome for each record, in the same order, once all are settled. Never rejects: what goes wrong is an outcome. */
  put(envelope: Envelope): Promise<readonly Outcome[]>;
  /** Finishes what was put and lets go of every resource. Idempotent. */
  close(): Promise<void>;
}

/** A sink that keeps reports and records of other kinds, and can say whether it would. */
export interface ReportStore extends ReportSink {
  /** As of a ReportSink, for entries of all kinds. */
  put(entries: readonly StoreEntry[]): Promise<readonly Outcome[]>;
  /**
   * Whether a report of this cluster, or a record of this Kubermatic client, is stored that is not in quarantine.
   *
   * @throws SpartakusError of kind `unavailable`
   */
  hasReportsFrom(id: string): Promise<boolean>;
  /**
   * Finds out, within a few seconds, whether a report could be stored now.
   *
   * @throws SpartakusError of kind `unavailable` whose cause says why not
   */
  check(): Promise<void>;
}
