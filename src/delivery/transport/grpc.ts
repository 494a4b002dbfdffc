import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type Duration, durationMs } from '@bufbuild/protobuf/wkt';
import { type ClientDuplexStream, Metadata, status as Code, type StatusObject } from '@grpc/grpc-js';
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
import { createPending } from '../../runtime/pending.ts';
import { type Access, NO_ACCESS } from '../client-credentials.ts';
import { excerpt } from './excerpt.ts';
import { openRpcClient } from './grpc-client.ts';
import { parseGrpcUrl, portOf } from './grpc-url.ts';
import { placeBehind, proxyFor } from './proxy.ts';
import { retryInfoMs } from './retry-info.ts';
import { kindOfGrpcCode, kindOfRefusal } from './status.ts';

const METHOD = `/${CollectorService.typeName}/${CollectorService.method.streamReports.name}`;

export interface RpcConfig {
  /** grpc://HOST[:PORT] or grpcs://HOST[:PORT]; see parseGrpcUrl. */
  readonly url: string;
}

export interface RpcOptions {
  /** How long one put may take, in milliseconds. */
  readonly timeoutMs?: number;
  /** Certificates and token; see access.ts. */
  readonly access?: Access;
  /** Where proxies are named; see proxy.ts. */
  readonly env?: NodeJS.ProcessEnv;
  /** Gives up what is under way: its reports fail as `unavailable`. */
  readonly signal?: AbortSignal;
}

type Call = ClientDuplexStream<Buffer, StreamReportsResponse>;

/**
 * A collector that takes reports over gRPC. Each put is one stream; the receipts, in whatever order they come, become outcomes in the
 * order of the reports. Nothing connects before the first put. Throws a SpartakusError `invalid` where the URL is wrong, or that of
 * a proxy.
 */
export function openRpcSink({ url }: RpcConfig, options: RpcOptions = {}): ReportSink {
  const { timeoutMs = 60_000, access = NO_ACCESS, env = {}, signal } = options;
  const target = parseGrpcUrl(url);
  const proxy = proxyFor({ kind: 'grpc', host: target.host, port: portOf(target.authority) }, env);
  const place = placeBehind(proxy, url);
  const client = openRpcClient(target, access, proxy?.url);
  const calls = new Set<Call>();
  const pending = createPending();

  const open = (authorization: string | undefined): Call => {
    const metadata = new Metadata();
    if (authorization !== undefined) metadata.set('authorization', authorization);
    const call = client.makeBidiStreamRequest<Buffer, StreamReportsResponse>(
      METHOD,
      (bytes) => bytes,
      (bytes) => fromBinary(StreamReportsResponseSchema, bytes),
      metadata,
      { deadline: Date.now() + timeoutMs },
    );
    calls.add(call);
    call.once('status', () => calls.delete(call));
    return call;
  };
  const cancelAll = () => {
    for (const call of calls) call.cancel();
  };
  signal?.addEventListener('abort', cancelAll, { once: true });

  let closed = false;

  const put = async (entries: readonly ReportEntry[]): Promise<readonly Outcome[]> => {
    if (entries.length === 0) return [];
    const failAll = (error: SpartakusError): readonly Outcome[] => entries.map(() => ({ status: 'failed', error }));
    if (closed)
      return failAll(new SpartakusError('unavailable', `The connection to the collector at ${place} is closed.`));
    let authorization: string | undefined;
    try {
      authorization = await access.authorization();
    } catch (error) {
      return failAll(SpartakusError.from(error));
    }
    const call = open(authorization);
    if (signal?.aborted === true) call.cancel();
    return exchange(call, entries, place);
  };

  return {
    put: (entries) => pending.add(put(entries)),
    close: async () => {
      closed = true;
      await pending.settled();
      signal?.removeEventListener('abort', cancelAll);
      // Every receipt is in; a collector that has not ended its side yet is not waited for.
      cancelAll();
      client.close();
    },
  };
}

