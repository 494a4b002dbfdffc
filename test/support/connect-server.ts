import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { onTestFinished } from 'vitest';
import { ReceiptSchema } from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import { createMemoryLimiter } from '../../src/collector/serve/admission/memory-limiter.ts';
import { createConnectHandler } from '../../src/collector/serve/rpc/connect-handler.ts';
import { createHealthService, createHealthState } from '../../src/collector/serve/rpc/health-service.ts';
import { createMessageReader, type MessageOptions } from '../../src/collector/serve/rpc/message-reader.ts';
import type { ReceivedReport, ReceivedReports } from '../../src/collector/serve/rpc/report-receiver.ts';
import { createReportService } from '../../src/collector/serve/rpc/report-service.ts';
import type { RequestOrigin } from '../../src/report/request-origin.ts';
import { eachRequest } from './each-request.ts';

export const MAX_PROTOBUF_BYTES = 30_000;
export const MAX_JSON_BYTES = 60_000;

export interface ConnectSetup {
  readonly protocol?: RequestOrigin['protocol'];
  readonly admit?: () => void;
  readonly admitRequest?: () => void;
  readonly submit?: (request: ReceivedReport) => Promise<unknown>;
  readonly bodyTimeoutMs?: number;
}

/** A server with Connect's handler alone, a connection to it, and what it received, rejected and logged; until the test ends. */
export async function serveConnect({
  protocol = 'connect',
  admit = () => undefined,
  admitRequest = () => undefined,
  submit = ({ report }) => Promise.resolve(create(ReceiptSchema, { reportId: report?.reportId ?? '' })),
  bodyTimeoutMs = 60_000,
}: ConnectSetup = {}) {
  const memory = createMemoryLimiter(1e6);
  const rejections: string[] = [];
  const errors: unknown[] = [];
  const notes: unknown[] = [];
  const options: MessageOptions[] = [];
  const received: ReceivedReport[] = [];
  const health = createHealthState();
  const stopping = new AbortController();
  const receiver = {
    submit: (request: ReceivedReport) => (received.push(request), submit(request)),
    stream: async function* (requests: ReceivedReports) {
      for await (const request of eachRequest(requests)) {
        received.push(request);
        yield [await submit(request).finally(() => request.reservation?.end())];
      }
    },
    submitEnvelope: (request: ReceivedReport) => (received.push(request), submit(request).then((receipt) => [receipt])),
  };
  const decoder = { decode: () => Promise.reject(new Error('nothing is as large')), close: () => Promise.resolve() };
  const reader = createMessageReader(decoder, { chargeBytes: () => undefined });
  const handler = createConnectHandler(
    (router) => {
      createReportService(receiver as never)(router);
      createHealthService(health, [], stopping.signal)(router);
    },
    (frame, reservation, given) => {
      options.push(given);
      return reader(frame, reservation, given);
    },
    {
      admission: { admitReport: admit, admitRequest },
      memory,
      limits: { maxProtobufBytes: MAX_PROTOBUF_BYTES, maxJsonBytes: MAX_JSON_BYTES, bodyTimeoutMs },
      onRejection: (from: string, error: Error) => rejections.push(`${from}: ${error.message}`),
      stopping: stopping.signal,
      logger: {
        debug: (_fields: unknown, text: string) => notes.push(text),
        error: (_fields: unknown, text: string) => errors.push(text),
      },
    } as never,
  );
  const server = http2.createServer((req, res) => handler.handle(req, res, { protocol }));
  server.on('sessionError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const session = http2.connect(url);
  session.on('error', () => undefined);
  onTestFinished(() => {
    stopping.abort();
    session.destroy();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return { url, session, memory, rejections, errors, notes, options, received, handler, health };
}

/** Sends a body: the response's headers, its text, and its trailers. */
export async function sendTo(
  session: http2.ClientHttp2Session,
  path: string,
  body: string | Uint8Array,
  headers: http2.OutgoingHttpHeaders = { 'content-type': 'application/json' },
) {
  const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
  let response: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
  let trailers: http2.IncomingHttpHeaders = {};
  stream.on('response', (given) => (response = given));
  stream.on('trailers', (given) => (trailers = given));
  stream.end(body);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return { status: response[':status'], response, trailers, text: Buffer.concat(chunks).toString() };
}
