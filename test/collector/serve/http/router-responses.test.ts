import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { createMemoryLimiter } from '../../../../src/collector/serve/admission/memory-limiter.ts';
import {
  createHttpHandler,
  type HttpRequest,
  type HttpResponse,
  type HttpRoute,
  pathOf,
  sendResponse,
  type ServerReply,
  type ServerRequest,
} from '../../../../src/collector/serve/http/router.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';
import { startExchange } from '../../../support/http-exchange.ts';

const onRejection = vi.fn<(protocol: string, thrown: unknown) => void>();
beforeEach(() => void onRejection.mockReset());

const ok = (): HttpResponse => ({ status: 200, contentType: 'text/plain', body: 'ok' });
const ROUTES: readonly HttpRoute[] = [
  { method: 'GET', path: '/', handle: ok },
  { method: 'GET', path: '/both', handle: ok },
  { method: 'POST', path: '/both', handle: () => ({ status: 204 }) },
  { method: 'POST', path: '/a/b', handle: () => ({ status: 204 }) },
];

function send(method: string, url: string | undefined, routes = ROUTES) {
  const handler = createHttpHandler(routes, {
    memory: createMemoryLimiter(1_000),
    limits: { bodyTimeoutMs: 1_000 },
    onRejection,
  });
  return startExchange(handler, { method, url }).response;
}

describe('a route', () => {
  test.each([
    ['GET', '/', 200, 'ok'],
    ['GET', undefined, 200, 'ok'],
    ['GET', '/both?a=/x', 200, 'ok'],
    ['HEAD', '/both', 200, undefined],
    ['POST', '/both', 204, undefined],
    ['POST', '/a/b', 204, undefined],
  ])('is found for %s %s', async (method, url, status, body) => {
    await expect(send(method, url)).resolves.toMatchObject({ status, body });
    expect(onRejection).not.toHaveBeenCalled();
  });

  test.each([
    ['GET', '/a/b', 'POST'],
    ['PUT', '/a/b', 'POST'],
    ['POST', '/', 'GET, HEAD'],
    ['DELETE', '/both', 'GET, HEAD, POST'],
  ])('does not support %s %s: 405 with the methods of the path', async (method, url, allow) => {
    await expect(send(method, url)).resolves.toMatchObject({
      status: 405,
      headers: { allow },
      body: `Error: ${url} does not support ${method}: use ${allow}\n`,
    });
    expect(onRejection.mock.calls).toMatchObject([['http', { kind: 'not-found' }]]);
  });

  test.each([
    ['GET', '/none'],
    ['GET', '/a/b/'],
    ['PUT', '/a/b/'],
    ['POST', '/a'],
  ])('does not exist for %s %s: 404', async (method, url) => {
    await expect(send(method, url)).resolves.toMatchObject({ status: 404, body: `Error: no such path: ${url}\n` });
    expect(onRejection.mock.calls).toMatchObject([['http', { kind: 'not-found' }]]);
  });

  test.each([
    ['GET', '/both/', 301, '/both'],
    ['HEAD', '/BOTH?Query=A', 301, '/both?Query=A'],
    ['GET', '//', 301, '/'],
    ['GET', '/..', 301, '/'],
    ['POST', '/a//b', 307, '/a/b'],
    ['POST', '/./a/x/../b/', 307, '/a/b'],
    ['POST', '/x/../../a/b', 307, '/a/b'],
  ])('is where %s %s is redirected to: %i', async (method, url, status, location) => {
    await expect(send(method, url)).resolves.toStrictEqual({
      status,
      headers: { location, 'content-length': 0 },
      body: undefined,
    });
    expect(onRejection).not.toHaveBeenCalled();
  });
});

describe('what the handler of a route receives', () => {
  const receive = async (url: string, headers: Readonly<Record<string, string>>): Promise<HttpRequest> => {
    const handle = vi.fn<(request: HttpRequest) => HttpResponse>(() => ({ status: 204 }));
    const handler = createHttpHandler([{ method: 'GET', path: '/x', handle }], {
      memory: createMemoryLimiter(1_000),
      limits: { bodyTimeoutMs: 1_000 },
      onRejection,
    });
    await startExchange(handler, { url, headers }).response;
    const [request] = handle.mock.calls[0] ?? [];
    if (request === undefined) throw new Error('the route was not called');
    return request;
  };

  test.each([
    ['/x', ''],
    ['/x?', '?'],
    ['/x?a=b', '?a=b'],
  ])('for %s is the query %j', async (url, query) => {
    await expect(receive(url, {})).resolves.toMatchObject({ query, origin: { protocol: 'http' } });
  });

  test('has the host of the target, and where it has none, that of the header', async () => {
    const headers = { host: 'a', accept: 'b' };

    await expect(receive('/x', headers)).resolves.toMatchObject({ headers });
    await expect(receive('http://c/x', headers)).resolves.toMatchObject({ headers: { host: 'c', accept: 'b' } });
    expect(headers.host).toBe('a');
  });

  test('tells when the response is closed, once', async () => {
    const closed = vi.fn<() => void>();
    const work = Promise.withResolvers<HttpResponse>();
    const handle = (request: HttpRequest): Promise<HttpResponse> => {
      request.onClose(closed);
      return work.promise;
    };
    const handler = createHttpHandler([{ method: 'GET', path: '/', handle }], {
      memory: createMemoryLimiter(1_000),
      limits: { bodyTimeoutMs: 1_000 },
      onRejection,
    });
    const { res, response } = startExchange(handler);
    expect(closed).not.toHaveBeenCalled();

    res.emit('close');
    res.emit('close');

    expect(closed).toHaveBeenCalledOnce();
    work.resolve({ status: 204 });
    await response;
  });
});

