import http2 from 'node:http2';
import { gzipSync } from 'node:zlib';
import { fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BadRequestSchema, ErrorInfoSchema } from '../../../../gen/google/rpc/error_details_pb.js';
import {
  CollectorService,
  Outcome,
  type Receipt,
} from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { EnvelopeSchema } from '../../../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import { type LocalCollector, startCollectorOn } from '../../../support/collector.ts';
import { createMemoryStore } from '../../../support/memory-store.ts';
import { makeReport } from '../../../support/reports.ts';

let collector: LocalCollector;

beforeAll(async () => {
  collector = await startCollectorOn('memory', {}, { openStore: () => Promise.resolve(createMemoryStore()) });
});

afterAll(() => collector.close());

const TRANSPORTS: readonly (readonly [string, (baseUrl: string) => Transport])[] = [
  ['gRPC', (baseUrl) => createGrpcTransport({ baseUrl })],
  ['gRPC with JSON', (baseUrl) => createGrpcTransport({ baseUrl, useBinaryFormat: false })],
  ['gRPC-Web', (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' })],
  ['Connect', (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2' })],
  ['Connect with JSON', (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2', useBinaryFormat: false })],
];

const errorOf = (call: Promise<unknown>): Promise<ConnectError> =>
  call.then(
    () => Promise.reject(new Error('the call succeeded')),
    (error: unknown) => ConnectError.from(error),
  );
const fieldsOf = (error: ConnectError) =>
  error.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations.map(({ field }) => field));
const reasonsOf = (error: ConnectError) =>
  error.findDetails(ErrorInfoSchema).map(({ reason, domain }) => `${domain} ${reason}`);
const withoutClusterId = () => Object.assign(makeReport(), { clusterId: '' });

describe.each(TRANSPORTS)('over %s, fields are named by their path from the request message', (_name, open) => {
  const client = () => createClient(CollectorService, open(collector.url));

  test('in the error of SubmitReport', async () => {
    const error = await errorOf(client().submitReport({ report: withoutClusterId() }));

    expect(error.code).toBe(Code.InvalidArgument);
    expect(fieldsOf(error)).toStrictEqual(['report.cluster_id']);
    expect(reasonsOf(error)).toStrictEqual(['spartakus INVALID_FIELD']);
    expect(error.rawMessage).toMatch(/^report\.cluster_id is required/);
    expect(fieldsOf(await errorOf(client().submitReport({})))).toStrictEqual(['report']);
  });

  test.each<[string, JsonObject]>([
    ['envelope.client_uuid', {}],
    ['envelope.version', { client_uuid: 'u', version: 'v9' }],
    ['envelope.time', { client_uuid: 'u', time: '1969-12-31T23:59:59Z' }],
    ['envelope.records[1].kind', { client_uuid: 'u', records: [{ kind: 'kubermatic' }, { kind: 'k3s' }] }],
    ['envelope.records[0].report_id', { client_uuid: 'u', records: [{ kind: 'kubermatic', reportID: 'x' }] }],
  ])('in the error of SubmitKubermaticReport: %s', async (field, envelope) => {
    const error = await errorOf(client().submitKubermaticReport({ envelope: fromJson(EnvelopeSchema, envelope) }));

    expect(fieldsOf(error)).toStrictEqual([field]);
    expect(reasonsOf(error)).toStrictEqual(['spartakus INVALID_FIELD']);
    expect(error.rawMessage).toContain(field);
  });

  test('in the receipts of SubmitKubermaticReport', async () => {
    const records: JsonObject[] = [{ kind: 'kubermatic' }, { kind: 'kubernetes', client_uuid: ' ' }];
    const envelope = fromJson(EnvelopeSchema, { client_uuid: 'u', records });

    const { receipts } = await client().submitKubermaticReport({ envelope });

    expect(receipts).toMatchObject([
      { outcome: Outcome.STORED },
      { outcome: Outcome.REFUSED, refusal: { field: 'envelope.records[1].client_uuid' } },
    ]);
  });
});

test.each(TRANSPORTS.filter(([name]) => name !== 'gRPC-Web'))(
  'over %s, fields are named by their path from the request message in the receipts of StreamReports',
  async (_name, open) => {
    const requests = async function* () {
      yield await Promise.resolve({ report: withoutClusterId() });
      yield {};
    };
    const receipts: (Receipt | undefined)[] = [];

    for await (const { receipt } of createClient(CollectorService, open(collector.url)).streamReports(requests()))
      receipts.push(receipt);

    expect(new Set(receipts.map((receipt) => receipt?.refusal?.field))).toStrictEqual(
      new Set(['report', 'report.cluster_id']),
    );
  },
);

test.each([
  ['{"nodes": [{}, {"id": 5}]}', 'nodes[1].id: '],
  ['{"reportID": "x"}', 'reportID must be'],
])('POST /api/v1 names fields by their JSON names from the body: %s', async (body, text) => {
  const headers = { 'content-type': 'application/json' };

  const response = await fetch(`${collector.url}/api/v1`, { method: 'POST', headers, body });

  expect(response.status).toBe(400);
  await expect(response.text()).resolves.toContain(text);
});

const METHOD = '/spartakus.collector.v1.CollectorService/SubmitReport';

interface ConnectErrorJson {
  readonly code: string;
  readonly message: string;
  readonly details: readonly { readonly type: string; readonly debug?: JsonValue }[];
}

async function postJson(path: string, body: string): Promise<ConnectErrorJson & { readonly status: number }> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(collector.url + path, { method: 'POST', headers, body });
  return { status: response.status, ...((await response.json()) as ConnectErrorJson) };
}

describe('a wrong JSON type over Connect', () => {
  test.each([
    ['{"report": {"clusterID": 7}}', 'report.cluster_id'],
    ['{"report": {"cluster_id": {}}}', 'report.cluster_id'],
    ['{"report": {"nodes": [{"id": "a"}, {"capacity": [{"value": 1}]}]}}', 'report.nodes[1].capacity[0].value'],
    ['{"report": {"nodes": {}}}', 'report.nodes'],
    ['{"report": {"nodes": [7]}}', 'report.nodes[0]'],
    ['{"report": {"observedAt": "yesterday"}}', 'report.observed_at'],
    ['{"report": []}', 'report'],
  ])('%s names its field', async (body, field) => {
    const error = await postJson(METHOD, body);

    expect(error).toMatchObject({ status: 400, code: 'invalid_argument' });
    expect(error.message).toMatch(new RegExp(`^${field.replaceAll(/[.[\]]/g, String.raw`\$&`)}: `));
    expect(error.details).toMatchObject([
      { type: 'google.rpc.ErrorInfo', debug: { reason: 'INVALID_FIELD', domain: 'spartakus' } },
      { type: 'google.rpc.BadRequest', debug: { fieldViolations: [{ field, description: error.message }] } },
    ]);
  });

  test.each(['{"report": ', '[]', '7'])('%s has no field to name', async (body) => {
    const error = await postJson(METHOD, body);

    expect(error).toMatchObject({ status: 400, code: 'invalid_argument' });
    expect(error.details).toMatchObject([{ type: 'google.rpc.ErrorInfo', debug: { reason: 'INVALID_REQUEST' } }]);
  });
});

test.each<[string, Record<string, string>, string | Uint8Array<ArrayBuffer>, object]>([
  ['gzip', { 'content-encoding': 'gzip' }, new Uint8Array(gzipSync('{"report": {"clusterID": "c"}}')), { status: 200 }],
  ['no gzip', { 'content-encoding': 'gzip' }, '{"report": {"clusterID": "c"}}', { status: 400 }],
  ['an unknown encoding', { 'content-encoding': 'zstd' }, '{}', { status: 501 }],
  [
    "another protocol's encoding header",
    { 'grpc-encoding': 'gzip' },
    '{"report": {"clusterID": "c"}}',
    { status: 200 },
  ],
])('a unary call of Connect with %s', async (_name, headers, body, expected) => {
  const response = await fetch(collector.url + METHOD, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });

  expect(response).toMatchObject(expected);
  await response.arrayBuffer();
});

/** The message of the error for an empty report or envelope in grpc-js, which decodes messages with decodeURI. */
async function detailsOf(path: string): Promise<string> {
  const client = new grpc.Client(collector.url.replace('http://', ''), grpc.credentials.createInsecure());
  const plain = (bytes: Buffer): Buffer => bytes;
  try {
    return await new Promise((resolve) => {
      client.makeUnaryRequest(path, plain, plain, Buffer.from([0x0a, 0]), (error) => resolve(error?.details ?? ''));
    });
  } finally {
    client.close();
  }
}

test.each([
  ['spartakus.collector.v1.CollectorService/SubmitReport', /^report\.cluster_id is required: /],
  ['spartakus.collector.v1.CollectorService/SubmitKubermaticReport', /^envelope\.client_uuid is required: /],
  ['no.such.Service/a%3Ab:c,d&e@f', /^unknown method \/no\.such\.Service\/a%3Ab:c,d&e@f$/],
])('grpc-js shows the message of %s without escapes', async (path, message) => {
  await expect(detailsOf(`/${path}`)).resolves.toMatch(message);
});

describe('an unknown method', () => {
  test.each([
    ['application/grpc', '/spartakus.collector.v1.CollectorService/NoSuchMethod'],
    ['application/grpc+proto', '/no.such.Service/Method'],
    ['application/grpc+json', '/no.such.Service/Method'],
    ['application/grpc-web+proto', '/no.such.Service/Method'],
    ['application/grpc', '/'],
  ])('of %s at %s is UNIMPLEMENTED with HTTP status 200', async (contentType, path) => {
    const session = http2.connect(collector.url);
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': contentType });
    const headers = await new Promise<http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader>((resolve) =>
      stream.once('response', resolve),
    );
    session.destroy();

    expect(headers).toMatchObject({ ':status': 200, 'content-type': contentType, 'grpc-status': '12' });
    expect(headers['grpc-message']).toBe(`unknown method ${path}`);
  });

  test.each(TRANSPORTS)('over %s is UNIMPLEMENTED with ErrorInfo', async (_name, open) => {
    const typeName = 'no.such.Service';
    const { submitReport } = CollectorService.method;
    const renamed = { ...submitReport, parent: { ...CollectorService, typeName } } as typeof submitReport;

    const error = await errorOf(open(collector.url).unary(renamed, undefined, undefined, undefined, {}));

    expect(error.code).toBe(Code.Unimplemented);
    expect(reasonsOf(error)).toStrictEqual(['spartakus UNIMPLEMENTED']);
  });

  test('of Connect is a JSON error with HTTP status 404', async () => {
    await expect(postJson('/no.such.Service/Method', '{}')).resolves.toMatchObject({
      status: 404,
      code: 'unimplemented',
      message: 'unknown method /no.such.Service/Method',
    });
  });
});