/** Streams the reports, and gathers their outcomes; never rejects. */
function exchange(call: Call, entries: readonly ReportEntry[], place: string): Promise<readonly Outcome[]> {
  const { promise, resolve } = Promise.withResolvers<readonly Outcome[]>();
  const outcomes: (Outcome | undefined)[] = entries.map(() => undefined);
  // Which reports still wait for a receipt of their id; two may have the same.
  const waiting = Map.groupBy(entries.keys(), (index) => idOf(entries[index]));
  let left = entries.length;
  let failure: SpartakusError | undefined;

  const settle = (receipt: Receipt): void => {
    const index = waiting.get(receipt.reportId)?.shift();
    if (index === undefined) return;
    outcomes[index] = outcomeOf(receipt, place);
    left -= 1;
    if (left === 0) finish();
  };
  const finish = (): void => {
    const error =
      failure ??
      new SpartakusError('internal', `The collector at ${place} ended the stream without a receipt for the report.`);
    resolve(outcomes.map((outcome) => outcome ?? { status: 'failed', error }));
  };

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
  call.on('data', ({ receipt }: StreamReportsResponse) => {
    if (receipt !== undefined) settle(receipt);
  });
  // The same is said by 'status', which comes for every call; without a listener an 'error' would end the program.
  call.on('error', () => undefined);
  call.on('status', (status: StatusObject) => {
    call.off('drain', writeOn);
    if (status.code !== Code.OK) failure ??= errorOf(status, place, entries.length);
    // Receipts that came before it may still be on their way through the stream.
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

/** What a receipt says became of a report, or of a record. */
export function outcomeOf(receipt: Receipt, place: string): Outcome {
  const nextReportAfterMs = optionalMs(receipt.policy?.nextReportAfter);
  const policy = nextReportAfterMs === undefined ? {} : { nextReportAfterMs };
  switch (receipt.outcome) {
    case ReceiptOutcome.STORED:
      return { status: 'stored', ...policy };
    case ReceiptOutcome.DUPLICATE:
      return { status: 'duplicate', ...policy };
    case ReceiptOutcome.REFUSED:
      return { status: 'failed', error: refusalOf(receipt, place) };
    case ReceiptOutcome.UNSPECIFIED:
    default:
      return {
        status: 'failed',
        error: new SpartakusError(
          'internal',
          `The receipt of the collector at ${place} does not say what became of the report.`,
        ),
      };
  }
}

function refusalOf({ refusal }: Receipt, place: string): SpartakusError {
  const retryAfterMs = optionalMs(refusal?.retryAfter);
  const field = refusal?.field ?? '';
  const reason = excerpt(refusal?.reason ?? '') || 'it gives no reason';
  return new SpartakusError(
    kindOfRefusal(refusal?.code ?? 2, retryAfterMs),
    `The collector at ${place} refused the report${field === '' ? '' : ` for its ${excerpt(field)}`}: ${reason}`,
    { ...(field === '' ? {} : { field }), retryAfterMs },
  );
}

/** Why a call failed. */
export function errorOf(status: StatusObject, place: string, reports: number): SpartakusError {
  const [details] = status.metadata.get('grpc-status-details-bin');
  const retryAfterMs = Buffer.isBuffer(details) ? retryInfoMs(details) : undefined;
  // A call with one report fails for that report; of many it is not said which was too much.
  const kind = reports === 1 ? kindOfRefusal(status.code, retryAfterMs) : kindOfGrpcCode(status.code);
  const advice = {
    unavailable: ' Is a collector running there, and does nothing stand in between?',
    'not-found': ' Does a Spartakus collector listen there?',
    unauthenticated: ' Is --token-file the token for it?',
  };
  const hint = kind === 'unavailable' || kind === 'not-found' || kind === 'unauthenticated' ? advice[kind] : '';
  return new SpartakusError(
    kind,
    `The collector at ${place} did not take the report: ${excerpt(status.details)} (gRPC code ${status.code}).${hint}`,
    retryAfterMs === undefined ? {} : { retryAfterMs },
  );
}

function optionalMs(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : durationMs(duration);
}
