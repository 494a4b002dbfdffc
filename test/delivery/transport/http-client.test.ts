import http from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { NO_CREDENTIALS } from '../../../src/delivery/client-credentials.ts';
import { openHttpClient, type PostOptions } from '../../../src/delivery/transport/http-client.ts';
import { parseHttpUrl } from '../../../src/delivery/transport/http-url.ts';
import type { TransportOptions } from '../../../src/delivery/transport/sink.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { failureOf } from '../../support/failure.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { listen, shut } from '../../support/listen.ts';

expectNothingLeftOpen();

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const POST: PostOptions = { isStored: (status) => status === 204, hintFor: () => undefined };

/** A server that records requests, and the client of its URL. */
async function start(answer: http.RequestListener, options: TransportOptions = {}) {
  const requests: { method?: string; headers: http.IncomingHttpHeaders; body: string }[] = [];
  const server = http.createServer((request, response) => {
    void text(request).then((body) => {
      requests.push({ method: request.method, headers: request.headers, body });
      answer(request, response);
    });
  });
  const url = `http://127.0.0.1:${await listen(server)}/path`;
  const client = openHttpClient(new URL(url), options, '--url');
  closers.push(
    () => shut(server),
    () => client.close(),
  );
  return { client, requests, url };
}

async function failWith(
  status: number,
  body: string,
  headers: http.OutgoingHttpHeaders = {},
  options: Partial<PostOptions> = {},
): Promise<SpartakusError & { readonly url: string }> {
  const { client, url } = await start((_request, response) => {
    response.sendDate = false;
    response.writeHead(status, headers).end(body);
  });
  const outcome = await client.post('{}', { ...POST, ...options });
  if (outcome.status !== 'failed') throw new Error(`The report is ${outcome.status}.`);
  return Object.assign(outcome.error, { url });
}

test('a post has the body as JSON, its length in bytes, and the token', async () => {
  const credentials = { authorization: () => Promise.resolve('Bearer secret') };
  const { client, requests } = await start((_request, response) => response.writeHead(204).end(), { credentials });

  await expect(client.post('{"a":"ü"}', POST)).resolves.toStrictEqual({ status: 'stored' });

  expect(requests).toMatchObject([
    {
      method: 'POST',
      body: '{"a":"ü"}',
      headers: { 'content-type': 'application/json', 'content-length': '10', authorization: 'Bearer secret' },
    },
  ]);
});

test('a request without a body and a token has no header of them, and resolves with any response', async () => {
  const { client, requests } = await start((_request, response) => response.writeHead(418).end('tea'));

  const response = await client.request('GET');

  expect([response.statusCode, await text(response)]).toStrictEqual([418, 'tea']);
  expect(requests.map(({ method, body }) => [method, body])).toStrictEqual([['GET', '']]);
  expect(Object.keys(requests[0]?.headers ?? {}).toSorted()).toStrictEqual(['connection', 'host']);
});

test('which status is a success is for the caller to say', async () => {
  const { client } = await start((_request, response) => response.writeHead(202).end('fine'));

  await expect(client.post('{}', { ...POST, isStored: (status) => status === 202 })).resolves.toStrictEqual({
    status: 'stored',
  });
});

test.each([
  ['with a body', 'no ', 'status 500, "no".'],
  ['without a body', '', 'status 500.'],
  ['with a body of spaces', ' \n', 'status 500.'],
])('the error of a response %s has its status and what it says', async (_name, body, end) => {
  const error = await failWith(500, body);

  expect(error.message).toBe(`The collector at ${error.url} did not accept the report: ${end}`);
  expect([error.kind, error.retryAfterMs]).toStrictEqual(['internal', undefined]);
});

test.each([
  ['the hint of the caller', () => ' Do this.', ' Do this.'],
  ['no hint where the caller has none to give', () => '', ''],
  [
    'the advice for its kind otherwise',
    () => undefined,
    ' Check that a Spartakus collector listens at the URL in --url.',
  ],
])('the error of a status has %s', async (_name, hintFor, hint) => {
  expect((await failWith(404, 'no', {}, { hintFor })).message).toMatch(
    new RegExp(`"no"\\.${hint.replaceAll('.', '\\.')}$`),
  );
});

const WANTS_TLS = 'Client sent an HTTP request to an HTTPS server.';

test.each([
  [400, WANTS_TLS, 'not-found', ' Write https:// in --url.'],
  [400, 'The plain HTTP request was sent to HTTPS port', 'not-found', ' Write https:// in --url.'],
  [400, 'bad id', 'invalid', ' Do this.'],
  [500, WANTS_TLS, 'internal', ' Do this.'],
  [407, 'no', 'internal', ' Do this.'],
])('a status %i with the text "%s" is of kind %s', async (status, body, kind, hint) => {
  const error = await failWith(status, body, {}, { hintFor: () => ' Do this.' });

  expect(error.kind).toBe(kind);
  expect(error.message.endsWith(`"${body}".${hint}`)).toBe(true);
});

