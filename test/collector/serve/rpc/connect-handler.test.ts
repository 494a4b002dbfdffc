import { once } from 'node:events';
import http2 from 'node:http2';
import { gzipSync } from 'node:zlib';
import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Health } from '../../../../gen/grpc/health/v1/health_pb.js';
import {
  CollectorService,
  Outcome,
  ReceiptSchema,
  SubmitReportRequestSchema,
} from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { encodeGrpcFrame } from '../../../../src/collector/serve/rpc/grpc-frames.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';
import {
  MAX_JSON_BYTES,
  MAX_PROTOBUF_BYTES,
  sendTo as send,
  serveConnect as serve,
} from '../../../support/connect-server.ts';
import { makeReport } from '../../../support/reports.ts';

const SUBMIT = '/spartakus.collector.v1.CollectorService/SubmitReport';
const STREAM = '/spartakus.collector.v1.CollectorService/StreamReports';
const CHECK = '/grpc.health.v1.Health/Check';

const jsonOf = (report = makeReport()): string =>
  toJsonString(SubmitReportRequestSchema, create(SubmitReportRequestSchema, { report }));
const framed = (text: string): Buffer => encodeGrpcFrame(Buffer.from(text));
const CONNECT_STREAM = { 'content-type': 'application/connect+json', 'connect-protocol-version': '1' };

describe('a report', () => {
  test.each([
    ['JSON', { 'content-type': 'application/json' }, true, MAX_JSON_BYTES],
    ['JSON in upper case', { 'content-type': 'APPLICATION/JSON; charset=utf-8' }, true, MAX_JSON_BYTES],
    ['protobuf', { 'content-type': 'application/proto' }, false, MAX_PROTOBUF_BYTES],
  ])('in %s is read with the limit of its encoding; its memory is held until its answer', async (...of) => {
    const [, headers, isJson, maxBytes] = of;
    const held: number[] = [];
    const { session, memory, rejections, options, received } = await serve({
      submit: ({ report }) => {
        held.push(memory.reservedBytes);
        return Promise.resolve(create(ReceiptSchema, { reportId: report?.reportId ?? '' }));
      },
    });
    const report = makeReport();
    const request = create(SubmitReportRequestSchema, { report, validateOnly: true });
    const body = isJson
      ? toJsonString(SubmitReportRequestSchema, request)
      : toBinary(SubmitReportRequestSchema, request);

    await expect(send(session, SUBMIT, body, headers)).resolves.toMatchObject({ status: 200 });

    expect(received).toMatchObject([{ report: { reportId: report.reportId }, validateOnly: true }]);
    expect(options).toMatchObject([{ isJson, maxBytes, compression: undefined, origin: { protocol: 'connect' } }]);
    expect(held[0]).toBeGreaterThanOrEqual(body.length);
    await expect.poll(() => memory.reservedBytes).toBe(0);
    expect(rejections).toStrictEqual([]);
  });

  test.each([
    ['Connect', { 'content-type': 'application/json', 'content-encoding': 'gzip' }, SUBMIT],
    ['a stream of Connect', { ...CONNECT_STREAM, 'connect-content-encoding': 'gzip' }, STREAM],
    ['gRPC with JSON', { 'content-type': 'application/grpc+json', 'grpc-encoding': 'gzip' }, SUBMIT],
  ])('that %s compresses is decompressed', async (_name, headers, path) => {
    const { session, received, options } = await serve();
    const report = makeReport();
    const bytes = gzipSync(jsonOf(report));
    const frame = encodeGrpcFrame(bytes);
    frame.writeUInt8(1, 0);
    const body = 'content-encoding' in headers ? bytes : frame;

    await send(session, path, body, { ...headers, ...(body === bytes && { 'content-length': bytes.length }) });

    expect(received).toMatchObject([{ report: { reportId: report.reportId } }]);
    expect(options.map(({ compression }) => compression?.name)).toStrictEqual(['gzip']);
  });

  test('is not decompressed for the header of another protocol', async () => {
    const { session, received } = await serve();

    await expect(
      send(session, SUBMIT, jsonOf(), { 'content-type': 'application/json', 'connect-content-encoding': 'gzip' }),
    ).resolves.toMatchObject({ status: 200 });

    expect(received).toHaveLength(1);
  });

  test('of several parts of a stream has a receipt for each, and holds nothing afterwards', async () => {
    const { session, memory, received } = await serve();
    const reports = [makeReport(), makeReport()];

    const { text } = await send(
      session,
      STREAM,
      Buffer.concat(reports.map((report) => framed(jsonOf(report)))),
      CONNECT_STREAM,
    );

    expect(received.map(({ report }) => report?.reportId)).toStrictEqual(reports.map(({ reportId }) => reportId));
    for (const { reportId } of reports) expect(text).toContain(reportId);
    await expect.poll(() => memory.reservedBytes).toBe(0);
  });

  test('is rejected by admission, once, before its body is read', async () => {
    const { session, rejections, options, received } = await serve({
      admit: () => {
        throw new SpartakusError('rate-limited', 'slow down', { retryAfterMs: 5 });
      },
    });

    const { status, text } = await send(session, SUBMIT, jsonOf());

    expect([status, JSON.parse(text)]).toMatchObject([429, { code: 'resource_exhausted', message: 'slow down' }]);
    expect([rejections, options, received]).toStrictEqual([[expect.stringMatching(/^connect: .*slow down/)], [], []]);
  });

  test.each([
    ['of the wrong type names its field', '{"report": {"clusterID": 7}}', 'report.cluster_id: '],
    ['that is no JSON has no field to name', '{"report": ', ''],
  ])('%s', async (_what, body, field) => {
    const { session, rejections, memory } = await serve();

    const { status, text } = await send(session, SUBMIT, body);

    const error = JSON.parse(text) as {
      readonly message: string;
      readonly details: readonly { readonly type: string }[];
    };
    expect([status, error]).toMatchObject([400, { code: 'invalid_argument' }]);
    expect(error.message.startsWith(field)).toBe(true);
    expect(error.details.map(({ type }) => type)).toStrictEqual([
      'google.rpc.ErrorInfo',
      ...(field === '' ? [] : ['google.rpc.BadRequest']),
    ]);
    expect(rejections).toStrictEqual([expect.stringContaining(error.message)]);
    await expect.poll(() => memory.reservedBytes).toBe(0);
  });

  test('that is no protobuf is invalid, and no field is named', async () => {
    const { session, rejections } = await serve();

    const { status, text } = await send(session, SUBMIT, Buffer.from([0x0a, 0x7f]), {
      'content-type': 'application/proto',
    });

    expect([status, text]).toStrictEqual([400, expect.stringContaining('parse binary')]);
    expect(rejections).toHaveLength(1);
  });

  test('that the service rejects has its error, which is counted once', async () => {
    const { session, rejections, memory } = await serve({
      submit: () => Promise.reject(new SpartakusError('unavailable', 'no database', { retryAfterMs: 5 })),
    });

    for (const [path, body, headers] of [
      [SUBMIT, jsonOf(), { 'content-type': 'application/json' }],
      [STREAM, framed(jsonOf()), CONNECT_STREAM],
    ] as const)
      await expect(send(session, path, body, headers)).resolves.toMatchObject({
        text: expect.stringContaining('no database') as string,
      });

    const { text } = await send(session, SUBMIT, jsonOf());
    expect((JSON.parse(text) as { readonly details: readonly object[] }).details).toMatchObject([
      { type: 'google.rpc.ErrorInfo', debug: { reason: 'UNAVAILABLE' } },
      { type: 'google.rpc.RetryInfo' },
    ]);
    expect(rejections).toHaveLength(3);
    await expect.poll(() => memory.reservedBytes).toBe(0);
  });

  test('whose body does not arrive in time is rejected as unavailable', async () => {
    const { session, rejections, memory } = await serve({ bodyTimeoutMs: 20 });
    const stream = session.request({ ':method': 'POST', ':path': SUBMIT, 'content-type': 'application/json' });
    stream.on('error', () => undefined);
    stream.resume();
    stream.write('{"report"');
    const [response] = (await once(stream, 'response')) as [http2.IncomingHttpStatusHeader];

    expect(response[':status']).toBe(503);
    expect(rejections).toStrictEqual([expect.stringContaining('did not arrive within 20 ms')]);
    stream.close();
    await expect.poll(() => memory.reservedBytes).toBe(0);
  });
});

