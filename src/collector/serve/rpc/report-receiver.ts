import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import {
  Outcome,
  PolicySchema,
  type Receipt,
  ReceiptSchema,
  SubmitKubermaticReportRequestSchema,
  SubmitReportRequestSchema,
} from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Envelope } from '../../../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import type { Report } from '../../../../gen/spartakus/report/v1/report_pb.js';
import type { Submission } from '../../../report/report-sink.ts';
import type { RequestOrigin } from '../../../report/request-origin.ts';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { Accepted, SubmissionContext } from '../../ingest/ingest.ts';
import { reportIdOf } from '../../ingest/prepare.ts';
import type { MemoryReservation } from '../admission/memory-limiter.ts';
import type { Decoded, DecodedEntry } from '../decode/decode-message.ts';
import { toRefusal } from '../error-status.ts';
import type { HandlerContext } from '../handler-context.ts';
import { withRequestPath } from './field-path.ts';
import { readRequestEnvelope } from './request-envelope.ts';

type ReportReceiverContext = Pick<
  HandlerContext,
  'ingest' | 'admission' | 'keepCountry' | 'nextReportAfterMs' | 'onRejection' | 'stopping'
>;

/** A request message with a report. */
export interface ReceivedReport {
  readonly report?: Report | undefined;
  /** Of a large message, in place of the other fields. */
  readonly decoded?: Decoded | undefined;
  /** Of SubmitReport; has no meaning in a stream. */
  readonly validateOnly?: boolean | undefined;
  /** Of the message in a stream, which ends it with the message's receipt. */
  readonly reservation?: MemoryReservation | undefined;
}

interface ReceivedEnvelope extends Pick<ReceivedReport, 'decoded'> {
  readonly envelope?: Envelope | undefined;
}

/** Implements CollectorService for every protocol. Fields of errors and receipts are paths from the request message, see field-path.ts. */
export interface ReportReceiver {
  /** Resolves to undefined for a request with `validateOnly` and without a report. */
  submit(request: ReceivedReport, origin: RequestOrigin): Promise<Receipt | undefined>;
  /** Returns a receipt per record, in order. Throws SpartakusError `invalid` for an invalid record; nothing is stored then. */
  submitEnvelope(request: ReceivedEnvelope, origin: RequestOrigin): Promise<Receipt[]>;
  /**
   * Yields receipts in the order of the commits; reading does not wait for commits. It stops reading while too much is pending or the
   * address exceeds its rate, so that flow control slows the client.
   *
   * @param signal aborted when the client has disconnected
   * @throws the errors of `requests`; SpartakusError `unavailable`, after all receipts, where the collector stops during the stream
   */
  stream(requests: AsyncIterable<ReceivedReport>, origin: RequestOrigin, signal: AbortSignal): AsyncGenerator<Receipt>;
}

/** For a report that was made from a Kubermatic record. */
const REPORT_ALIASES = { clusterID: 'clientUUID' };
/** Beyond it, a stream is not read until a receipt is sent. */
const MAX_PENDING_PER_STREAM = 256;

