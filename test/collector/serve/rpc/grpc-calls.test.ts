import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, test } from 'vitest';
import {
  Outcome,
  ReceiptSchema,
  StreamReportsResponseSchema,
  SubmitReportRequestSchema,
  SubmitReportResponseSchema,
} from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { createMemoryLimiter } from '../../../../src/collector/serve/admission/memory-limiter.ts';
import { GZIP } from '../../../../src/collector/serve/rpc/compression.ts';
import { encodeGrpcFrame } from '../../../../src/collector/serve/rpc/grpc-frames.ts';
import { createGrpcHandler } from '../../../../src/collector/serve/rpc/grpc-handler.ts';
import type { MessageOptions } from '../../../../src/collector/serve/rpc/message-reader.ts';
import type { ReceivedReport, ReceivedReports } from '../../../../src/collector/serve/rpc/report-receiver.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';
import { eachRequest } from '../../../support/each-request.ts';
import {
  openCall,
  readMessages,
  STREAM_PATH,
  streamFrame,
  SUBMIT_PATH,
  submitFrame,
} from '../../../support/raw-grpc.ts';
import { makeReport } from '../../../support/reports.ts';

const DECODED = { dialect: 'report', entries: [] } as const;

interface Setup {
  readonly admit?: () => void;
  readonly submit?: (request: ReceivedReport) => Promise<unknown>;
  readonly stream?: (requests: ReceivedReports) => AsyncIterable<readonly unknown[]>;
  readonly isDecoded?: boolean;
  readonly bodyTimeoutMs?: number;
  readonly memoryBytes?: number;
}

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A receipt for each report. */
async function* receiptsOf(requests: ReceivedReports) {
  for await (const { report, reservation } of eachRequest(requests)) {
    reservation?.end();
    yield [create(ReceiptSchema, { reportId: report?.reportId ?? '', outcome: Outcome.STORED })];
  }
}