describe('a method or content type that Connect rejects by itself', () => {
  test.each([
    [{ ':method': 'PUT', 'content-type': 'application/json' }, 405, 'POST'],
    [{ 'content-type': 'text/plain' }, 415, 'content type'],
  ])('%j is counted', async (headers, status, text) => {
    const { session, rejections } = await serve();

    await expect(send(session, SUBMIT, '{}', headers)).resolves.toMatchObject({ status });

    expect(rejections).toStrictEqual([expect.stringMatching(new RegExp(`^connect: .*${text}`))]);
  });
});

describe('the error of an empty envelope', () => {
  test.each(['grpc', 'connect'] as const)('has a message as the protocol of %s demands', async (protocol) => {
    const { session } = await serve({
      protocol,
      submit: () => Promise.reject(new SpartakusError('invalid', 'a: b, c')),
    });
    const headers = { 'content-type': 'application/grpc+json' };

    const { response, trailers } = await send(session, SUBMIT, framed(jsonOf()), headers);

    const message = trailers['grpc-message'] ?? response['grpc-message'];
    expect(message).toBe(protocol === 'grpc' ? 'a: b, c' : encodeURIComponent('a: b, c'));
  });
});

test('a path that is not served is an error of the program', async () => {
  const { handler } = await serve();

  expect([SUBMIT, CHECK].map((path) => handler.serves(path))).toStrictEqual([true, true]);
  expect(handler.serves('/no.such.Service/Method')).toBe(false);
  expect(() => handler.handle({ url: '/x' } as never, {} as never, { protocol: 'connect' })).toThrow('no method at /x');
});

