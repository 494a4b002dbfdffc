import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { SpartakusError } from '../report/errors.ts';
import type { Clock, Outcome, ReportEntry, ReportSink } from '../report/ports.ts';
import { createReportId } from '../report/report-id.ts';
import { validateReport, type ValidateOptions } from '../report/validate.ts';
import { createBatcher } from './batcher.ts';

export interface AcceptOptions extends ValidateOptions {
  /** Whom the report came from, as far as the operator wants that kept. */
  readonly receivedFrom?: string | undefined;
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
   * @throws SpartakusError: `invalid` names the field; whatever the store says of this one report
   */
  accept(report: Report, options: AcceptOptions): Promise<Accepted>;
  /** Resolves once everything that was accepted so far is answered. */
  drain(): Promise<void>;
}

export interface IngestOptions {
  readonly sink: ReportSink;
  readonly clock: Pick<Clock, 'now'>;
  /** Fresh random bytes, cryptographically strong: ids must not be guessed. */
  readonly randomBytes: (count: number) => Uint8Array;
}

/** Bounds of one write. MongoDB's driver cuts a batch above 48 MB in two by itself; this keeps it well below. */
const MAX_BATCH_REPORTS = 1000;
const MAX_BATCH_BYTES = 24 * 1024 * 1024;
/** With two writes under way, one is at the disk while the other is encoded. */
const MAX_WRITES_IN_FLIGHT = 2;

/** Opens the way into a sink. */
export function createIngest({ sink, clock, randomBytes }: IngestOptions): Ingest {
  const batcher = createBatcher<ReportEntry, Outcome>({
    write: (entries) => sink.put(entries),
    maxItems: MAX_BATCH_REPORTS,
    maxBytes: MAX_BATCH_BYTES,
    sizeOf: ({ report }) => estimateBytes(report),
    maxInFlight: MAX_WRITES_IN_FLIGHT,
  });
  return {
    async accept(report, options) {
      validateReport(report, options);
      const receivedAt = clock.now();
      if (report.reportId === '') report.reportId = createReportId(receivedAt, randomBytes(16));
      const { receivedFrom } = options;
      const outcome = await batcher.put({ report, receivedAt, ...(receivedFrom === undefined ? {} : { receivedFrom }) });
      if (outcome.status === 'failed') throw SpartakusError.from(outcome.error);
      return { reportId: report.reportId, status: outcome.status };
    },
    drain: () => batcher.drain(),
  };
}

/** About how large a report is in the database, without encoding it: enough to keep a batch within bounds. */
function estimateBytes(report: Report): number {
  const nodes = report.nodes.reduce((sum, node) => sum + 400 + 60 * node.capacity.length, 0);
  const extensions = report.extensions.reduce((sum, { name, value }) => sum + 60 + name.length + value.length, 0);
  return 400 + nodes + extensions;
}
