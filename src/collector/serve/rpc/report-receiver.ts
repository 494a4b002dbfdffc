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
import type { RequestOrigin } from '../../../report/request-origin.ts';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { Accepted } from '../../ingest/ingest.ts';
import { type KubermaticSubmission, readEnvelope } from '../../legacy/kubermatic.ts';
import { toRefusal } from '../error-status.ts';
import type { HandlerContext } from '../handler-context.ts';
import { withRequestPath } from './field-path.ts';

type ReportReceiverContext = Pick<
  HandlerContext,
  'ingest' | 'admission' | 'keepCountry' | 'nextReportAfterMs' | 'onRejection' | 'stopping'
>;

/** Implements CollectorService for every protocol. Fields of errors and receipts are paths from the request message, see field-path.ts. */
export interface ReportReceiver {
  submit(report: Report | undefined, origin: RequestOrigin): Promise<Receipt>;
  /** Returns a receipt per record, in order. Throws SpartakusError `invalid` for an invalid record; nothing is stored then. */
  submitEnvelope(envelope: Envelope | undefined, origin: RequestOrigin): Promise<Receipt[]>;
  /**
   * Yields receipts in the order of the commits; reading does not wait for commits. It stops reading while too much is pending or the
   * address exceeds its rate, so that flow control slows the client.
   *
   * @param signal aborted when the client has disconnected
   * @throws the errors of `requests`; SpartakusError `unavailable`, after all receipts, where the collector stops during the stream
   */
  stream(
    requests: AsyncIterable<{ readonly report?: Report | undefined }>,
    origin: RequestOrigin,
    signal: AbortSignal,
  ): AsyncGenerator<Receipt>;
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

  const submit = async (report: Report | undefined, origin: RequestOrigin): Promise<Receipt> => {
    if (report === undefined) throw new SpartakusError('invalid', 'report is required', { field: 'report' });
    try {
      return acceptedReceipt(await ingest.accept({ report }, { origin, dialect: 'report' }));
    } catch (error) {
      throw withRequestPath(error, SubmitReportRequestSchema, 'report');
    }
  };

  const submitEnvelope = async (envelope: Envelope | undefined, origin: RequestOrigin): Promise<Receipt[]> => {
    const { entries, country } = readRequestEnvelope(envelope, keepCountry);
    return await Promise.all(
      entries.map(async (entry, index) => {
        try {
          return acceptedReceipt(await ingest.accept(entry, { origin, dialect: 'kubermatic', country }));
        } catch (thrown) {
          const base = `envelope.records[${index}]`;
          const error = withRequestPath(thrown, SubmitKubermaticReportRequestSchema, base, REPORT_ALIASES);
          const { reportId } = 'report' in entry ? entry.report : entry.kubermaticRecord;
          return rejectedReceipt(reportId, error, origin);
        }
      }),
    );
  };

  async function* stream(
    requests: AsyncIterable<{ readonly report?: Report | undefined }>,
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

    const accept = async (report: Report | undefined): Promise<void> => {
      const receipt = await submit(report, origin).catch((error: unknown) =>
        rejectedReceipt(report?.reportId ?? '', SpartakusError.from(error), origin),
      );
      receipts.push(receipt);
      notify();
    };
    const read = async (): Promise<void> => {
      for await (const { report } of requests) {
        if (!reading) return;
        unanswered += 1;
        void accept(report);
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

function readRequestEnvelope(envelope: Envelope | undefined, keepCountry: boolean): KubermaticSubmission {
  if (envelope === undefined) throw new SpartakusError('invalid', 'envelope is required', { field: 'envelope' });
  try {
    if (envelope.clientUuid.trim() === '') {
      throw new SpartakusError(
        'invalid',
        'clientUUID is required: a text that identifies this installation, such as a random UUID',
        { field: 'clientUUID' },
      );
    }
    return readEnvelope(envelope, { keepCountry });
  } catch (error) {
    throw withRequestPath(error, SubmitKubermaticReportRequestSchema, 'envelope');
  }
}
