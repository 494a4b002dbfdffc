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

/** What a client hears of a report that it sent. */
export type Heard =
  | { readonly outcome: 'stored' | 'duplicate'; readonly nextReportAfterSeconds?: number }
  /** A code is a number: grpc-js and Connect have an enum each. */
  | { readonly outcome: 'refused'; readonly code: number; readonly message: string; readonly retryAfterMs?: number };

/** A client of the collector, whatever it speaks. */
export interface Client {
  send(report: Report): Promise<Heard>;
  close(): void;
}

/** What it takes to be let in, where that is anything. */
export interface ClientAccess {
  /** Of an https:// address: the CA of the collector's certificate, and the client's own certificate with its key, as PEM. */
  readonly tls?: { readonly ca: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  /** A bearer token. */
  readonly token?: string;
}

/** A way into the collector. */
export interface WayIn {
  readonly name: string;
  /** Whether a report goes as JSON, whose limit of size is another. */
  readonly json: boolean;
  readonly open: (url: string, access?: ClientAccess) => Client;
}

/** The address, and what Node.js' clients and Connect's interceptors make of the access. */
function transportOptions(
  baseUrl: string,
  { tls, token }: ClientAccess = {},
): { baseUrl: string; nodeOptions: object; interceptors: Interceptor[] } {
  const authorize: Interceptor = (next) => (request) => {
    request.header.set('authorization', `Bearer ${token ?? ''}`);
    return next(request);
  };
  return { baseUrl, nodeOptions: { ...tls }, interceptors: token === undefined ? [] : [authorize] };
}

const GZIP = { sendCompression: compressionGzip, compressMinBytes: 0 };

/** Every protocol, encoding and version of HTTP that clients use, with the client libraries that they use. */
export const WAYS_IN: readonly WayIn[] = [
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
  ...(['1.1', '2'] as const).flatMap((httpVersion): WayIn[] => [
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

function heard(receipt: Receipt | undefined): Heard {
  const nextReportAfterSeconds = Number(receipt?.policy?.nextReportAfter?.seconds);
  switch (receipt?.outcome) {
    case Outcome.STORED:
      return { outcome: 'stored', nextReportAfterSeconds };
    case Outcome.DUPLICATE:
      return { outcome: 'duplicate', nextReportAfterSeconds };
    case Outcome.REFUSED:
      return {
        outcome: 'refused',
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

function refused(thrown: unknown): Heard {
  const error = ConnectError.from(thrown);
  const [info] = error.findDetails(RetryInfoSchema);
  return { outcome: 'refused', code: error.code, message: error.rawMessage, ...wait(info?.retryDelay) };
}

function openUnary(transport: Transport): Client {
  const client = createClient(CollectorService, transport);
  return {
    send: async (report) => {
      try {
        return heard((await client.submitReport({ report })).receipt);
      } catch (error) {
        return refused(error);
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
        return heard(receipts[0]);
      } catch (error) {
        // A stream that the collector ended may have brought the receipt before.
        return receipts[0] === undefined ? refused(error) : heard(receipts[0]);
      }
    },
    close: () => undefined,
  };
}

function grpcRefusal({ code, details, metadata }: grpc.ServiceError): Heard {
  const [status] = metadata.get('grpc-status-details-bin');
  const retryAfterMs = Buffer.isBuffer(status) ? retryInfoMs(status) : undefined;
  return { outcome: 'refused', code, message: details, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

const SUBMIT = '/spartakus.collector.v1.CollectorService/SubmitReport';
const STREAM = '/spartakus.collector.v1.CollectorService/StreamReports';

function openGrpcClient(url: string, { tls }: ClientAccess): grpc.Client {
  const { host } = new URL(url);
  if (tls === undefined) return new grpc.Client(host, grpc.credentials.createInsecure());
  // An address is no name for TLS (RFC 6066 section 3), and grpc-js would send it as one.
  const options = { 'grpc.ssl_target_name_override': 'localhost' };
  return new grpc.Client(host, grpc.credentials.createSsl(tls.ca, tls.key ?? null, tls.cert ?? null), options);
}

function metadataOf({ token }: ClientAccess): grpc.Metadata {
  const metadata = new grpc.Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  return metadata;
}

function openGrpcUnary(url: string, access: ClientAccess = {}): Client {
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
          (error, response) => resolve(error === null ? heard(response?.receipt) : grpcRefusal(error)),
        );
      }),
    close: () => client.close(),
  };
}

function openGrpcStream(url: string, access: ClientAccess = {}): Client {
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
        call.on('data', ({ receipt }: { receipt?: Receipt }) => resolve(heard(receipt)));
        call.on('error', (error: grpc.ServiceError) => resolve(grpcRefusal(error)));
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
