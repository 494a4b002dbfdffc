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
   * Yields receipts in the order of the commits, together those that are ready; reading does not wait for commits. It stops reading while
   * too much is pending or the address exceeds its rate, so that flow control slows the client.
   *
   * @param requests together those that have arrived; each is taken once the one before is accepted
   * @param signal aborted when the client has disconnected
   * @throws the errors of `requests`; SpartakusError `unavailable`, after all receipts, where the collector stops during the stream
   */
  stream(requests: ReceivedReports, origin: RequestOrigin, signal: AbortSignal): AsyncGenerator<readonly Receipt[]>;
}

export type ReceivedReports = AsyncGenerator<Iterable<ReceivedReport | Promise<ReceivedReport>>>;

/** For a report that was made from a Kubermatic record. */
const REPORT_ALIASES = { clusterID: 'clientUUID' };
/** Created once: creating an error per request is a cost. */
const missing = new SpartakusError('invalid', 'report is required', { field: 'report' });
/** Beyond it, a stream is not read until a receipt is sent. With much less, the database waits for the stream. */
const MAX_PENDING_PER_STREAM = 768;

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
  // Not by `create`, which takes as long as decoding a small report.
  const receiptOf = (reportId: string, outcome: Outcome): Receipt => ({
    $typeName: ReceiptSchema.typeName,
    reportId,
    outcome,
    policy,
  });
  const acceptedReceipt = ({ reportId, status }: Accepted): Receipt =>
    receiptOf(reportId, status === 'stored' ? Outcome.STORED : Outcome.DUPLICATE);
  const rejectedReceipt = (reportId: string, error: SpartakusError, { protocol }: RequestOrigin): Receipt => {
    onRejection(protocol, error);
    return { ...receiptOf(reportId, Outcome.REFUSED), refusal: toRefusal(error) };
  };

  /** Of a document that was encoded in a thread; throws its error there. */
  const submissionOf = (entry: DecodedEntry, context: SubmissionContext): Submission => {
    if ('document' in entry) return { encodedDocument: entry.document };
    ingest.countInvalid(entry.error, context);
    throw entry.error;
  };

  /** Throws `missing`, or an error whose field is a path from the report. */
  const submissionIn = ({ report, decoded }: ReceivedReport, context: SubmissionContext): Submission => {
    const entry = decoded?.entries[0];
    if (entry !== undefined) return submissionOf(entry, context);
    if (report === undefined) throw missing;
    return { report };
  };
  const requestError = (error: unknown): SpartakusError =>
    error === missing ? missing : withRequestPath(error, SubmitReportRequestSchema, 'report');

  const submit = async (request: ReceivedReport, origin: RequestOrigin): Promise<Receipt | undefined> => {
    const { report, decoded } = request;
    // Of a large message, all fields are in `decoded`.
    const isProbe = (decoded ?? request).validateOnly === true;
    if (isProbe && report === undefined && decoded === undefined) return undefined;
    const context = { origin, dialect: 'report' } as const;
    try {
      const submission = submissionIn(request, context);
      if (isProbe) return receiptOf(ingest.validate(submission, context), Outcome.VALIDATED);
      return acceptedReceipt(await ingest.accept(submission, context));
    } catch (error) {
      throw requestError(error);
    }
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
    requests: ReceivedReports,
    origin: RequestOrigin,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Receipt[]> {
    let receipts: Receipt[] = [];
    let unanswered = 0;
    let reading = true;
    let failure: { readonly reason: unknown } | undefined;
    let change: PromiseWithResolvers<void> | undefined;
    /** Resolves when a receipt is ready, when receipts are sent, and when reading ends. */
    const changed = (): Promise<void> => (change ??= Promise.withResolvers()).promise;
    const notify = (): void => {
      change?.resolve();
      change = undefined;
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

    const context = { origin, dialect: 'report' } as const;
    const accept = async (request: ReceivedReport): Promise<void> => {
      let receipt: Receipt;
      try {
        receipt = acceptedReceipt(await ingest.accept(submissionIn(request, context), context));
      } catch (error) {
        const entry = request.decoded?.entries[0];
        const reportId = request.report?.reportId ?? (entry === undefined ? '' : decodedId(entry));
        receipt = rejectedReceipt(reportId, requestError(error), origin);
      }
      request.reservation?.end();
      receipts.push(receipt);
      notify();
    };
    const read = async (): Promise<void> => {
      for await (const arrived of requests) {
        for (const next of arrived) {
          const request = next instanceof Promise ? await next : next;
          if (!reading) {
            request.reservation?.end();
            return;
          }
          unanswered += 1;
          void accept(request);
          while (unanswered >= MAX_PENDING_PER_STREAM) await changed();
          await ingest.waitForCapacity(signal);
          const paced = admission.pace(origin, signal);
          if (paced !== undefined) await paced;
        }
      }
    };

    if (stopping.aborted) stop();
    stopping.addEventListener('abort', stop);
    try {
      void read().then(endReading, failReading);
      while (reading || unanswered > 0) {
        if (receipts.length === 0) {
          await changed();
          continue;
        }
        const ready = receipts;
        receipts = [];
        yield ready;
        unanswered -= ready.length;
        notify();
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
