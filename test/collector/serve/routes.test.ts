import http from 'node:http';
import http2 from 'node:http2';
import { text } from 'node:stream/consumers';
import { Code, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Health } from '../../../gen/grpc/health/v1/health_pb.js';
import { ServerReflection } from '../../../gen/grpc/reflection/v1/reflection_pb.js';
import { CollectorService } from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { createMemoryLimiter } from '../../../src/collector/serve/admission/memory-limiter.ts';
import type { OriginFinder } from '../../../src/collector/serve/admission/request-origin.ts';
import { kindOf } from '../../../src/collector/serve/error-status.ts';
import type { HandlerContext } from '../../../src/collector/serve/handler-context.ts';
import type { ServerRequest } from '../../../src/collector/serve/http/router.ts';
import { createRoutes, protocolOf, type Routes } from '../../../src/collector/serve/routes.ts';
import { createHealthState } from '../../../src/collector/serve/rpc/health-service.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { listen, shut } from '../../support/listen.ts';
import { createKeptLog } from '../../support/log.ts';
import { openCall, submitFrame, SUBMIT_PATH } from '../../support/raw-grpc.ts';
import { TEST_LIMITS } from '../../support/test-limits.ts';

const rejections: string[] = [];
const origins: string[] = [];

/** Rejects every report, and knows no client. */
const CONTEXT: Partial<HandlerContext> = {
  admission: {
    admitRequest: () => undefined,
    admitReport: () => {
      throw new SpartakusError('unauthenticated', 'no token');
    },
    pace: () => Promise.resolve(),
    chargeBytes: () => undefined,
    rejectIfInDebt: () => undefined,
  },
  memory: createMemoryLimiter(1_000_000),
  limits: TEST_LIMITS,
  health: createHealthState(),
  version: 'v9.9.9',
  keepCountry: false,
  onRejection: (protocol, thrown) => void rejections.push(`${protocol} ${kindOf(thrown)}`),
  stopping: new AbortController().signal,
  logger: createKeptLog().logger,
};
const originOf: OriginFinder['originOf'] = ({ headers, socket }, protocol) => {
  origins.push([protocol, socket.remoteAddress, headers['x-one']].join(' ').trim());
  return { protocol };
};

let routes: Routes;
const http1Server = http.createServer((req, res) => routes.request(req, res));
const onStream = (
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
  _flags: number,
  rawHeaders: string[],
): void => {
  if (routes.stream(stream, headers)) return;
  routes.request(new http2.Http2ServerRequest(stream, headers, {}, rawHeaders), new http2.Http2ServerResponse(stream));
};
const http2Server = http2.createServer().on('stream', onStream);
let url: string;
let http2Url: string;
let session: http2.ClientHttp2Session;
let transport: Transport;

beforeAll(async () => {
  url = `http://127.0.0.1:${await listen(http1Server)}`;
  http2Url = `http://127.0.0.1:${await listen(http2Server)}`;
  session = http2.connect(http2Url);
  transport = createGrpcTransport({ baseUrl: http2Url });
});
beforeEach(() => {
  routes = createRoutes({ originOf }, CONTEXT as HandlerContext);
  rejections.length = 0;
  origins.length = 0;
});
afterAll(async () => {
  session.destroy();
  http2Server.close();
  await shut(http1Server);
});

const post = (path: string, contentType: string): Promise<Response> =>
  fetch(url + path, { method: 'POST', headers: { 'content-type': contentType, 'x-one': '1' }, body: '{}' });

test('a path of the HTTP API is served by it, and one of nobody is not found', async () => {
  const response = await fetch(`${url}/version`);

  await expect(response.text()).resolves.toBe('v9.9.9');
  await expect(post('/nowhere', 'text/plain')).resolves.toMatchObject({ status: 404 });
  expect(rejections).toStrictEqual(['http not-found']);
  expect(origins).toStrictEqual(['http 127.0.0.1', 'http 127.0.0.1 1']);
});

test('a report over HTTP is admitted by its origin', async () => {
  await expect(post('/api/v1', 'application/json')).resolves.toMatchObject({ status: 401 });
  expect([rejections, origins]).toStrictEqual([['http unauthenticated'], ['http 127.0.0.1 1']]);
});

