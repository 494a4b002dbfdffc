import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http, { type IncomingMessage } from 'node:http';
import http2 from 'node:http2';
import { text as readText } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createMemoryLimiter } from '../../../../src/collector/serve/admission/memory-limiter.ts';
import { createLegacyApi } from '../../../../src/collector/serve/http/legacy-api.ts';
import { createHttpHandler } from '../../../../src/collector/serve/http/router.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';
import { type LocalCollector, startCollectorOn } from '../../../support/collector.ts';
import { expectNothingLeftOpen } from '../../../support/held.ts';
import { listen, shut } from '../../../support/listen.ts';
import { createMemoryStore } from '../../../support/memory-store.ts';
import { legacyJson } from '../../../support/protocols.ts';
import { makeReport } from '../../../support/reports.ts';
import { TEST_LIMITS } from '../../../support/test-limits.ts';

expectNothingLeftOpen();

const store = createMemoryStore();
let collector: LocalCollector;

beforeAll(async () => {
  collector = await startCollectorOn('', {}, { openStore: () => Promise.resolve(store) });
});

beforeEach(() => store.clear());

afterAll(() => collector.close());

const storedDocument = () => store.documents.values().next().value;

const post = (body: string | Uint8Array<ArrayBuffer>, contentType = 'application/json'): Promise<Response> =>
  fetch(`${collector.url}/api/v1`, { method: 'POST', headers: { 'content-type': contentType }, body });

describe('POST /api/v1', () => {
  test("the original volunteer's report is answered 204 without a body, and stored with every field it has", async () => {
    const text = await readFile(
      new URL('../../../fixtures/legacy/spartakus-volunteer-report.json', import.meta.url),
      'utf8',
    );

    const response = await post(text);

    expect(response.status).toBe(204);
    await expect(response.text()).resolves.toBe('');
    expect(response.headers.has('content-length')).toBe(false);
    const { _id, receivedAt, ...fields } = storedDocument() ?? {};
    expect(fields).toStrictEqual(JSON.parse(text));
    expect(_id).toMatch(/^[0-9a-f-]{36}$/);
    expect(receivedAt).toBeInstanceOf(Date);
  });

  test('a report with an id of its own is stored once, however often it comes', async () => {
    const body = legacyJson(makeReport());

    const statuses = [(await post(body)).status, (await post(body)).status];

    expect(statuses).toStrictEqual([204, 204]);
    expect(store.documents.size).toBe(1);
  });

  test('an empty object is stored under no cluster', async () => {
    await expect(post('{}')).resolves.toMatchObject({ status: 204 });
    expect(storedDocument()).not.toHaveProperty('clusterID');
  });

  test.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON;a=b'])(
    'takes the media type %s',
    async (contentType) => {
      await expect(post('{}', contentType)).resolves.toMatchObject({ status: 204 });
    },
  );

  test.each(['text/plain', 'application/jsonx', 'application/x-www-form-urlencoded'])(
    'answers 415 to the media type %s',
    async (contentType) => {
      const response = await post('{}', contentType);

      expect(response.status).toBe(415);
      await expect(response.text()).resolves.toBe(
        `Error: the content type is "${contentType}": send application/json\n`,
      );
    },
  );

  test.each([
    ['no JSON', '{"clusterID":', 'Error: the body is not JSON: '],
    ['nothing', '', 'Error: the body is not JSON: '],
    ['a list', '[]', 'Error: the body is not a report: '],
    [
      'a number for a text',
      '{"clusterID": 7}',
      'Error: the body is not a report: clusterID: expected a string, got a number',
    ],
    [
      'an object for a list',
      '{"nodes": [{"id": "n", "capacity": {}}]}',
      'Error: the body is not a report: nodes[0].capacity: expected an array, got an object',
    ],
    ['an id that is no UUIDv7', '{"reportID": "x"}', 'Error: reportID must be a UUIDv7'],
  ])('answers 400 to %s, with the reason', async (_name, body, message) => {
    const response = await post(body);

    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    await expect(response.text()).resolves.toContain(message);
    expect(store.documents.size).toBe(0);
  });

  test('answers 413 to a body over the limit, and takes one of just the limit', async () => {
    const body = '{}'.padEnd(TEST_LIMITS.maxJsonBytes, ' ');

    await expect(post(body)).resolves.toMatchObject({ status: 204 });
    await expect(post(`${body} `)).resolves.toMatchObject({ status: 413 });
  });

  test('an unknown field is ignored', async () => {
    await expect(post('{"clusterID": "c", "future": {"a": [1]}}')).resolves.toMatchObject({ status: 204 });
    expect(storedDocument()).not.toHaveProperty('future');
  });
});

