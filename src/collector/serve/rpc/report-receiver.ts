import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import {
  Outcome,
  type Policy,
  PolicySchema,
  type Receipt,
  ReceiptSchema,
} from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Envelope } from '../../../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import type { Report } from '../../../../gen/spartakus/report/v1/report_pb.js';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { Protocol } from '../../ingest/hooks.ts';
import type { Accepted, Ingest } from '../../ingest/ingest.ts';
import type { Peer } from '../admission/request-origin.ts';
import type { OnRefusal } from '../console/rejections.ts';
import { toRefusal } from '../error-status.ts';
import { acceptEnvelope } from './kubermatic-envelope.ts';

export interface ReportReceiverOptions {
  readonly ingest: Ingest;
  /** Whether the countries that Kubermatic's clients send are kept; nothing else of a location ever is. */
  readonly keepCountry: boolean;
  /** How long a client is asked to wait between two reports, in milliseconds, at least 0; as long as it wishes where absent. */
  readonly nextReportAfterMs?: number;
  /** Waits until a peer may send one more report of a stream, or the signal is aborted. */
  readonly pace: (peer: Peer, signal: AbortSignal) => Promise<void>;
  /** Told of each report of a stream that is refused; of a call, its road tells. */
  readonly onRefusal: OnRefusal;
  /** Aborted when the collector stops: streams read no further, answer what they have read, and end. */
  readonly stopping: AbortSignal;
}

/** Whom a call is from, and how it came. */
export interface Caller extends Peer {
  readonly protocol: Protocol;
}

/** What CollectorService does, whichever road a call came by. */
export interface ReportReceiver {
  /** @throws SpartakusError what became of a report that is not stored */
  submit(report: Report | undefined, caller: Caller): Promise<Receipt>;
  /**
   * A receipt for each record of an envelope of Kubermatic's, in their order.
   *
   * @throws SpartakusError `invalid` with the field that is wrong; nothing is stored then
   */
  submitEnvelope(envelope: Envelope | undefined, caller: Caller): Promise<Receipt[]>;
  /**
   * Reads reports and yields their receipts as commits finish: reading does not wait for commits. It waits where too much is
   * pending, or where the peer comes too fast, so that flow control reaches the client.
   *
   * @param signal aborted when the client has gone
   * @throws what the requests throw; SpartakusError `unavailable`, once everything that was read is answered, where the collector
   * stops before the client is done
   */
  stream(
    requests: AsyncIterable<{ readonly report?: Report | undefined }>,
    caller: Caller,
    signal: AbortSignal,
  ): AsyncGenerator<Receipt>;
}

/**
 * The most reports of one stream that wait for the database. The stream is not read further until one is answered.
 */
const MAX_PENDING_PER_STREAM = 256;

export function createReportReceiver({
  ingest,
  keepCountry,
  nextReportAfterMs,
  pace,
  onRefusal,
  stopping,
}: ReportReceiverOptions): ReportReceiver {
  const policy = create(
    PolicySchema,
    nextReportAfterMs === undefined ? {} : { nextReportAfter: durationFromMs(nextReportAfterMs) },
  );

  const submit = async (report: Report | undefined, { protocol, ...peer }: Caller): Promise<Receipt> => {
    const via = { protocol, dialect: 'report' } as const;
    return acceptedReceipt(
      await ingest.accept(requireReport(report), { requireClusterId: true, via, ...peer }),
      policy,
    );
  };

  const answer = async (report: Report | undefined, caller: Caller): Promise<Receipt> => {
    try {
      return await submit(report, caller);
    } catch (error) {
      onRefusal(caller.protocol, error);
      return refusedReceipt(report, SpartakusError.from(error), policy);
    }
  };

  const submitEnvelope = async (envelope: Envelope | undefined, caller: Caller): Promise<Receipt[]> => {
    const outcomes = await acceptEnvelope(envelope, { ingest, keepCountry, caller });
    return outcomes.map((outcome) => {
      if (!('error' in outcome)) return acceptedReceipt(outcome, policy);
      onRefusal(caller.protocol, outcome.error);
      return refusedReceipt(outcome, outcome.error, policy);
    });
  };

  async function* stream(
    requests: AsyncIterable<{ readonly report?: Report | undefined }>,
    caller: Caller,
    signal: AbortSignal,
  ): AsyncGenerator<Receipt> {
    const receipts: Receipt[] = [];
    let unanswered = 0;
    let reading = true;
    let failure: { readonly reason: unknown } | undefined;
    // One bell for both sides: it rings when a receipt is ready, when one is taken, and when the reading ends.
    let bell = Promise.withResolvers<void>();
    const ring = (): void => {
      bell.resolve();
      bell = Promise.withResolvers();
    };
    const endReading = (): void => {
      reading = false;
      ring();
    };
    const failReading = (reason: unknown): void => {
      if (reading) failure = { reason };
      endReading();
    };
    const stop = (): void =>
      failReading(new SpartakusError('unavailable', 'the collector is stopping: send what has no receipt again'));

    const accept = async (report: Report | undefined): Promise<void> => {
      receipts.push(await answer(report, caller));
      ring();
    };
    const read = async (): Promise<void> => {
      for await (const { report } of requests) {
        if (!reading) return;
        unanswered += 1;
        void accept(report);
        while (unanswered >= MAX_PENDING_PER_STREAM) await bell.promise;
        await ingest.room(signal);
        await pace(caller, signal);
      }
    };

    if (stopping.aborted) stop();
    stopping.addEventListener('abort', stop);
    try {
      void read().then(endReading, failReading);
      while (reading || unanswered > 0) {
        const receipt = receipts.shift();
        if (receipt === undefined) {
          await bell.promise;
        } else {
          yield receipt;
          unanswered -= 1;
          ring();
        }
      }
    } finally {
      // The client may have gone: what was read is stored all the same, and nobody is told.
      reading = false;
      ring();
      stopping.removeEventListener('abort', stop);
    }
    if (failure !== undefined) throw failure.reason;
  }

  return { submit, submitEnvelope, stream };
}

function refusedReceipt(
  report: { readonly reportId: string } | undefined,
  error: SpartakusError,
  policy: Policy,
): Receipt {
  return create(ReceiptSchema, {
    reportId: report?.reportId ?? '',
    outcome: Outcome.REFUSED,
    refusal: toRefusal(error),
    policy,
  });
}

function acceptedReceipt({ reportId, status }: Accepted, policy: Policy): Receipt {
  return create(ReceiptSchema, { reportId, outcome: status === 'stored' ? Outcome.STORED : Outcome.DUPLICATE, policy });
}

function requireReport(report: Report | undefined): Report {
  if (report === undefined) throw new SpartakusError('invalid', 'report is required', { field: 'report' });
  return report;
}