describe('a body', () => {
  const read = (maxBytes: number, headers: Readonly<Record<string, string>> = {}, memoryBytes = 1_000) => {
    const chunks: string[] = [];
    const handle = async (request: HttpRequest): Promise<HttpResponse> => {
      const body = await request.readBody(maxBytes, (chunk) => chunks.push(Buffer.from(chunk).toString()));
      return { status: 200, body };
    };
    const handler = createHttpHandler([{ method: 'POST', path: '/', handle }], {
      memory: createMemoryLimiter(memoryBytes),
      limits: { bodyTimeoutMs: 60_000 },
      onRejection,
    });
    return { ...startExchange(handler, { method: 'POST', headers }), chunks };
  };

  test('is the concatenation of its chunks, each of which was checked', async () => {
    const { req, response, chunks } = read(100);

    for (const chunk of ['one ', 'two ', 'three']) req.emit('data', Buffer.from(chunk));
    req.emit('end');
    req.emit('close');

    await expect(response).resolves.toMatchObject({ status: 200, body: 'one two three' });
    expect(chunks).toStrictEqual(['one ', 'two ', 'three']);
    expect(onRejection).not.toHaveBeenCalled();
  });

  test('whose length is over the limit is rejected before it is read, with the limit', async () => {
    const { req, response } = read(100, { 'content-length': '101' });

    await expect(response).resolves.toMatchObject({
      status: 413,
      body: 'Error: the body is over the limit of 100 bytes\n',
    });
    expect(req.listenerCount('data')).toBe(0);
  });

  test('whose length is the limit is read', async () => {
    const { req, response } = read(3, { 'content-length': '3' });

    req.emit('data', Buffer.from('abc'));
    req.emit('end');

    await expect(response).resolves.toMatchObject({ status: 200, body: 'abc' });
  });

  test('for which there is no memory is rejected, and read no further', async () => {
    const { req, response } = read(100, {}, 5);

    req.emit('data', Buffer.from('123456'));

    await expect(response).resolves.toMatchObject({ status: 429, headers: { 'retry-after': '5' } });
    expect(req.listenerCount('data')).toBe(0);
  });

  test('that ends early is incomplete', async () => {
    const { req, response } = read(100);

    req.emit('data', Buffer.from('123'));
    req.emit('close');

    await expect(response).resolves.toMatchObject({ status: 400, body: 'Error: the body is incomplete\n' });
  });
});

describe('a rejection', () => {
  const reject = (thrown: Error) =>
    send('GET', '/', [{ method: 'GET', path: '/', handle: () => Promise.reject(thrown) }]);

  test('is plain text as in the original, and is counted', async () => {
    const error = new SpartakusError('forbidden', 'not here');

    await expect(reject(error)).resolves.toStrictEqual({
      status: 403,
      headers: { 'content-type': 'text/plain; charset=utf-8', 'content-length': 16 },
      body: 'Error: not here\n',
    });
    expect(onRejection.mock.calls).toStrictEqual([['http', error]]);
  });

  test('for want of a token has the challenge', async () => {
    await expect(reject(new SpartakusError('unauthenticated', 'no token'))).resolves.toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Bearer' },
    });
  });

  test('that is thrown at once is one as well', async () => {
    const handle = (): HttpResponse => {
      throw new TypeError('broken');
    };

    await expect(send('GET', '/', [{ method: 'GET', path: '/', handle }])).resolves.toMatchObject({ status: 500 });
  });
});

describe('a response', () => {
  const respond = (response: HttpResponse, method = 'GET') =>
    send(method, '/', [{ method: 'GET', path: '/', handle: () => response }]);

  test.each([
    [{ status: 200 }, { 'content-length': 0 }, undefined],
    [{ status: 200, body: 'é' }, { 'content-length': 2 }, 'é'],
    [{ status: 200, body: '' }, { 'content-length': 0 }, ''],
    [{ status: 200, body: new Uint8Array([65]) }, { 'content-length': 1 }, 'A'],
    [{ status: 204 }, {}, undefined],
    [{ status: 304, headers: { etag: '"1"' } }, { etag: '"1"' }, undefined],
    [
      { status: 200, contentType: 'text/css', headers: { vary: 'a' } },
      { 'content-type': 'text/css', vary: 'a', 'content-length': 0 },
      undefined,
    ],
  ])('%j has the headers %j', async (response, headers, body) => {
    await expect(respond(response)).resolves.toStrictEqual({ status: response.status, headers, body });
  });

  test('to HEAD has the length of the body, and no body', async () => {
    await expect(respond({ status: 200, body: 'abc' }, 'HEAD')).resolves.toStrictEqual({
      status: 200,
      headers: { 'content-length': 3 },
      body: undefined,
    });
  });

  test.each([{ destroyed: true }, { writableEnded: true }])('is not sent where it is %j', (state) => {
    const end = vi.fn<() => void>();
    const res = Object.assign(new EventEmitter(), { destroyed: false, writableEnded: false, end, setHeader: end });

    sendResponse({ method: 'GET' } as ServerRequest, Object.assign(res, state) as never as ServerReply, {
      status: 200,
    });

    expect(end).not.toHaveBeenCalled();
  });
});

test.each([
  ['/version?x=1', '/version'],
  ['http://host/version', '/version'],
  [undefined, '/'],
])('the path of the target %s is %s', (url, path) => {
  expect(pathOf({ url } as ServerRequest)).toBe(path);
});
