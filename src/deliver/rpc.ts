import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import type { PeerCertificate } from 'node:tls';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { durationMs } from '@bufbuild/protobuf/wkt';
import type { Duration } from '@bufbuild/protobuf/wkt';
import { Client, credentials, status as Code } from '@grpc/grpc-js';
import type { ClientDuplexStream, StatusObject } from '@grpc/grpc-js';
import {
  CollectorService,
  Outcome as ReceiptOutcome,
  StreamReportsRequestSchema,
  StreamReportsResponseSchema,
} from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Receipt, StreamReportsResponse } from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import { messageOf, SpartakusError } from '../report/errors.ts';
import type { Outcome, ReportEntry, ReportSink } from '../report/ports.ts';
import { excerpt } from './excerpt.ts';
import { parseGrpcUrl } from './grpc-url.ts';
import type { GrpcTarget } from './grpc-url.ts';
import { createPending } from '../report/pending.ts';
import { kindOfGrpcCode, kindOfRefusal } from './status.ts';

const METHOD = `/${CollectorService.typeName}/${CollectorService.method.streamReports.name}`;

export interface RpcConfig {
  /** grpc://HOST[:PORT] or grpcs://HOST[:PORT]; see parseGrpcUrl. */
  readonly url: string;
}

export interface RpcOptions {
  /** How long one put may take, in milliseconds. */
  readonly timeoutMs?: number;
  /** The CAs that the collector's certificate is checked against, as PEM; the system's where none are given. */
  readonly ca?: Buffer;
  /** Gives up what is under way: its reports fail as `unavailable`. */
  readonly signal?: AbortSignal;
}

type Call = ClientDuplexStream<Buffer, StreamReportsResponse>;

/**
 * A collector that takes reports over gRPC. Each put is one stream; the receipts, in whatever order they come, become outcomes in the
 * order of the reports. Nothing connects before the first put. Throws a SpartakusError `invalid` where the URL is wrong.
 */
export function openRpcSink({ url }: RpcConfig, options: RpcOptions = {}): ReportSink {
  const { timeoutMs = 60_000, ca, signal } = options;
  const client = openClient(parseGrpcUrl(url), ca);
  const calls = new Set<Call>();
  const pending = createPending();

  const open = (): Call => {
    const call = client.makeBidiStreamRequest<Buffer, StreamReportsResponse>(
      METHOD,
      (bytes) => bytes,
      (bytes) => fromBinary(StreamReportsResponseSchema, bytes),
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
    if (closed) {
      const error = new SpartakusError('unavailable', `The connection to the collector at ${url} is closed.`);
      return entries.map(() => ({ status: 'failed', error }));
    }
    const call = open();
    if (signal?.aborted === true) call.cancel();
    return exchange(call, entries, url);
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

function openClient({ host, authority, tls }: GrpcTarget, ca: Buffer | undefined): Client {
  // dns: takes names and addresses alike, where grpc-js would read a bare IPv6 address as a scheme.
  const address = `dns:${authority}`;
  // grpc-js goes through $grpc_proxy, $https_proxy or $http_proxy. A proxy elsewhere cannot reach this machine's loopback, so that is
  // left out, as Go's net/http does.
  const options = { 'grpc.enable_http_proxy': isLoopback(host) ? 0 : 1 };
  if (!tls) return new Client(address, credentials.createInsecure(), options);
  if (isIP(host) === 0) return new Client(address, credentials.createSsl(ca), options);
  // grpc-js sends the host as the TLS server name, and Node.js refuses to send an address as one (RFC 6066 section 3; its deprecation
  // DEP0123 has become an error). So a name that means nothing is sent, and the certificate is checked against the address all the same.
  const identity = { checkServerIdentity: (_: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate) };
  return new Client(address, credentials.createSsl(ca, null, null, identity), {
    ...options,
    'grpc.ssl_target_name_override': 'collector.invalid',
  });
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host);
}

/** Streams the reports, and gathers their outcomes; never rejects. */
function exchange(call: Call, entries: readonly ReportEntry[], url: string): Promise<readonly Outcome[]> {
  const { promise, resolve } = Promise.withResolvers<readonly Outcome[]>();
  const outcomes: (Outcome | undefined)[] = entries.map(() => undefined);
  // Which reports still wait for a receipt of their id; two may have the same.
  const waiting = Map.groupBy(entries.keys(), (index) => entries[index]?.report.reportId ?? '');
  let left = entries.length;
  let failure: SpartakusError | undefined;

  const settle = (receipt: Receipt): void => {
    const index = waiting.get(receipt.reportId)?.shift();
    if (index === undefined) return;
    outcomes[index] = outcomeOf(receipt, url);
    left -= 1;
    if (left === 0) finish();
  };
  const finish = (): void => {
    const error = failure ?? new SpartakusError('internal', `The collector at ${url} ended the stream without a receipt for the report.`);
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
    if (status.code !== Code.OK) failure ??= errorOf(status, url);
    // Receipts that came before it may still be on their way through the stream.
    if (call.readableEnded) finish();
    else call.once('end', finish);
  });
  writeOn();
  return promise;
}

function* encode(entries: readonly ReportEntry[]): Generator<Buffer> {
  for (const { report } of entries) {
    const bytes = toBinary(StreamReportsRequestSchema, create(StreamReportsRequestSchema, { report }));
    yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

function outcomeOf(receipt: Receipt, url: string): Outcome {
  const nextReportAfterMs = optionalMs(receipt.policy?.nextReportAfter);
  const policy = nextReportAfterMs === undefined ? {} : { nextReportAfterMs };
  switch (receipt.outcome) {
    case ReceiptOutcome.STORED:
      return { status: 'stored', ...policy };
    case ReceiptOutcome.DUPLICATE:
      return { status: 'duplicate', ...policy };
    case ReceiptOutcome.REFUSED:
      return { status: 'failed', error: refusalOf(receipt, url) };
    case ReceiptOutcome.UNSPECIFIED:
    default:
      return { status: 'failed', error: new SpartakusError('internal', `The receipt of the collector at ${url} does not say what became of the report.`) };
  }
}

function refusalOf({ refusal }: Receipt, url: string): SpartakusError {
  const retryAfterMs = optionalMs(refusal?.retryAfter);
  const field = refusal?.field ?? '';
  const reason = excerpt(refusal?.reason ?? '') || 'it gives no reason';
  return new SpartakusError(
    kindOfRefusal(refusal?.code ?? 2, retryAfterMs),
    `The collector at ${url} refused the report${field === '' ? '' : ` for its ${excerpt(field)}`}: ${reason}`,
    { ...(field === '' ? {} : { field }), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  );
}

function errorOf(status: StatusObject, url: string): SpartakusError {
  const kind = kindOfGrpcCode(status.code);
  const advice = {
    unavailable: ' Is a collector running there, and does nothing stand in between?',
    'not-found': ' Does a Spartakus collector listen there?',
  };
  const hint = kind === 'unavailable' || kind === 'not-found' ? advice[kind] : '';
  return new SpartakusError(kind, `The collector at ${url} did not take the report: ${excerpt(status.details)} (gRPC code ${status.code}).${hint}`);
}

function optionalMs(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : durationMs(duration);
}
