import http from 'node:http';
import http2 from 'node:http2';
import { create, fromBinary, type JsonObject, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf';
import {
  Outcome,
  StreamReportsRequestSchema,
  StreamReportsResponseSchema,
  SubmitKubermaticReportRequestSchema,
  SubmitKubermaticReportResponseSchema,
} from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import { EnvelopeSchema } from '../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { listen } from './listen.ts';

/** One report as it was received, before any library has interpreted it. */
export interface CapturedRequest {
  /** In lower case; over HTTP/1.1, the parts of the request line as in HTTP/2. */
  readonly headers: Readonly<Record<string, string>>;
  /** The report, or the envelope of Kubermatic's records, as JSON. */
  readonly body: JsonObject;
}

export interface WireCapture {
  /** The value of --database. */
  readonly database: string;
  readonly requests: readonly CapturedRequest[];
  close(): Promise<void>;
}

const GRPC_PREFIX_BYTES = 5;

/** A collector on 127.0.0.1 that keeps what arrives and stores nothing. */
export function startWireCapture(transport: 'grpc' | 'http'): Promise<WireCapture> {
  return transport === 'grpc' ? startGrpc() : startHttp();
}

async function startHttp(): Promise<WireCapture> {
  const requests: CapturedRequest[] = [];
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { rawHeaders, method = '', url = '' } = request;
      const headers: Record<string, string> = { ':method': method, ':path': url };
      for (let index = 0; index < rawHeaders.length; index += 2)
        headers[rawHeaders[index]?.toLowerCase() ?? ''] = rawHeaders[index + 1] ?? '';
      requests.push({ headers, body: JSON.parse(Buffer.concat(chunks).toString()) as JsonObject });
      response.writeHead(204).end();
    });
  });
  const port = await listen(server);
  return {
    database: `http://127.0.0.1:${port}`,
    requests,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function startGrpc(): Promise<WireCapture> {
  const requests: CapturedRequest[] = [];
  const sessions = new Set<http2.ServerHttp2Session>();
  const server = http2.createServer();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const messages = [...messagesIn(Buffer.concat(chunks))];
      const read = headers[':path']?.endsWith('/SubmitKubermaticReport') === true ? readEnvelope : readReport;
      const responses = messages.map((message) => {
        const { body, response } = read(message);
        requests.push({ headers: { ...(headers as Record<string, string>) }, body });
        return frame(response);
      });
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.concat(responses));
    });
  });
  const port = await listen(server);
  return {
    database: `grpc://127.0.0.1:${port}`,
    requests,
    close: async () => {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Exchange {
  readonly body: JsonObject;
  readonly response: Uint8Array;
}

function readReport(message: Uint8Array): Exchange {
  const { report = create(ReportSchema) } = fromBinary(StreamReportsRequestSchema, message);
  const receipt = { reportId: report.reportId, outcome: Outcome.STORED };
  const response = toBinary(StreamReportsResponseSchema, create(StreamReportsResponseSchema, { receipt }));
  return { body: toJson(ReportSchema, report) as JsonObject, response };
}

function readEnvelope(message: Uint8Array): Exchange {
  const { envelope = create(EnvelopeSchema) } = fromBinary(SubmitKubermaticReportRequestSchema, message);
  const receipts = envelope.records.map(({ reportId }) => ({ reportId, outcome: Outcome.STORED }));
  const response = create(SubmitKubermaticReportResponseSchema, { receipts });
  return {
    body: toJson(EnvelopeSchema, envelope, { useProtoFieldName: true }) as JsonObject,
    response: toBinary(SubmitKubermaticReportResponseSchema, response),
  };
}

/** The messages of a stream: each follows a byte of flags and its length, four bytes in big endian. */
function* messagesIn(stream: Buffer): Generator<Buffer> {
  for (let start = 0; start < stream.length;) {
    const end = start + GRPC_PREFIX_BYTES + stream.readUInt32BE(start + 1);
    yield stream.subarray(start + GRPC_PREFIX_BYTES, end);
    start = end;
  }
}

function frame(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(GRPC_PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The paths of all fields in a JSON value, as listFields() names them, such as `nodes[].capacity[].value`. */
export function pathsIn(value: JsonValue, prefix = ''): ReadonlySet<string> {
  if (Array.isArray(value))
    return new Set([`${prefix}[]`, ...value.flatMap((item) => [...pathsIn(item, `${prefix}[]`)])]);
  if (typeof value !== 'object' || value === null) return new Set([prefix]);
  const fields = Object.entries(value).flatMap(([name, field]) => [
    ...pathsIn(field, prefix === '' ? name : `${prefix}.${name}`),
  ]);
  return new Set(prefix === '' || prefix.endsWith('[]') ? fields : [prefix, ...fields]);
}
