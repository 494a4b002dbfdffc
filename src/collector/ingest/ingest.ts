import { hash } from 'node:crypto';
import { type Message, toBinary } from '@bufbuild/protobuf';
import { type Record as KubermaticRecord, RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { Report } from '../../../gen/spartakus/report/v1/report_pb.js';
import { createReportId } from '../../report/report-id.ts';
import type { Outcome, ReportStore, StoreEntry, Submission } from '../../report/report-sink.ts';
import type { RequestOrigin } from '../../report/request-origin.ts';
import { MAX_DOCUMENT_BYTES } from '../../report/stored-document.ts';
import { dropUnknownFields } from '../../report/unknown-fields.ts';
import type { Clock } from '../../runtime/clock.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import { type Batcher, createBatcher } from './batcher.ts';
import type { AcceptedStatus, Dialect, IngestObserver } from './observer.ts';
import { normaliseSubmission, validateSubmission } from './prepare.ts';
import { createQuarantine } from './quarantine.ts';
import { createRateErrors } from './rate-errors.ts';
import { createRateLimiter } from './rate-limiter.ts';

export interface SubmissionContext {
  readonly origin: RequestOrigin;
  readonly dialect: Dialect;
  readonly country?: string | undefined;
  /** Of the body, dropped when it was decoded. */
  readonly unknownFields?: number | undefined;
}

export interface Accepted {
  readonly reportId: string;
  readonly status: AcceptedStatus;
}

export interface Ingest extends Pick<
  Batcher<unknown, unknown>,
  'rejectIfFull' | 'waitForCapacity' | 'pending' | 'drain'
> {
  /**
   * Validates a submission, gives it an id where it has none, and stores it. Resolves once it is durable.
   *
   * @throws SpartakusError: `invalid` with the JSON path of the field in the report or record; `rate-limited` for the cluster;
   * `overloaded` where too much is pending; any error of the store for this entry
   */
  accept(submission: Submission, context: SubmissionContext): Promise<Accepted>;
  /**
   * Validates a submission and stores nothing (`validate_only`). The result depends on the submission alone: neither the rate limit of the
   * cluster nor the quarantine is asked, because both would tell whether the cluster reports here. Returns the id of the report, empty where
   * it has none.
   *
   * @throws SpartakusError `invalid`, as `accept`
   */
  validate(submission: Submission, context: SubmissionContext): string;
  /** Counts a submission that was rejected before `accept`: in a worker thread. */
  countInvalid(error: SpartakusError, context: SubmissionContext): void;
}

export interface IngestLimits {
  readonly maxPendingReports: number;
  /** As estimated for the database. */
  readonly maxPendingBytes: number;
  /** In the long run; 0 for no limit. */
  readonly reportsPerHourPerCluster: number;
  /** Reports of further new clusters are quarantined; 0 for no limit. */
  readonly newClustersPerHourPerAddress: number;
}

interface IngestOptions {
  readonly sink: Pick<ReportStore, 'put' | 'hasReportsFrom'>;
  readonly clock: Clock;
  /** Cryptographically strong: ids must be unguessable. */
  readonly randomBytes: (count: number) => Uint8Array;
  readonly limits: IngestLimits;
  /** Whether protobuf fields that the schema does not have are stored; default false. */
  readonly keepUnknownFields?: boolean;
  readonly observer?: IngestObserver;
  /** Whether to store the values of old dialects only in the forms that new clients send. */
  readonly normaliseLegacy?: boolean;
  /** Makes what statistics need of a report, to be stored with it. */
  readonly makeFacts?: (content: Report | KubermaticRecord, context: FactsContext) => object;
}

interface FactsContext {
  readonly receivedAt: Date;
  readonly dialect: Dialect;
}

/** Larger writes are no faster, and hold more memory while they are encoded. */
const MAX_BATCH_REPORTS = 1000;
const MAX_BATCH_BYTES = 8 * 1024 * 1024;
const MAX_WAIT_MS = 10_000;
const HOUR_MS = 3_600_000;
/** While one write waits for the disk, the next is encoded. */
const MAX_WRITES_IN_FLIGHT = 2;

export function createIngest({
  sink,
  clock,
  randomBytes,
  limits,
  keepUnknownFields = false,
  observer,
  normaliseLegacy,
  makeFacts,
}: IngestOptions): Ingest {
  const batcher = createBatcher<StoreEntry, Outcome>({
    write: (entries) => sink.put(entries),
    maxItems: MAX_BATCH_REPORTS,
    maxBytes: MAX_BATCH_BYTES,
    // Larger documents count as this much, so that they get MongoDB's final error, not a retryable `overloaded`.
    sizeOf: (entry) => Math.min(estimateBytes(entry), MAX_DOCUMENT_BYTES),
    maxInFlight: MAX_WRITES_IN_FLIGHT,
    maxPendingItems: limits.maxPendingReports,
    maxPendingBytes: limits.maxPendingBytes,
    maxWaitMs: MAX_WAIT_MS,
    onWrite: (batch) => observer?.onWrite(batch),
    clock,
  });
  const shouldQuarantine = createQuarantine({
    newClustersPerHour: limits.newClustersPerHourPerAddress,
    maxPendingLookups: limits.maxPendingReports,
    isKnown: (clusterId) => sink.hasReportsFrom(clusterId),
    onLookup: (result) => observer?.onClusterLookup?.(result),
    clock,
  });
  const count = limits.reportsPerHourPerCluster;
  const rateLimiter = createRateLimiter({ count, perMs: HOUR_MS, clock });
  const rateError = createRateErrors(`a cluster may send ${count} reports an hour`);

  const store = async (
    submission: Submission,
    { origin, dialect, country, unknownFields = 0 }: SubmissionContext,
  ): Promise<Accepted> => {
    // The legacy JSON API does not require a cluster id: the original did not.
    const { clusterId, content } = validateSubmission(submission, origin.protocol !== 'http');
    const dropUnknown = (): number => ('$typeName' in content ? dropUnknownFields(content) : content.droppedFields);
    observer?.onUnknownFields(unknownFields + (keepUnknownFields ? 0 : dropUnknown()));
    const receivedAt = clock.now();
    const clusterKey = hash('sha256', clusterId, 'base64url');
    const waitMs = clusterId === '' ? 0 : rateLimiter.take(clusterKey);
    if (waitMs > 0) throw rateError(waitMs);
    if (clusterId !== '') observer?.onCluster?.(clusterKey, origin);
    const decision = shouldQuarantine({ clusterId, clusterKey, addressKey: origin.addressKey });
    // Most are known, and a promise for each has a cost.
    const isQuarantined = typeof decision === 'boolean' ? decision : await decision;
    if (content.reportId === '') content.reportId = createReportId(receivedAt, randomBytes(16));
    if (normaliseLegacy === true && dialect !== 'report' && !('encodedDocument' in submission))
      normaliseSubmission(submission);
    const quarantined = isQuarantined ? true : undefined;
    // A large report, which another thread has encoded, gets its facts later.
    const facts =
      makeFacts !== undefined && '$typeName' in content
        ? { facts: makeFacts(content, { receivedAt, dialect }) }
        : undefined;
    const outcome = await batcher.put({ ...submission, origin, country, quarantined, receivedAt, ...facts });
    if (outcome.status === 'failed') throw SpartakusError.from(outcome.error);
    if (isQuarantined && outcome.status === 'stored') observer?.onQuarantined?.(dialect, origin);
    return { reportId: content.reportId, status: outcome.status };
  };

  const observe = ({ origin, dialect }: SubmissionContext, outcome: Parameters<IngestObserver['onAnswer']>[2]): void =>
    observer?.onAnswer(origin.protocol, dialect, outcome);

  return {
    ...batcher,
    countInvalid: ({ kind }, context) => observe(context, kind),
    validate(submission, context) {
      try {
        const { content } = validateSubmission(submission, true);
        observe(context, 'validated');
        return content.reportId;
      } catch (error) {
        observe(context, SpartakusError.from(error).kind);
        throw error;
      }
    },
    async accept(submission, context) {
      try {
        const accepted = await store(submission, context);
        observe(context, accepted.status);
        return accepted;
      } catch (error) {
        observe(context, SpartakusError.from(error).kind);
        throw error;
      }
    },
  };
}

/** The approximate size of an entry's document. That of a Kubermatic record is about four times its protobuf encoding. */
function estimateBytes(entry: StoreEntry): number {
  if ('encodedDocument' in entry) return 400 + entry.encodedDocument.fields.length;
  return 'report' in entry
    ? estimateReportBytes(entry.report)
    : 400 + 4 * toBinary(RecordSchema, entry.kubermaticRecord).length;
}

function estimateReportBytes(report: Report): number {
  const nodes = report.nodes.reduce(
    (sum, node) => sum + 200 + textBytes(node) + node.capacity.reduce((all, each) => all + 40 + textBytes(each), 0),
    0,
  );
  const extensions = report.extensions.reduce((sum, extension) => sum + 60 + textBytes(extension), 0);
  return 400 + textBytes(report) + nodes + extensions;
}

function textBytes(message: Message): number {
  let bytes = 0;
  for (const value of Object.values(message)) if (typeof value === 'string') bytes += value.length;
  for (const { data } of message.$unknown ?? []) bytes += data.length;
  return bytes;
}