describe('a method that does not exist', () => {
  test('is rejected in the protocol of its client: Connect', async () => {
    const response = await post('/some.Service/Method', 'application/json');

    expect(response.status).toBe(404);
    await expect(response.json()).resolves.toMatchObject({
      code: 'unimplemented',
      message: 'unknown method /some.Service/Method',
    });
    expect(rejections).toStrictEqual(['connect unimplemented']);
  });

  test.each([
    ['application/grpc', 'grpc'],
    ['application/grpc-web+proto', 'grpc-web'],
  ])('is rejected in the protocol of its client: %s', async (contentType, protocol) => {
    const response = await post('/some.Service/Method', contentType);

    expect([response.status, response.headers.get('grpc-status')]).toStrictEqual([200, String(Code.Unimplemented)]);
    expect(rejections).toStrictEqual([`${protocol} unimplemented`]);
  });
});

test('a report over Connect is served by its method', async () => {
  const client = createClient(CollectorService, createConnectTransport({ baseUrl: url, httpVersion: '1.1' }));

  await expect(client.submitReport({})).rejects.toMatchObject({ code: Code.Unauthenticated });
  expect([rejections, origins]).toStrictEqual([['connect unauthenticated'], ['connect 127.0.0.1']]);
});

test('a report over gRPC is served before a request is made of its stream', async () => {
  const call = openCall(session, SUBMIT_PATH);
  const headers = new Promise<http2.IncomingHttpHeaders>((resolve) => call.once('response', resolve));
  call.end(submitFrame());
  call.resume();

  await expect(headers).resolves.toMatchObject({ 'grpc-status': String(Code.Unauthenticated) });
  expect([rejections, origins]).toStrictEqual([['grpc unauthenticated'], ['grpc 127.0.0.1']]);
});

test('a stream that is no report over gRPC is a request', async () => {
  const stream = session.request({ ':path': '/version' });

  await expect(text(stream)).resolves.toBe('v9.9.9');
  expect(origins).toStrictEqual(['http 127.0.0.1']);
});

test.each([Health.typeName, CollectorService.typeName, ''])('the health of "%s" is known', async (service) => {
  await expect(createClient(Health, transport).check({ service })).resolves.toMatchObject({ status: 1 });
});

test('reflection lists every service, itself in both versions included', async () => {
  const asked = (async function* () {
    yield await Promise.resolve({ messageRequest: { case: 'listServices', value: '' } as const });
  })();
  const names: string[] = [];
  for await (const { messageResponse: response } of createClient(ServerReflection, transport).serverReflectionInfo(
    asked,
  ))
    if (response.case === 'listServicesResponse') names.push(...response.value.service.map(({ name }) => name));

  expect(names.toSorted()).toStrictEqual([
    'grpc.health.v1.Health',
    'grpc.reflection.v1.ServerReflection',
    'grpc.reflection.v1alpha.ServerReflection',
    'spartakus.collector.v1.CollectorService',
  ]);
});

describe('the protocol of a request', () => {
  test.each<[string | undefined, string, boolean, string]>([
    ['application/grpc', '/a.B/C', true, 'grpc'],
    ['application/GRPC+proto', '/a.B/C', false, 'grpc'],
    ['application/grpc-web', '/a.B/C', true, 'grpc-web'],
    ['Application/grpc-web-text+proto', '/', false, 'grpc-web'],
    ['text/application/grpc', '/', false, 'http'],
    ['x-application/grpc-web', '/', false, 'http'],
    ['application/json', '/a.B/C', true, 'connect'],
    [undefined, '/a.B/C', true, 'connect'],
    ['application/json', '/a.B/C', false, 'connect'],
    ['application/PROTO', '/a.b_1.C/D', false, 'connect'],
    ['application/connect+proto', '/a.B/C', false, 'connect'],
    ['text/plain', '/a.B/C', false, 'http'],
    [undefined, '/a.B/C', false, 'http'],
    ['application/json', '/api/v1', false, 'http'],
    ['application/json', '/B/C', false, 'http'],
    ['application/json', '/x/a.B/C', false, 'http'],
    ['application/json', '/a.B/C/D', false, 'http'],
    ['application/json', '/a.B/', false, 'http'],
    ['text/application/json', '/a.B/C', false, 'http'],
  ])('of the type %s at %s, which is a method: %s, is %s', (contentType, path, isMethod, expected) => {
    const headers = contentType === undefined ? {} : { 'content-type': contentType };

    expect(protocolOf({ headers } as ServerRequest, path, isMethod)).toBe(expected);
  });
});
