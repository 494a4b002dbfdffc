import { create, fromBinary, toBinary, toJsonString } from '@bufbuild/protobuf';
import { type Duration, durationMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
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

/** The collector's answer to a report, over any protocol. */
export type Answer =
  | { readonly outcome: 'stored' | 'duplicate'; readonly nextReportAfterSeconds?: number }
  /** The code is a number, since grpc-js and Connect have an enum each. */
  | { readonly outcome: 'rejected'; readonly code: number; readonly message: string; readonly retryAfterMs?: number };

/** A client of the collector, over any protocol. */
export interface Client {
  send(report: Report): Promise<Answer>;
  close(): void;
}

/** The credentials of a client. */
export interface ClientCredentials {
  /** Of an https:// address: the CA of the collector's certificate, and the client's own certificate with its key, as PEM. */
  readonly tls?: { readonly ca: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  /** A bearer token. */
  readonly token?: string;
}

/** A protocol with an encoding and a client library. */
export interface ProtocolClient {
  readonly name: string;
  /** Whether it sends JSON, which has its own size limit. */
  readonly json: boolean;
  readonly open: (url: string, access?: ClientCredentials) => Client;
}

/** The address, with the credentials as options of Node.js' clients and as an interceptor of Connect. */
function transportOptions(
  baseUrl: string,
  { tls, token }: ClientCredentials = {},
): { baseUrl: string; nodeOptions: object; interceptors: Interceptor[] } {
  const authorize: Interceptor = (next) => (request) => {
    request.header.set('authorization', `Bearer ${token ?? ''}`);
    return next(request);
  };
  return { baseUrl, nodeOptions: { ...tls }, interceptors: token === undefined ? [] : [authorize] };
}

const GZIP = { sendCompression: compressionGzip, compressMinBytes: 0 };

/** Every protocol, encoding and version of HTTP that clients use, with their client libraries. */
export const PROTOCOL_CLIENTS: readonly ProtocolClient[] = [
  { name: 'grpc-js, unary', json: false, open: openGrpcUnary },
  { name: 'grpc-js, stream', json: false, open: openGrpcStream },
  {
    name: 'gRPC from connect',
    json: false,
    open: (url, access) => openUnary(createGrpcTransport({ ...transportOptions(url, access) })),
  },
  {
    name: 'gRPC, compressed',
    json: false,
    open: (url, access) => openUnary(createGrpcTransport({ ...transportOptions(url, access), ...GZIP })),
  },
  {
    name: 'gRPC with JSON',
    json: true,
    open: (url, access) => openUnary(createGrpcTransport({ ...transportOptions(url, access), useBinaryFormat: false })),
  },
  {
    name: 'gRPC stream from connect',
    json: false,
    open: (url, access) => openStream(createGrpcTransport({ ...transportOptions(url, access) })),
  },
  ...(['1.1', '2'] as const).flatMap((httpVersion): ProtocolClient[] => [
    {
      name: `gRPC-Web over HTTP/${httpVersion}`,
      json: false,
      open: (url, access) => openUnary(createGrpcWebTransport({ ...transportOptions(url, access), httpVersion })),
    },
    {
      name: `Connect with protobuf over HTTP/${httpVersion}`,
      json: false,
      open: (url, access) =>
        openUnary(createConnectTransport({ ...transportOptions(url, access), httpVersion, useBinaryFormat: true })),
    },
    {
      name: `Connect with JSON over HTTP/${httpVersion}`,
      json: true,
      open: (url, access) =>
        openUnary(createConnectTransport({ ...transportOptions(url, access), httpVersion, useBinaryFormat: false })),
    },
  ]),
  {
    name: 'Connect stream over HTTP/2',
    json: false,
    open: (url, access) =>
      openStream(createConnectTransport({ ...transportOptions(url, access), httpVersion: '2', useBinaryFormat: true })),
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
    case Outcome.UNSPECIFIED:
    case undefined:
      throw new Error('a receipt without an outcome');
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

function openUnary(transport: Transport): Client {
  const client = createClient(CollectorService, transport);
  return {
    send: async (report) => {
      try {
        return answerOf((await client.submitReport({ report })).receipt);
      } catch (error) {
        return rejectionOf(error);
      }
    },
    close: () => undefined,
  };
}

function openStream(transport: Transport): Client {
  const client = createClient(CollectorService, transport);
  return {
    send: async (report) => {
      const requests = async function* () {
        yield await Promise.resolve({ report });
      };
      const receipts: Receipt[] = [];
      try {
        for await (const { receipt } of client.streamReports(requests()))
          if (receipt !== undefined) receipts.push(receipt);
        return answerOf(receipts[0]);
      } catch (error) {
        // The receipt may precede the error of a stream.
        return receipts[0] === undefined ? rejectionOf(error) : answerOf(receipts[0]);
      }
    },
    close: () => undefined,
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
  // TLS has no server name for an address (RFC 6066 section 3), but grpc-js would send one.
  const options = { 'grpc.ssl_target_name_override': 'localhost' };
  return new grpc.Client(host, grpc.credentials.createSsl(tls.ca, tls.key ?? null, tls.cert ?? null), options);
}

function metadataOf({ token }: ClientCredentials): grpc.Metadata {
  const metadata = new grpc.Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  return metadata;
}

function openGrpcUnary(url: string, access: ClientCredentials = {}): Client {
  const client = openGrpcClient(url, access);
  return {
    send: (report) =>
      new Promise((resolve) => {
        client.makeUnaryRequest(
          SUBMIT,
          (request: Report) =>
            Buffer.from(toBinary(SubmitReportRequestSchema, create(SubmitReportRequestSchema, { report: request }))),
          (bytes) => fromBinary(SubmitReportResponseSchema, bytes),
          report,
          metadataOf(access),
          (error, response) => resolve(error === null ? answerOf(response?.receipt) : grpcRejectionOf(error)),
        );
      }),
    close: () => client.close(),
  };
}

function openGrpcStream(url: string, access: ClientCredentials = {}): Client {
  const client = openGrpcClient(url, access);
  return {
    send: (report) =>
      new Promise((resolve) => {
        const call = client.makeBidiStreamRequest(
          STREAM,
          (request: Report) =>
            Buffer.from(toBinary(StreamReportsRequestSchema, create(StreamReportsRequestSchema, { report: request }))),
          (bytes) => fromBinary(StreamReportsResponseSchema, bytes),
          metadataOf(access),
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