/** A server with the handler alone, and a connection to it. */
async function serve({
  admit = () => undefined,
  submit = ({ report }) => Promise.resolve(create(ReceiptSchema, { reportId: report?.reportId ?? '' })),
  stream: answer = receiptsOf,
  isDecoded = false,
  bodyTimeoutMs = 60_000,
  memoryBytes = 100_000,
}: Setup = {}) {
  const memory = createMemoryLimiter(memoryBytes);
  const rejections: unknown[] = [];
  const admitted: unknown[] = [];
  const options: MessageOptions[] = [];
  const signals: AbortSignal[] = [];
  const handler = createGrpcHandler(
    {
      submit,
      stream: (requests: ReceivedReports, _origin: unknown, signal: AbortSignal) => {
        signals.push(signal);
        return answer(requests);
      },
    } as never,
    ({ bytes, isCompressed }, _reservation, given) => {
      options.push(given);
      if (isDecoded) return Promise.resolve({ decoded: DECODED });
      return isCompressed
        ? GZIP.decompress(bytes, 10_000).then((whole) => ({ bytes: whole }))
        : Promise.resolve({ bytes });
    },
    {
      admission: {
        admitReport: (origin: unknown, { authorization }: http2.IncomingHttpHeaders) => {
          admitted.push([origin, authorization]);
          admit();
        },
      },
      memory,
      limits: { maxProtobufBytes: 10_000, bodyTimeoutMs },
      onRejection: (protocol: string, error: SpartakusError) => rejections.push(`${protocol} ${error.kind}`),
    } as never,
  );
  const server = http2.createServer();
  server.on('stream', (stream, headers) =>
    handler.handle(stream as http2.ServerHttp2Stream, headers, { protocol: 'grpc' }),
  );
  server.on('sessionError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  session.on('error', () => undefined);
  closers.push(() => {
    session.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { session, memory, rejections, admitted, options, signals, handler };
}

/** Sends frames as the whole body of a call: the response's headers, messages and trailers. */
async function call(session: http2.ClientHttp2Session, path: string, body: Uint8Array, headers = {}) {
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', ...headers });
  let response: http2.IncomingHttpHeaders = {};
  let trailers: http2.IncomingHttpHeaders = {};
  stream.on('response', (given) => (response = given));
  stream.on('trailers', (given) => (trailers = given));
  stream.end(body);
  const messages = await readMessages(stream);
  return { response, trailers, status: trailers['grpc-status'] ?? response['grpc-status'], messages };
}

describe('SubmitReport', () => {
  test('answers with a receipt, after which nothing is held', async () => {
    const { session, memory, rejections, admitted, options } = await serve();
    const report = makeReport();

    const { response, trailers, messages } = await call(session, SUBMIT_PATH, submitFrame(report), {
      authorization: 'Bearer t',
    });

    expect(response).toMatchObject({
      ':status': 200,
      'content-type': 'application/grpc+proto',
      'grpc-accept-encoding': 'gzip,identity',
    });
    expect(trailers).toMatchObject({ 'grpc-status': '0' });
    expect(messages.map((bytes) => fromBinary(SubmitReportResponseSchema, bytes).receipt?.reportId)).toStrictEqual([
      report.reportId,
    ]);
    expect([memory.reservedBytes, rejections, admitted]).toStrictEqual([0, [], [[{ protocol: 'grpc' }, 'Bearer t']]]);
    expect(options).toMatchObject([{ isJson: false, maxBytes: 10_000, compression: undefined }]);
    expect(options[0]?.schema).toBe(SubmitReportRequestSchema);
  });

  test('passes on what the request asks for', async () => {
    const requests: ReceivedReport[] = [];
    const submit = (request: ReceivedReport) => (requests.push(request), Promise.resolve(undefined));
    const [small, large] = [await serve({ submit }), await serve({ submit, isDecoded: true })];
    const request = create(SubmitReportRequestSchema, { validateOnly: true });
    const frame = encodeGrpcFrame(toBinary(SubmitReportRequestSchema, request));

    const { messages } = await call(small.session, SUBMIT_PATH, frame);
    await call(large.session, SUBMIT_PATH, frame);

    expect(requests).toMatchObject([{ report: undefined, validateOnly: true }, { decoded: DECODED }]);
    expect(requests[1]).not.toHaveProperty('report');
    expect(fromBinary(SubmitReportResponseSchema, messages[0]!).receipt).toBeUndefined();
    expect(large.memory.reservedBytes).toBe(0);
  });

  test('reserves memory for a message until it is answered', async () => {
    const held: number[] = [];
    const frame = submitFrame();
    const { session, memory } = await serve({
      submit: () => {
        held.push(memory.reservedBytes);
        return Promise.reject(new SpartakusError('unavailable', 'away'));
      },
    });

    await expect(call(session, SUBMIT_PATH, frame)).resolves.toMatchObject({ status: '14' });

    expect(held).toStrictEqual([frame.length]);
    expect(memory.reservedBytes).toBe(0);
  });

  test.each([
    ['no message', Buffer.alloc(0), '3', 'the call has no message'],
    ['two messages', Buffer.concat([submitFrame(), submitFrame()]), '3', 'the call has more than one message'],
    [
      'what is no protobuf',
      encodeGrpcFrame(Buffer.from([0x0a, 0x7f])),
      '3',
      /cannot be decoded as .*SubmitReportRequest/,
    ],
    ['a torn body', submitFrame().subarray(0, -1), '3', 'the body ends in the middle of a message'],
    ['a message over the limit', encodeGrpcFrame(Buffer.alloc(10_001)), '8', /over the limit/],
  ])('is rejected with %s', async (_what, body, status, message) => {
    const { session, memory, rejections } = await serve();

    const { response, ...answer } = await call(session, SUBMIT_PATH, body);

    expect(answer).toMatchObject({ status, messages: [] });
    expect(response['grpc-message']).toMatch(message);
    expect(rejections).toStrictEqual([status === '3' ? 'grpc invalid' : 'grpc too-large']);
    expect(memory.reservedBytes).toBe(0);
  });

  test('is rejected before its body where admission rejects it, or its encoding is unknown', async () => {
    const rejected = await serve({
      admit: () => {
        throw new SpartakusError('rate-limited', 'slow', { retryAfterMs: 5 });
      },
    });
    const { response } = await call(rejected.session, SUBMIT_PATH, submitFrame());
    expect(response).toMatchObject({ ':status': 200, 'grpc-status': '8', 'grpc-message': 'slow' });
    expect(rejected.rejections).toStrictEqual(['grpc rate-limited']);

    const { session, rejections, options } = await serve();
    await expect(call(session, SUBMIT_PATH, submitFrame(), { 'grpc-encoding': 'zstd' })).resolves.toMatchObject({
      response: { 'grpc-status': '12', 'grpc-message': expect.stringContaining('"zstd"') as string },
    });
    expect([rejections, options]).toStrictEqual([['grpc unimplemented'], []]);
    for (const encoding of ['gzip', 'identity'])
      await expect(call(session, SUBMIT_PATH, submitFrame(), { 'grpc-encoding': encoding })).resolves.toMatchObject({
        status: '0',
      });
    expect(options.map(({ compression }) => compression?.name)).toStrictEqual(['gzip', undefined]);
  });

  test('reads a message that is compressed', async () => {
    const { session } = await serve();
    const frame = encodeGrpcFrame(gzipSync(submitFrame().subarray(5)));
    frame.writeUInt8(1, 0);

    await expect(call(session, SUBMIT_PATH, frame, { 'grpc-encoding': 'gzip' })).resolves.toMatchObject({
      status: '0',
    });
  });

  test('is rejected where its body does not arrive in time, or takes too much memory', async () => {
    const slow = await serve({ bodyTimeoutMs: 20 });
    const stream = openCall(slow.session, SUBMIT_PATH);
    const headers = new Promise<object>((resolve) => stream.once('response', resolve));
    stream.write(submitFrame().subarray(0, 6));
    await expect(headers).resolves.toMatchObject({ 'grpc-status': '14' });

    const full = await serve({ memoryBytes: 10 });
    await expect(call(full.session, SUBMIT_PATH, submitFrame())).resolves.toMatchObject({ status: '8' });
    expect([slow.rejections, full.rejections]).toStrictEqual([['grpc unavailable'], ['grpc overloaded']]);
    expect(full.memory.reservedBytes).toBe(0);
  });
});

describe('StreamReports', () => {
  test('sends its headers before the first report, and a receipt for each', async () => {
    const { session, memory, options, rejections } = await serve();
    const stream = openCall(session, STREAM_PATH);
    await expect(new Promise<object>((resolve) => stream.once('response', resolve))).resolves.toMatchObject({
      ':status': 200,
    });
    const reports = [makeReport(), makeReport(), makeReport()];
    const trailers = new Promise<object>((resolve) => stream.once('trailers', resolve));
    stream.end(Buffer.concat(reports.map((report) => streamFrame(report))));

    const receipts = (await readMessages(stream)).map(
      (bytes) => fromBinary(StreamReportsResponseSchema, bytes).receipt,
    );

    expect(receipts.map((receipt) => receipt?.reportId)).toStrictEqual(reports.map(({ reportId }) => reportId));
    await expect(trailers).resolves.toMatchObject({ 'grpc-status': '0' });
    expect(options.map(({ schema }) => schema.name)).toStrictEqual(
      Array.from({ length: 3 }, () => 'StreamReportsRequest'),
    );
    expect([memory.reservedBytes, rejections]).toStrictEqual([0, []]);
  });

  test('ends with the status of an error after its receipts', async () => {
    const { session, rejections } = await serve({
      stream: async function* (requests) {
        yield* receiptsOf(requests);
        throw new SpartakusError('unavailable', 'the collector is stopping');
      },
    });

    const { messages, trailers } = await call(session, STREAM_PATH, streamFrame());

    expect(messages).toHaveLength(1);
    expect(trailers).toMatchObject({ 'grpc-status': '14', 'grpc-message': 'the collector is stopping' });
    expect(rejections).toStrictEqual(['grpc unavailable']);
  });

  test('has time for the next part of its body from the last one, and none while a report is handled', async () => {
    const { session } = await serve({
      bodyTimeoutMs: 60,
      stream: async function* (requests) {
        for await (const request of eachRequest(requests)) {
          await new Promise((resolve) => setTimeout(resolve, 150));
          request.reservation?.end();
          yield [create(ReceiptSchema)];
        }
      },
    });
    const stream = openCall(session, STREAM_PATH);
    const trailers = new Promise<object>((resolve) => stream.once('trailers', resolve));
    stream.write(Buffer.concat([streamFrame(), streamFrame()]));

    const messages = await readMessages(stream);

    expect(messages).toHaveLength(2);
    await expect(trailers).resolves.toMatchObject({ 'grpc-status': '14' });
  });

  test('aborts its signal when the client leaves, and releases what was received', async () => {
    const { session, memory, signals, rejections } = await serve();
    const stream = openCall(session, STREAM_PATH);
    stream.on('error', () => undefined);
    stream.write(streamFrame().subarray(0, 6));
    await expect.poll(() => memory.reservedBytes).toBe(6);
    expect(signals[0]?.aborted).toBe(false);

    session.destroy();

    await expect.poll(() => memory.reservedBytes).toBe(0);
    expect(signals[0]).toMatchObject({ aborted: true, reason: 'the stream is closed' });
    expect(rejections).toStrictEqual([]);
  });
});

test('the handler serves POST of protobuf to the two methods', async () => {
  const { handler } = await serve();
  const headers = { ':method': 'POST', ':path': SUBMIT_PATH, 'content-type': 'application/grpc' };

  for (const served of [{}, { ':path': STREAM_PATH }, { 'content-type': 'application/grpc+proto' }])
    expect(handler.serves({ ...headers, ...served })).toBe(true);
  for (const other of [
    { ':method': 'GET' },
    { ':path': '/spartakus.collector.v1.CollectorService/SubmitKubermaticReport' },
    { 'content-type': 'application/grpc+json' },
    { 'content-type': undefined },
  ])
    expect(handler.serves({ ...headers, ...other })).toBe(false);
});
