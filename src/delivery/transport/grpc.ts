import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type Duration, durationMs } from '@bufbuild/protobuf/wkt';
import { type ClientDuplexStream, status as Code, type StatusObject } from '@grpc/grpc-js';
import {
  CollectorService,
  Outcome as ReceiptOutcome,
  type Receipt,
  StreamReportsRequestSchema,
  type StreamReportsResponse,
  StreamReportsResponseSchema,
} from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { Outcome, ReportEntry, ReportSink } from '../../report/report-sink.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import { excerpt } from './excerpt.ts';
import { openGrpcClient, pathOf } from './grpc-client.ts';
import { retryInfoMs } from './retry-info.ts';
import { createSink, type TransportOptions } from './sink.ts';
import { kindOfGrpcCode, kindOfRejection } from './status.ts';

type Call = ClientDuplexStream<Buffer, StreamReportsResponse>;

/** Sends reports over gRPC, one stream for each put. Throws a SpartakusError `invalid` where the URL or its proxy is wrong. */
export function openGrpcSink(url: string, options: TransportOptions = {}): ReportSink {
  const client = openGrpcClient(url, options);
  const send = async (entries: readonly ReportEntry[]): Promise<readonly Outcome[]> => {
    if (entries.length === 0) return [];
    const call = await client.start<Call>((caller, metadata, callOptions) =>
      caller.makeBidiStreamRequest(
        pathOf(CollectorService.method.streamReports),
        (bytes: Buffer) => bytes,
        (bytes) => fromBinary(StreamReportsResponseSchema, bytes),
        metadata,
        callOptions,
      ),
    );
    return await exchange(call, entries, client.target);
  };
  // close() cancels calls whose receipts are complete, and does not wait for the server to end them.
  return createSink({ send, count: (entries) => entries.length, close: () => client.close() });
}

/** Never rejects. */
function exchange(call: Call, entries: readonly ReportEntry[], target: string): Promise<readonly Outcome[]> {
  const { promise, resolve } = Promise.withResolvers<readonly Outcome[]>();
  const outcomes: (Outcome | undefined)[] = entries.map(() => undefined);
  // The reports without a receipt; several may have the same id.
  const waiting = Map.groupBy(entries.keys(), (index) => idOf(entries[index]));
  let left = entries.length;
  let failure: SpartakusError | undefined;

  const finish = (): void => {
    const error =
      failure ??
      new SpartakusError('internal', `The collector at ${target} ended the stream without a receipt for the report.`);
    resolve(outcomes.map((outcome) => outcome ?? { status: 'failed', error }));
  };
  call.on('data', ({ receipt }: StreamReportsResponse) => {
    const index = receipt && waiting.get(receipt.reportId)?.shift();
    if (receipt === undefined || index === undefined) return;
    outcomes[index] = outcomeOf(receipt, target);
    left -= 1;
    if (left === 0) finish();
  });
  const requests = encode(entries);
  const writeOn = (): void => {
    try {
      for (let next = requests.next(); !next.done; next = requests.next()) {
        if (!call.write(next.value)) {
          call.once('drain', writeOn);
          return;
        }
      }
      call.end();
    } catch (error) {
      failure ??= new SpartakusError('invalid', `The report cannot be encoded: ${messageOf(error)}.`);
      call.cancel();
    }
  };
  // 'status' follows for every call; an 'error' without a listener would end the program.
  call.on('error', () => undefined);
  call.on('status', (status: StatusObject) => {
    call.off('drain', writeOn);
    if (status.code !== Code.OK) failure ??= errorOf(status, target, entries.length);
    // Receipts that arrived before the status may still be in the stream's buffer.
    if (call.readableEnded) finish();
    else call.once('end', finish);
  });
  writeOn();
  return promise;
}

function idOf(entry: ReportEntry | undefined): string {
  return entry?.encoded?.reportId ?? entry?.report.reportId ?? '';
}

function* encode(entries: readonly ReportEntry[]): Generator<Buffer> {
  for (const entry of entries) {
    const bytes = entry.encoded?.bytes ?? toBinary(ReportSchema, entry.report);
    const { number } = StreamReportsRequestSchema.field.report;
    const head = new BinaryWriter().tag(number, WireType.LengthDelimited).uint32(bytes.length).finish();
    yield Buffer.concat([head, bytes]);
  }
}

export function outcomeOf(receipt: Receipt, target: string): Outcome {
  const nextReportAfterMs = optionalMs(receipt.policy?.nextReportAfter);
  const policy = nextReportAfterMs === undefined ? {} : { nextReportAfterMs };
  switch (receipt.outcome) {
    case ReceiptOutcome.STORED:
      return { status: 'stored', ...policy };
    case ReceiptOutcome.DUPLICATE:
      return { status: 'duplicate', ...policy };
    case ReceiptOutcome.REFUSED:
      return { status: 'failed', error: rejectionOf(receipt, target) };
    case ReceiptOutcome.VALIDATED:
    case ReceiptOutcome.UNSPECIFIED:
    default:
      return {
        status: 'failed',
        error: new SpartakusError('internal', `The receipt of the collector at ${target} has no outcome.`),
      };
  }
}

function rejectionOf({ refusal }: Receipt, target: string): SpartakusError {
  const retryAfterMs = optionalMs(refusal?.retryAfter);
  const field = refusal?.field || undefined;
  const reason = excerpt(refusal?.reason ?? '') || 'it gives no reason';
  return new SpartakusError(
    kindOfRejection(refusal?.code ?? Code.UNKNOWN, retryAfterMs),
    `The collector at ${target} rejected the report${field === undefined ? '' : ` for its ${excerpt(field)}`}: ${reason}`,
    { field, retryAfterMs },
  );
}

const HINTS: Readonly<Record<string, string>> = {
  unavailable: ' Is a collector running there, and does no firewall or proxy block the connection?',
  'not-found': ' Does a Spartakus collector listen there?',
  unauthenticated: ' Is --token-file the token for it?',
};

/** The error of a failed call with this number of reports. */
export function errorOf(
  { code, details, metadata }: Omit<StatusObject, 'progress'>,
  target: string,
  reports: number,
): SpartakusError {
  const [encoded] = metadata.get('grpc-status-details-bin');
  const retryAfterMs = Buffer.isBuffer(encoded) ? retryInfoMs(encoded) : undefined;
  const kind = reports === 1 ? kindOfRejection(code, retryAfterMs) : kindOfGrpcCode(code);
  return new SpartakusError(
    kind,
    `The collector at ${target} did not accept the report: ${excerpt(details)} (gRPC code ${code}).${HINTS[kind] ?? ''}`,
    { retryAfterMs },
  );
}

function optionalMs(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : durationMs(duration);
}
