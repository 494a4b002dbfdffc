import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, type ConnectRouter, createContextKey } from '@connectrpc/connect';

import {
  CollectorService,
  Outcome,
  type Policy,
  PolicySchema,
  type Receipt,
  ReceiptSchema,
  type StreamReportsRequest,
} from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import type { Accepted, Ingest } from '../ingest/ingest.ts';
import { SpartakusError } from '../report/errors.ts';
import { toConnectError, toRefusal } from './status.ts';

export interface ReportServiceOptions {
  readonly ingest: Ingest;
  /** How long a client is asked to wait between two reports, in milliseconds, at least 0; as long as it wishes where absent. */
  readonly nextReportAfterMs?: number;
  /** Aborted when the collector stops: streams read no further, answer what they have read, and end. */
  readonly stopping: AbortSignal;
}

/**
 * The most reports of one stream that wait for the database. The stream is not read further until one is answered, so that flow
 * control reaches the client.
 */
const MAX_PENDING_PER_STREAM = 256;

/** Whom a call is from, as far as the operator wants that kept. */
export const RECEIVED_FROM = createContextKey<string | undefined>(undefined);

/** CollectorService: the way in over Connect, gRPC and gRPC-Web. */
export function createReportService(options: ReportServiceOptions): (router: ConnectRouter) => void {
  const { ingest, nextReportAfterMs, stopping } = options;
  const policy = create(PolicySchema, nextReportAfterMs === undefined ? {} : { nextReportAfter: durationFromMs(nextReportAfterMs) });
  const accept = async (report: Report | undefined, receivedFrom: string | undefined): Promise<Receipt> =>
    acceptedReceipt(await ingest.accept(requireReport(report), { requireClusterId: true, receivedFrom }), policy);
  return (router) =>
    router.service(CollectorService, {
      async submitReport({ report }, { values }) {
        try {
          return { receipt: await accept(report, values.get(RECEIVED_FROM)) };
        } catch (error) {
          throw toConnectError(SpartakusError.from(error));
        }
      },
      async *streamReports(requests, { values }) {
        const receivedFrom = values.get(RECEIVED_FROM);
        const answer = async (report: Report | undefined): Promise<Receipt> => {
          try {
            return await accept(report, receivedFrom);
          } catch (error) {
            return refusedReceipt(report, SpartakusError.from(error), policy);
          }
        };
        for await (const receipt of answerReports(requests, answer, stopping)) yield { receipt };
      },
    });
}

/**
 * Reads reports and yields their receipts as commits finish: reading does not wait for commits.
 *
 * @throws ConnectError UNAVAILABLE, once everything that was read is answered, where the collector stops before the client is done
 */
async function* answerReports(
  requests: AsyncIterable<StreamReportsRequest>,
  answer: (report: Report | undefined) => Promise<Receipt>,
  stopping: AbortSignal,
): AsyncGenerator<Receipt> {
  const receipts: Receipt[] = [];
  let unanswered = 0;
  let reading = true;
  let failure: Error | undefined;
  // One bell for both sides: it rings when a receipt is ready, when one is taken, and when the reading ends.
  let bell = Promise.withResolvers<void>();
  const ring = (): void => {
    bell.resolve();
    bell = Promise.withResolvers();
  };
  const endReading = (error?: unknown): void => {
    if (!reading) return;
    reading = false;
    if (error !== undefined) failure = ConnectError.from(error);
    ring();
  };
  const stop = (): void =>
    endReading(new ConnectError('the collector is stopping: send what has no receipt again', Code.Unavailable));

  const accept = async (report: Report | undefined): Promise<void> => {
    receipts.push(await answer(report));
    ring();
  };
  const read = async (): Promise<void> => {
    for await (const { report } of requests) {
      if (!reading) return;
      unanswered += 1;
      void accept(report);
      while (unanswered >= MAX_PENDING_PER_STREAM) await bell.promise;
    }
  };

  if (stopping.aborted) stop();
  stopping.addEventListener('abort', stop);
  try {
    void read().then(() => endReading(), endReading);
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
    stopping.removeEventListener('abort', stop);
  }
  if (failure !== undefined) throw failure;
}

function refusedReceipt(report: Report | undefined, error: SpartakusError, policy: Policy): Receipt {
  return create(ReceiptSchema, { reportId: report?.reportId ?? '', outcome: Outcome.REFUSED, refusal: toRefusal(error), policy });
}

function acceptedReceipt({ reportId, status }: Accepted, policy: Policy): Receipt {
  return create(ReceiptSchema, { reportId, outcome: status === 'stored' ? Outcome.STORED : Outcome.DUPLICATE, policy });
}

function requireReport(report: Report | undefined): Report {
  if (report === undefined) throw new SpartakusError('invalid', 'report is required', { field: 'report' });
  return report;
}
