import { create, fromBinary, toBinary, toJsonString } from '@bufbuild/protobuf';
import { type Duration, durationMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';
import * as grpc from '@grpc/grpc-js';
import { RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.js';
import {
  CollectorService,
  Outcome,
  type Receipt,
  StreamReportsRequestSchema,
  StreamReportsResponseSchema,
  SubmitReportRequestSchema,
  SubmitReportResponseSchema,
} from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { retryInfoMs } from '../../src/delivery/transport/retry-info.ts';

/** The collector's answer to a report. */
export type Answer =
  | { readonly outcome: 'stored' | 'duplicate'; readonly nextReportAfterSeconds?: number }
  /** A code is a number: grpc-js and Connect have an enum each. */
  | { readonly outcome: 'rejected'; readonly code: number; readonly message: string; readonly retryAfterMs?: number };

/** A client of the collector. */
export interface Client {
  send(report: Report): Promise<Answer>;
  /** Closes the client's connections. */
  close(): void;
}

export interface ClientCredentials {
  /** Of an https:// address: the CA of the collector's certificate, and the client's own certificate with its key, as PEM. */
  readonly tls?: { readonly ca: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  /** A bearer token. */
  readonly token?: string;
}

/** A protocol that the collector speaks, by one client library. */
export interface ProtocolClient {
  readonly name: string;
  /** Whether a report is sent as JSON, which has a size limit of its own. */
  readonly json: boolean;
  readonly open: (url: string, credentials?: ClientCredentials) => Client;
}

/**
 * Connect's manager of HTTP/2 connections, without its uncaught exception: where a request meets a connection that a GOAWAY is closing, it
 * removes the listener of the connection's error too early (connectrpc/connect-es#1768).
 */
class SessionManager extends Http2SessionManager {
  readonly #guarded = new WeakSet<object>();

  override async request(
    ...args: Parameters<Http2SessionManager['request']>
  ): ReturnType<Http2SessionManager['request']> {
    const stream = await super.request(...args);
    if (stream.session !== undefined && !this.#guarded.has(stream.session)) {
      this.#guarded.add(stream.session);
      stream.session.on('error', () => undefined);
    }
    return stream;
  }
}

interface ConnectOptions extends Pick<
  Parameters<typeof createGrpcTransport>[0],
  'useBinaryFormat' | 'sendCompression' | 'compressMinBytes'
> {
  readonly httpVersion?: '1.1' | '2';
}

type Send = Client['send'];

/** A protocol of Connect's client library. */
function byConnect(
  createTransport: (options: never) => Transport,
  createSend: (transport: Transport) => Send,
  options: ConnectOptions = {},
): ProtocolClient['open'] {
  return (baseUrl, { tls, token } = {}) => {
    const authorize: Interceptor = (next) => (request) => {
      request.header.set('authorization', `Bearer ${token ?? ''}`);
      return next(request);
    };
    const sessionManager = new SessionManager(baseUrl, undefined, tls);
    const transport = createTransport({
      baseUrl,
      httpVersion: '2',
      interceptors: token === undefined ? [] : [authorize],
      // Over HTTP/1.1 it reads the first, over HTTP/2 the second.
      nodeOptions: { ...tls },
      sessionManager,
      ...options,
    } as never);
    return { send: createSend(transport), close: () => sessionManager.abort() };
  };
}

/** Every protocol, encoding and version of HTTP that clients use, with the client libraries that they use. */
export const PROTOCOL_CLIENTS: readonly ProtocolClient[] = [
  { name: 'grpc-js, unary', json: false, open: openGrpcUnary },
  { name: 'grpc-js, stream', json: false, open: openGrpcStream },
  { name: 'gRPC from connect', json: false, open: byConnect(createGrpcTransport, sendUnary) },
  {
    name: 'gRPC, compressed',
    json: false,
    open: byConnect(createGrpcTransport, sendUnary, { sendCompression: compressionGzip, compressMinBytes: 0 }),
  },
  { name: 'gRPC with JSON', json: true, open: byConnect(createGrpcTransport, sendUnary, { useBinaryFormat: false }) },
  { name: 'gRPC stream from connect', json: false, open: byConnect(createGrpcTransport, sendStream) },
  ...(['1.1', '2'] as const).flatMap((httpVersion): ProtocolClient[] => [
    {
      name: `gRPC-Web over HTTP/${httpVersion}`,
      json: false,
      open: byConnect(createGrpcWebTransport, sendUnary, { httpVersion }),
    },
    {
      name: `Connect with protobuf over HTTP/${httpVersion}`,
      json: false,
      open: byConnect(createConnectTransport, sendUnary, { httpVersion, useBinaryFormat: true }),
    },
    {
      name: `Connect with JSON over HTTP/${httpVersion}`,
      json: true,
      open: byConnect(createConnectTransport, sendUnary, { httpVersion, useBinaryFormat: false }),
    },
  ]),
  {
    name: 'Connect stream over HTTP/2',
    json: false,
    open: byConnect(createConnectTransport, sendStream, { useBinaryFormat: true }),
  },
];

function answerOf(receipt: Receipt | undefined): Answer {
  const nextReportAfterSeconds = Number(receipt?.policy?.nextReportAfter?.seconds);
  switch (receipt?.outcome) {
    case Outcome.STORED:
      return { outcome: 'stored', nextReportAfterSeconds };
    case Outcome.DUPLICATE:
      return { outcome: 'duplicate', nextReportAfterSeconds };
    case Outcome.REFUSED:
      return {
        outcome: 'rejected',
        code: receipt.refusal?.code ?? Code.Unknown,
        message: receipt.refusal?.reason ?? '',
        ...wait(receipt.refusal?.retryAfter),
      };
    case Outcome.VALIDATED:
    case Outcome.UNSPECIFIED:
    case undefined:
      throw new Error('a receipt without an outcome of a stored report');
  }
}

function wait(delay: Duration | undefined): { readonly retryAfterMs?: number } {
  return delay === undefined ? {} : { retryAfterMs: durationMs(delay) };
}

function rejectionOf(thrown: unknown): Answer {
  const error = ConnectError.from(thrown);
  const [info] = error.findDetails(RetryInfoSchema);
  return { outcome: 'rejected', code: error.code, message: error.rawMessage, ...wait(info?.retryDelay) };
}

function sendUnary(transport: Transport): Send {
  const client = createClient(CollectorService, transport);
  return async (report) => {
    try {
      return answerOf((await client.submitReport({ report })).receipt);
    } catch (error) {
      return rejectionOf(error);
    }
  };
}

function sendStream(transport: Transport): Send {
  const client = createClient(CollectorService, transport);
  return async (report) => {
    const requests = async function* () {
      yield await Promise.resolve({ report });
    };
    const receipts: Receipt[] = [];
    try {
      for await (const { receipt } of client.streamReports(requests()))
        if (receipt !== undefined) receipts.push(receipt);
      return answerOf(receipts[0]);
    } catch (error) {
      // The receipt may have come before the collector ended the stream.
      return receipts[0] === undefined ? rejectionOf(error) : answerOf(receipts[0]);
    }
  };
}

function grpcRejectionOf({ code, details, metadata }: grpc.ServiceError): Answer {
  const [status] = metadata.get('grpc-status-details-bin');
  const retryAfterMs = Buffer.isBuffer(status) ? retryInfoMs(status) : undefined;
  return { outcome: 'rejected', code, message: details, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

const SUBMIT = '/spartakus.collector.v1.CollectorService/SubmitReport';
const STREAM = '/spartakus.collector.v1.CollectorService/StreamReports';

function openGrpcClient(url: string, { tls }: ClientCredentials): grpc.Client {
  const { host } = new URL(url);
  if (tls === undefined) return new grpc.Client(host, grpc.credentials.createInsecure());
  // An IP address is not a valid TLS server name (RFC 6066 section 3), but grpc-js would send it as one.
  const options = { 'grpc.ssl_target_name_override': 'localhost' };
  return new grpc.Client(host, grpc.credentials.createSsl(tls.ca, tls.key ?? null, tls.cert ?? null), options);
}

function metadataOf({ token }: ClientCredentials): grpc.Metadata {
  const metadata = new grpc.Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  return metadata;
}

function openGrpcUnary(url: string, credentials: ClientCredentials = {}): Client {
  const client = openGrpcClient(url, credentials);
  return {
    send: (report) =>
      new Promise((resolve) => {
        client.makeUnaryRequest(
          SUBMIT,
          (request: Report) =>
            Buffer.from(toBinary(SubmitReportRequestSchema, create(SubmitReportRequestSchema, { report: request }))),
          (bytes) => fromBinary(SubmitReportResponseSchema, bytes),
          report,
          metadataOf(credentials),
          (error, response) => resolve(error === null ? answerOf(response?.receipt) : grpcRejectionOf(error)),
        );
      }),
    close: () => client.close(),
  };
}

function openGrpcStream(url: string, credentials: ClientCredentials = {}): Client {
  const client = openGrpcClient(url, credentials);
  return {
    send: (report) =>
      new Promise((resolve) => {
        const call = client.makeBidiStreamRequest(
          STREAM,
          (request: Report) =>
            Buffer.from(toBinary(StreamReportsRequestSchema, create(StreamReportsRequestSchema, { report: request }))),
          (bytes) => fromBinary(StreamReportsResponseSchema, bytes),
          metadataOf(credentials),
        );
        call.on('data', ({ receipt }: { receipt?: Receipt }) => resolve(answerOf(receipt)));
        call.on('error', (error: grpc.ServiceError) => resolve(grpcRejectionOf(error)));
        call.write(report);
        call.end();
      }),
    close: () => client.close(),
  };
}

/** The legacy JSON of a report, as `curl` sends it. */
export function legacyJson(report: Report): string {
  return toJsonString(ReportSchema, report);
}

/** Sends a report as `curl` does. */
export function sendLegacy(url: string, report: Report): Promise<Response> {
  return fetch(`${url}/api/v1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: legacyJson(report),
  });
}