describe('when a report cannot be stored', () => {
  /** The response where the ingest rejects every submission with this error. */
  const answerTo = async (failure: SpartakusError, path = '/api/v1'): Promise<Response> => {
    const routes = createLegacyApi({
      ingest: { accept: () => Promise.reject(failure), countInvalid: () => undefined },
      admission: { admitReport: () => undefined, chargeBytes: () => undefined },
      decoder: { decode: () => Promise.reject(failure), close: () => Promise.resolve() },
      version: 'v9',
      limits: { maxJsonBytes: 1000 },
      keepCountry: false,
      health: { serving: false },
    });
    const handler = createHttpHandler(routes, {
      memory: createMemoryLimiter(1_000_000),
      limits: { bodyTimeoutMs: 1000 },
      onRejection: () => undefined,
    });
    const server = http.createServer((req, res) => handler(req, res, { protocol: 'http' }));
    try {
      const url = `http://127.0.0.1:${await listen(server)}${path}`;
      if (path !== '/api/v1') return await fetch(url);
      return await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
    } finally {
      await shut(server);
    }
  };

  test.each([
    ['the database rejected it', 'internal', 500, null],
    ['the database is away', 'unavailable', 503, '3'],
    ['there are too many', 'overloaded', 429, '3'],
  ] as const)('%s (%s) is %i', async (message, kind, status, retryAfter) => {
    const response = await answerTo(
      new SpartakusError(kind, message, kind === 'internal' ? {} : { retryAfterMs: 2_500 }),
    );

    expect(response.status).toBe(status);
    expect(response.headers.get('retry-after')).toBe(retryAfter);
    await expect(response.text()).resolves.toBe(`Error: ${message}\n`);
  });

  test.each([
    ['/', 200],
    ['/healthz', 200],
    ['/readyz', 503],
  ])('GET %s is %i where the process is live, but not ready', async (path, status) => {
    await expect(answerTo(new SpartakusError('unavailable', 'away'), path)).resolves.toMatchObject({ status });
  });
});

describe('the other paths', () => {
  const get = (path: string, method = 'GET'): Promise<Response> => fetch(collector.url + path, { method });

  test.each(['/', '/healthz', '/healthz?verbose'])('GET %s is 200', async (path) => {
    await expect(get(path)).resolves.toMatchObject({ status: 200 });
  });

  test('GET /version is the bare version', async () => {
    await expect((await get('/version')).text()).resolves.toBe('v9.9.9');
  });

  test('an unknown path is 404, and a method that a path does not have 405 with the ones it has', async () => {
    await expect(get('/nowhere')).resolves.toMatchObject({ status: 404 });
    const response = await get('/api/v1');
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
  });

  test('HEAD is GET without a body', async () => {
    const response = await get('/version', 'HEAD');

    expect(response.status).toBe(200);
    expect(response.headers.get('content-length')).toBe('6');
    await expect(response.text()).resolves.toBe('');
  });
});

describe('a request target in absolute form', () => {
  test.each([
    ['http://collector.example.com/version', 200],
    ['HTTP://collector.example.com:8080/version?x=http://y', 200],
    ['https://[::1]:8080/healthz', 200],
    ['http://collector.example.com', 200],
    ['http://collector.example.com?x', 200],
    ['http://collector.example.com/nowhere', 404],
    ['http:///version', 404],
    ['ftp://collector.example.com/version', 404],
  ])('GET %s is answered %i', async (target, status) => {
    await expect(send('GET', target)).resolves.toMatchObject({ status });
  });

  test.each(['/api/v1', '/spartakus.collector.v1.CollectorService/SubmitReport'])(
    'a report is stored at %s',
    async (at) => {
      const body = at === '/api/v1' ? '{"clusterID":"c"}' : '{"report":{"clusterID":"c"}}';

      const { status } = await send('POST', `http://collector.example.com${at}`, body);

      expect(status).toBe(at === '/api/v1' ? 204 : 200);
      expect(store.documents.size).toBe(1);
    },
  );

  test('HTTP/2 has no such form', async () => {
    const session = http2.connect(collector.url);
    const stream = session.request({ ':path': 'http://collector.example.com/version' });

    await expect(once(stream, 'response')).rejects.toThrow('NGHTTP2_PROTOCOL_ERROR');
    session.destroy();
  });
});

describe('a path that the router of the original corrected', () => {
  test.each([
    ['GET', '/healthz/', 301, '/healthz'],
    ['GET', '/version/?a=b%2F', 301, '/version?a=b%2F'],
    ['HEAD', '/Version', 301, '/version'],
    ['GET', '//', 301, '/'],
    ['GET', '/../..', 301, '/'],
    ['GET', '//evil.example.com/../version', 301, '/version'],
    ['GET', 'http://evil.example.com/version/', 301, '/version'],
    ['POST', '/api/v1/', 307, '/api/v1'],
    ['POST', '/API/v1', 307, '/api/v1'],
    ['POST', '//api/v1', 307, '/api/v1'],
    ['POST', '/api/v1/../v1', 307, '/api/v1'],
    ['POST', '/api/v1/.', 307, '/api/v1'],
  ])('%s %s is redirected with %i to %s', async (method, target, status, location) => {
    await expect(send(method, target, method === 'POST' ? '{}' : undefined)).resolves.toStrictEqual({
      status,
      location,
      body: '',
    });
  });

  test.each([
    ['GET', '/api/v1/', 404],
    ['POST', '/healthz/', 404],
    ['POST', '/api/v1/../', 404],
    ['POST', '/', 405],
    ['PUT', '/api/v1/', 404],
    ['GET', '//evil.example.com', 404],
  ])('%s %s is not: %i', async (method, target, status) => {
    await expect(send(method, target)).resolves.toMatchObject({ status, location: undefined });
  });

  test('a client that follows the redirect delivers its report', async () => {
    const response = await fetch(`${collector.url}/api/v1/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"clusterID":"c"}',
    });

    expect([response.status, response.redirected]).toStrictEqual([204, true]);
    expect(store.documents.size).toBe(1);
  });
});

/** Sends a request target as it is; fetch would normalise it. */
async function send(method: string, target: string, body?: string) {
  const request = http.request(collector.url, {
    method,
    path: target,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    agent: false,
  });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return { status: response.statusCode, location: response.headers.location, body: await readText(response) };
}