test.each([
  ['JSON', MAX_JSON_BYTES, true],
  ['protobuf', MAX_PROTOBUF_BYTES, false],
] as const)('a message of %s is as long as %d bytes, and no longer', async (_name, maxBytes, isJson) => {
  const { session } = await serve();
  const post = async (length: number): Promise<unknown> => {
    // A field that the schema does not have makes it as long.
    const body = isJson
      ? Buffer.from(JSON.stringify({ report: {}, x: 'x'.repeat(length - 20) }))
      : new BinaryWriter()
          .tag(1_000, WireType.LengthDelimited)
          .bytes(new Uint8Array(length - 5))
          .finish();
    expect(body).toHaveLength(length);
    const { status } = await send(session, SUBMIT, body, {
      'content-type': `application/${isJson ? 'json' : 'proto'}`,
    });
    return status;
  };

  expect([await post(maxBytes), await post(maxBytes + 1)]).toStrictEqual([200, 429]);
});

test('the deadline of a body ends with its client, and the signal of a message with its answer', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const { session, memory, options, rejections } = await serve();
  await send(session, SUBMIT, jsonOf());
  expect(options[0]?.signal?.().aborted).toBe(true);
  const stream = session.request({ ':method': 'POST', ':path': STREAM, ...CONNECT_STREAM });
  stream.on('error', () => undefined);
  stream.write(framed('{}').subarray(0, 6));
  await expect.poll(() => memory.reservedBytes).toBe(6);
  session.destroy();
  await expect.poll(() => memory.reservedBytes).toBe(0);

  vi.runOnlyPendingTimers();

  expect(rejections).toStrictEqual([]);
});

test('a client that leaves in the middle of its body is neither counted nor logged, and holds nothing', async () => {
  const { session, memory, rejections, errors } = await serve();
  const stream = session.request({ ':method': 'POST', ':path': STREAM, ...CONNECT_STREAM });
  stream.on('error', () => undefined);
  stream.write(framed('{}').subarray(0, 6));
  await expect.poll(() => memory.reservedBytes).toBe(6);

  session.destroy();

  await expect.poll(() => memory.reservedBytes).toBe(0);
  await new Promise((resolve) => void setTimeout(resolve, 20));
  expect([rejections, errors]).toStrictEqual([[], []]);
});

test.each([
  ['Connect', createConnectTransport],
  ['gRPC', createGrpcTransport],
  ['gRPC-Web', createGrpcWebTransport],
] as const)('reports and envelopes are answered over %s', async (_name, createTransport) => {
  const { url, memory, received } = await serve({
    submit: () => Promise.resolve(create(ReceiptSchema, { outcome: Outcome.STORED })),
  });
  const client = createClient(CollectorService, createTransport({ baseUrl: url, httpVersion: '2' }));

  await expect(client.submitReport({ report: makeReport() })).resolves.toMatchObject({
    receipt: { outcome: Outcome.STORED },
  });
  await expect(client.submitKubermaticReport({ envelope: { clientUuid: 'u' } })).resolves.toMatchObject({
    receipts: [{ outcome: Outcome.STORED }],
  });
  await expect(
    createClient(Health, createTransport({ baseUrl: url, httpVersion: '2' })).check({}),
  ).resolves.toBeDefined();

  expect(received[1]).toMatchObject({ envelope: { clientUuid: 'u' } });
  await expect.poll(() => memory.reservedBytes).toBe(0);
});

describe('a request that names no host', () => {
  /** Handles a request of HTTP/1.1 without Host, whose client or response is in this state. */
  async function handle({ isGone = false, headersSent = false }) {
    const { handler, errors, rejections } = await serve();
    const req = { url: SUBMIT, headers: {}, socket: {}, destroyed: isGone };
    const done: unknown[] = [];
    const res = {
      headersSent,
      destroyed: false,
      statusCode: 200,
      end: () => done.push('end'),
      destroy: () => done.push('destroy'),
    };
    handler.handle(req as never, res as never, { protocol: 'connect' });
    await expect.poll(() => done).toHaveLength(1);
    return { done, status: res.statusCode, errors, rejections };
  }

  test('is a bad request, and logged', async () => {
    await expect(handle({})).resolves.toStrictEqual({
      done: ['end'],
      status: 400,
      errors: ['a call failed'],
      rejections: [],
    });
  });

  test('is not logged where its client has left', async () => {
    await expect(handle({ isGone: true })).resolves.toMatchObject({ done: ['end'], errors: [] });
  });

  test('is ended where its response has begun', async () => {
    await expect(handle({ headersSent: true })).resolves.toMatchObject({ done: ['destroy'], status: 200 });
  });
});

test('a client that resets its stream is noted, and is no rejection', async () => {
  const { session, rejections, errors, notes } = await serve();
  const stream = session.request({ ':method': 'POST', ':path': STREAM, ...CONNECT_STREAM });
  stream.on('error', () => undefined);
  stream.write(framed(jsonOf()));
  await once(stream, 'data');

  stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);

  await expect.poll(() => notes).toStrictEqual(['a client disconnected during a call']);
  expect([rejections, errors]).toStrictEqual([[], []]);
});