export function createReportReceiver({
  ingest,
  admission,
  keepCountry,
  nextReportAfterMs,
  onRejection,
  stopping,
}: ReportReceiverContext): ReportReceiver {
  const policy = create(
    PolicySchema,
    nextReportAfterMs === undefined ? {} : { nextReportAfter: durationFromMs(nextReportAfterMs) },
  );
  const acceptedReceipt = ({ reportId, status }: Accepted): Receipt =>
    create(ReceiptSchema, { reportId, outcome: status === 'stored' ? Outcome.STORED : Outcome.DUPLICATE, policy });
  const rejectedReceipt = (reportId: string, error: SpartakusError, { protocol }: RequestOrigin): Receipt => {
    onRejection(protocol, error);
    return create(ReceiptSchema, { reportId, outcome: Outcome.REFUSED, refusal: toRefusal(error), policy });
  };

  /** Of a document that was encoded in a thread; throws its error there. */
  const submissionOf = (entry: DecodedEntry, context: SubmissionContext): Submission => {
    if ('document' in entry) return { encodedDocument: entry.document };
    ingest.countInvalid(entry.error, context);
    throw entry.error;
  };

  /** Calls `take` with the report of a request. */
  const withReport = async <Result>(
    { report, decoded }: ReceivedReport,
    origin: RequestOrigin,
    take: (submission: Submission, context: SubmissionContext) => Result | Promise<Result>,
  ): Promise<Result> => {
    const [entry] = decoded?.entries ?? [];
    const context = { origin, dialect: 'report' } as const;
    try {
      if (entry !== undefined) return await take(submissionOf(entry, context), context);
      if (report !== undefined) return await take({ report }, context);
    } catch (error) {
      throw withRequestPath(error, SubmitReportRequestSchema, 'report');
    }
    throw new SpartakusError('invalid', 'report is required', { field: 'report' });
  };

  const store = async (request: ReceivedReport, origin: RequestOrigin): Promise<Receipt> =>
    acceptedReceipt(await withReport(request, origin, (...submission) => ingest.accept(...submission)));

  const submit = async (request: ReceivedReport, origin: RequestOrigin): Promise<Receipt | undefined> => {
    const { report, decoded } = request;
    // Of a large message, all fields are in `decoded`.
    const isProbe = decoded === undefined ? request.validateOnly === true : decoded.validateOnly === true;
    if (!isProbe) return await store(request, origin);
    if (report === undefined && decoded === undefined) return undefined;
    const reportId = await withReport(request, origin, (...submission) => ingest.validate(...submission));
    return create(ReceiptSchema, { reportId, outcome: Outcome.VALIDATED, policy });
  };

  const submitEnvelope = async ({ envelope, decoded }: ReceivedEnvelope, origin: RequestOrigin): Promise<Receipt[]> => {
    const { entries, country } = decoded ?? readRequestEnvelope(envelope, keepCountry);
    const context = { origin, dialect: 'kubermatic', country } as const;
    return await Promise.all(
      entries.map(async (entry, index) => {
        const isDecoded = 'document' in entry || 'error' in entry;
        try {
          return acceptedReceipt(await ingest.accept(isDecoded ? submissionOf(entry, context) : entry, context));
        } catch (thrown) {
          const base = `envelope.records[${index}]`;
          const error = withRequestPath(thrown, SubmitKubermaticReportRequestSchema, base, REPORT_ALIASES);
          return rejectedReceipt(isDecoded ? decodedId(entry) : reportIdOf(entry), error, origin);
        }
      }),
    );
  };

  async function* stream(
    requests: AsyncIterable<ReceivedReport>,
    origin: RequestOrigin,
    signal: AbortSignal,
  ): AsyncGenerator<Receipt> {
    const receipts: Receipt[] = [];
    let unanswered = 0;
    let reading = true;
    let failure: { readonly reason: unknown } | undefined;
    // Resolved when a receipt is ready, when one is sent, and when reading ends.
    let change = Promise.withResolvers<void>();
    const notify = (): void => {
      change.resolve();
      change = Promise.withResolvers();
    };
    const endReading = (): void => {
      reading = false;
      notify();
    };
    const failReading = (reason: unknown): void => {
      if (reading) failure = { reason };
      endReading();
    };
    const stop = (): void =>
      failReading(
        new SpartakusError('unavailable', 'the collector is stopping: send the reports without a receipt again'),
      );

    const accept = async (request: ReceivedReport): Promise<void> => {
      const { report, decoded, reservation } = request;
      const [entry] = decoded?.entries ?? [];
      const reportId = report?.reportId ?? (entry === undefined ? '' : decodedId(entry));
      const receipt = await store(request, origin)
        .catch((error: unknown) => rejectedReceipt(reportId, SpartakusError.from(error), origin))
        .finally(() => reservation?.end());
      receipts.push(receipt);
      notify();
    };
    const read = async (): Promise<void> => {
      for await (const request of requests) {
        if (!reading) {
          request.reservation?.end();
          return;
        }
        unanswered += 1;
        void accept(request);
        while (unanswered >= MAX_PENDING_PER_STREAM) await change.promise;
        await ingest.waitForCapacity(signal);
        await admission.pace(origin, signal);
      }
    };

    if (stopping.aborted) stop();
    stopping.addEventListener('abort', stop);
    try {
      void read().then(endReading, failReading);
      while (reading || unanswered > 0) {
        const receipt = receipts.shift();
        if (receipt === undefined) {
          await change.promise;
        } else {
          yield receipt;
          unanswered -= 1;
          notify();
        }
      }
    } finally {
      // Where the client has disconnected, reports that were read are still stored.
      reading = false;
      notify();
      stopping.removeEventListener('abort', stop);
    }
    if (failure !== undefined) throw failure.reason;
  }

  return { submit, submitEnvelope, stream };
}

function decodedId(entry: DecodedEntry): string {
  return 'document' in entry ? entry.document.reportId : entry.reportId;
}
