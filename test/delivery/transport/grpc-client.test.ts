import { EventEmitter } from 'node:events';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { CallOptions, Client, Metadata } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import {
  CollectorService,
  Outcome,
  SubmitKubermaticReportRequestSchema,
} from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { type GrpcClient, openGrpcClient, pathOf } from '../../../src/delivery/transport/grpc-client.ts';
import type { TransportOptions } from '../../../src/delivery/transport/sink.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { failureOf } from '../../support/failure.ts';
import { startWireCapture, type WireCapture } from '../../support/wire-capture.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function open(url: string, options: TransportOptions = {}, flag?: string): GrpcClient {
  const client = openGrpcClient(url, options, flag);
  closers.push(() => client.close());
  return client;
}

async function startCapture(): Promise<WireCapture> {
  const server = await startWireCapture('grpc');
  closers.push(() => server.close());
  return server;
}

const method = CollectorService.method.submitKubermaticReport;
const request = (init: MessageInitShape<typeof SubmitKubermaticReportRequestSchema>) =>
  create(SubmitKubermaticReportRequestSchema, init);

interface Started {
  readonly client: Client;
  readonly metadata: Metadata;
  readonly options: CallOptions;
}

/** Starts a call that does not leave this process. */
async function startFake(client: GrpcClient): Promise<Started & { readonly cancelled: () => number }> {
  let cancelled = 0;
  let started: Started | undefined;
  const call = Object.assign(new EventEmitter(), { cancel: () => void (cancelled += 1) });
  await client.start((caller, metadata, options) => {
    started = { client: caller, metadata, options };
    return call as never;
  });
  if (started === undefined) throw new Error('The call was not opened.');
  return { ...started, cancelled: () => cancelled };
}

test('a unary call sends its request, and resolves with the response', async () => {
  const server = await startCapture();

  const response = await open(server.database).unary(
    method,
    request({ envelope: { clientUuid: 'c', records: [{ reportId: 'r' }] } }),
  );

  expect(server.requests.map(({ body }) => body)).toMatchObject([{ records: [{ report_id: 'r' }] }]);
  expect(response.receipts).toMatchObject([{ reportId: 'r', outcome: Outcome.STORED }]);
});

test('a unary call that fails rejects with the status of grpc-js', async () => {
  const client = open('grpc://127.0.0.1:1', { timeoutMs: 5_000 });

  await expect(client.unary(method, request({}))).rejects.toMatchObject({
    code: 14,
    metadata: expect.anything() as unknown,
  });
});

test('a call has the token, and a deadline after the timeout', async () => {
  const credentials = { authorization: () => Promise.resolve('Bearer secret') };
  const beforeMs = Date.now();

  const { metadata, options } = await startFake(open('grpc://127.0.0.1:1', { credentials, timeoutMs: 5_000 }));

  expect(metadata.get('authorization')).toStrictEqual(['Bearer secret']);
  expect(Number(options.deadline)).toBeGreaterThanOrEqual(beforeMs + 5_000);
  expect(Number(options.deadline)).toBeLessThanOrEqual(Date.now() + 5_000);
});

test('a call without a token has none, and by default a deadline of a minute', async () => {
  const beforeMs = Date.now();

  const { metadata, options } = await startFake(open('grpc://127.0.0.1:1'));

  expect(metadata.getMap()).toStrictEqual({});
  expect(Number(options.deadline)).toBeGreaterThanOrEqual(beforeMs + 60_000);
  expect(Number(options.deadline)).toBeLessThanOrEqual(Date.now() + 60_000);
});

test('a token that cannot be read is the error of the call, which is not opened', async () => {
  const error = new SpartakusError('unavailable', 'cannot be read');
  const client = open('grpc://127.0.0.1:1', { credentials: { authorization: () => Promise.reject(error) } });

  await expect(failureOf(startFake(client))).resolves.toBe(error);
});

test('the signal cancels the calls in progress, and each later one', async () => {
  const stop = new AbortController();
  const client = open('grpc://127.0.0.1:1', { signal: stop.signal });
  const early = await startFake(client);
  expect(early.cancelled()).toBe(0);

  stop.abort();

  expect(early.cancelled()).toBe(1);
  expect((await startFake(client)).cancelled()).toBe(1);
});

test('close cancels the calls in progress', async () => {
  const client = open('grpc://127.0.0.1:1');
  const call = await startFake(client);

  client.close();

  expect(call.cancelled()).toBe(1);
});

test.each([
  ['grpc://collector.example.com', {}, 'dns:collector.example.com:8080'],
  ['grpcs://[2001:db8::1]', {}, 'dns:[2001:db8::1]:443'],
  ['grpc://collector.example.com', { grpc_proxy: 'http://proxy.example.com' }, 'dns:proxy.example.com:80'],
  ['grpc://collector.example.com', { grpc_proxy: 'http://proxy.example.com:3128' }, 'dns:proxy.example.com:3128'],
])('a client for %s with the variables %j connects to %s', async (url, env, expected) => {
  const { client } = await startFake(open(url, { env }));

  expect(client.getChannel().getTarget()).toBe(expected);
});

test('a client names its target, its proxy and its flag', () => {
  const direct = open('grpcs://collector.example.com', {}, '--url');
  const proxied = open('grpc://collector.example.com:9000', { env: { http_proxy: 'http://user:hunter2@proxy:3128' } });

  expect(direct.target).toBe('grpcs://collector.example.com');
  expect(direct.facts).toMatchObject({ tls: true, flag: '--url', proxy: undefined });
  expect(direct.facts.target).toMatchObject({ host: 'collector.example.com', port: 443 });
  expect(proxied.target).toBe('grpc://collector.example.com:9000 (through the proxy http://proxy:3128 of $http_proxy)');
  expect(proxied.facts).toMatchObject({ tls: false, flag: '--database', proxy: { variable: 'http_proxy' } });
});

test.each([
  ['http://collector.example.com', 'is not grpc:// or grpcs:// with a host and port'],
  ['no URL', 'is not grpc:// or grpcs:// with a host and port'],
  ['grpc://user@host', 'has a user or password, which gRPC does not support: write a host and port only'],
  ['grpc://:hunter2@host', 'has a user or password, which gRPC does not support: write a host and port only'],
  ['grpc://host#fragment', 'has more than a host and port'],
  ['grpc://host?query', 'has more than a host and port'],
])('the URL %s is rejected with its flag', (url, problem) => {
  const shown = url.replace('hunter2', '***');

  expect(() => openGrpcClient(url, {}, '--url')).toThrow(
    expect.objectContaining({
      kind: 'invalid',
      field: '--url',
      message: `--url ${shown}: ${problem}, such as grpc://collector.example.com:8080.`,
    }),
  );
});

test('the path of a call is that of its method', () => {
  expect(pathOf(method)).toBe('/spartakus.collector.v1.CollectorService/SubmitKubermaticReport');
});