test.each([
  [407, 'internal', ' Write the user and password of the proxy in $HTTP_PROXY.'],
  [502, 'unavailable', ''],
])('through a proxy, a status %i is of kind %s', async (status, kind, hint) => {
  const proxy = http.createServer((request, response) => {
    request.resume();
    response.writeHead(status).end('no');
  });
  closers.push(() => shut(proxy));
  const env = { HTTP_PROXY: `http://127.0.0.1:${await listen(proxy)}` };
  const client = openHttpClient(new URL('http://collector.example.com/path'), { env });
  closers.push(() => client.close());

  await expect(client.post('{}', POST)).resolves.toMatchObject({
    error: {
      kind,
      message:
        `The collector at http://collector.example.com/path (through the proxy ${env.HTTP_PROXY} of $HTTP_PROXY) ` +
        `did not accept the report: status ${status}, "no".${hint}`,
    },
  });
});

test.each([
  ['0', 0],
  ['120', 120_000],
  ['999999999', 999_999_999_000],
  ['9999999999', undefined],
  ['120 seconds', undefined],
  ['soon', undefined],
  ['', undefined],
])('Retry-After: %s is %s ms', async (header, expected) => {
  expect((await failWith(503, '', { 'retry-after': header })).retryAfterMs).toBe(expected);
});

test('a date in Retry-After without the Date of the response is compared with the own clock', async () => {
  const inAMinute = new Date(Date.now() + 60_000).toUTCString();

  const { retryAfterMs = 0 } = await failWith(503, '', { 'retry-after': inAMinute });

  expect(retryAfterMs).toBeGreaterThan(30_000);
  expect(retryAfterMs).toBeLessThanOrEqual(60_000);
});

test('a response that ends within its body is judged by its status', async () => {
  const { client } = await start((_request, response) => {
    response.writeHead(503, { 'content-length': '100' });
    response.write('begun', () => response.destroy());
  });

  await expect(client.post('{}', POST)).resolves.toMatchObject({
    error: { kind: 'unavailable', message: expect.stringMatching(/: status 503\.$/) as string },
  });
});

test('without a response in time, the request fails, and says how long it has waited', async () => {
  const { client, url } = await start(() => undefined, { timeoutMs: 50 });

  await expect(failureOf(client.post('{}', POST))).resolves.toMatchObject({
    kind: 'unavailable',
    message:
      `The collector at ${url} cannot be reached: it did not answer in time (no response within 0.05 s): ` +
      'check that no firewall or proxy blocks the connection, or give a longer --timeout.',
  });
});

test('a request that the signal cancels says so', async () => {
  const stop = new AbortController();
  const { client, url } = await start(() => stop.abort(), { signal: stop.signal });

  await expect(failureOf(client.post('{}', POST))).resolves.toMatchObject({
    kind: 'unavailable',
    message: `The request to the collector at ${url} was cancelled.`,
  });
});

test('a token that cannot be read is the error of the request, which is not sent', async () => {
  const error = new SpartakusError('unavailable', 'cannot be read');
  const credentials = { ...NO_CREDENTIALS, authorization: () => Promise.reject(error) };
  const { client, requests } = await start((_request, response) => response.end(), { credentials });

  await expect(failureOf(client.post('{}', POST))).resolves.toBe(error);
  expect(requests).toStrictEqual([]);
});

test('a server that resets the connection has closed it, and the code of the error is shown', async () => {
  const { client } = await start((request) => request.socket.resetAndDestroy());

  await expect(failureOf(client.post('{}', POST))).resolves.toMatchObject({
    kind: 'unavailable',
    message: expect.stringMatching(
      /it closed the connection \((ECONNRESET|socket hang up)\): if its port speaks TLS, write https:\/\/ in --url\.$/,
    ) as string,
  });
});

test.each([
  ['http://host:8080/a?b=c', 'http://host:8080/a?b=c'],
  ['https://host', 'https://host/'],
])('%s is the URL of a server', (url, href) => {
  expect(parseHttpUrl(url, '--url', 'https://example.com').href).toBe(href);
});

test.each(['grpc://user:hunter2@host', 'no URL', ''])('"%s" is none, and rejected with its flag', (url) => {
  expect(() => parseHttpUrl(url, '--url', 'https://example.com')).toThrow(
    expect.objectContaining({
      kind: 'invalid',
      field: '--url',
      message: `--url ${url.replace('hunter2', '***')}: is not an http(s):// URL, such as https://example.com.`,
    }),
  );
});
