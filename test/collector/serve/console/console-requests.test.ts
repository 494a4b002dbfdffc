import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  GetStatisticsResponseSchema,
  QuestionSchema,
} from '../../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { type FlagValues, parseFlags } from '../../../../src/cli/flags.ts';
import { LIMIT_FLAGS } from '../../../../src/cli/limit-flags.ts';
import { type ConsoleConfig, openConsole } from '../../../../src/collector/serve/console/console.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';
import { failureOf } from '../../../support/failure.ts';
import { withFiles } from '../../../support/files.ts';
import { listen, shut } from '../../../support/listen.ts';
import { createKeptLog } from '../../../support/log.ts';
import { createManualClock } from '../../../support/manual-clock.ts';

type Options = Parameters<typeof openConsole>[1];

const LIMITS = parseFlags(LIMIT_FLAGS, [], {}).values as FlagValues<typeof LIMIT_FLAGS>;
const FIXTURES = path.join(import.meta.dirname, '../../../fixtures/tls');
const TLS = { certFile: path.join(FIXTURES, 'server.crt'), keyFile: path.join(FIXTURES, 'server.key') };
const LOCAL = { host: '127.0.0.1', port: 0 };
const EVERYWHERE = { host: '0.0.0.0', port: 0 };
const LIST_QUESTIONS = '/spartakus.statistics.v1.StatisticsService/ListQuestions';
const GET_STATISTICS = '/spartakus.statistics.v1.StatisticsService/GetStatistics';
const JSON_HEADERS = { 'content-type': 'application/json' };
const BEARER = { authorization: 'Bearer the-token' };

const onRejection = vi.fn<Options['onRejection']>();
const originOf = vi.fn<Options['originOf']>();
let addressKey: string | undefined;
let stop: AbortController;
const opened: { close(): Promise<void> }[] = [];

beforeEach(() => {
  addressKey = '192.0.2.1';
  stop = new AbortController();
  onRejection.mockReset();
  originOf.mockReset().mockImplementation((_request, protocol) => ({ protocol, addressKey }));
});
afterEach(async () => {
  stop.abort();
  await Promise.all(opened.splice(0).map((each) => each.close()));
});

async function open(config: Partial<ConsoleConfig> = {}, options: Partial<Options> = {}) {
  const clock = createManualClock(new Date(1_000_000));
  const { logger } = createKeptLog();
  const console = await openConsole(
    { listen: LOCAL, ...config },
    {
      metrics: { render: () => Promise.resolve({ contentType: 'text/plain', body: 'a_metric 1' }) },
      answers: {
        listQuestions: () => [create(QuestionSchema, { id: 'nodes' })],
        answer: ({ questions }) => {
          if (questions.length > 0) throw new SpartakusError('invalid', `there is no question "${questions[0]}"`);
          return Promise.resolve(create(GetStatisticsResponseSchema, { day: '2026-11-21' }));
        },
      },
      originOf,
      limits: LIMITS,
      clock,
      random: () => 0.5,
      onRejection,
      logger,
      rateLimitedLogger: logger,
      stop: stop.signal,
      ...options,
    },
  );
  opened.push(console);
  return { ...console, clock };
}

/** A console that other machines reach, as far as its configuration goes. */
const openWithToken = async (config: Partial<ConsoleConfig>, use: (url: string) => Promise<void>): Promise<void> =>
  await withFiles({ tokens: 'the-token' }, async (dir) => {
    const { url } = await open({ tokenFile: `${dir}/tokens`, ...config });
    await use(url);
  });

const get = async (url: string, headers: http.OutgoingHttpHeaders = {}): Promise<number | undefined> => {
  const [response] = (await once(http.get(url, { headers, agent: false }), 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
};
const call = (url: string, method = LIST_QUESTIONS, headers = {}, body = '{}'): Promise<Response> =>
  fetch(url + method, { method: 'POST', headers: { ...JSON_HEADERS, ...headers }, body });

/** The status of a call with a request target and a Host header as they are; fetch would not send them. */
const post = async (url: string, target: string, host: string): Promise<number | undefined> => {
  const request = http.request(url, { method: 'POST', path: target, headers: { ...JSON_HEADERS, host }, agent: false });
  request.end('{}');
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
};

describe('on this machine', () => {
  test('the health, the metrics and the statistics are answered without a token', async () => {
    const { url } = await open();

    const metrics = await fetch(`${url}/metrics`);
    expect([metrics.status, metrics.headers.get('content-type')]).toStrictEqual([200, 'text/plain']);
    await expect(metrics.text()).resolves.toBe('a_metric 1');
    await expect(get(`${url}/healthz`)).resolves.toBe(200);
    const statistics = await fetch(`${url}/stats.json?series=false`);
    expect([statistics.status, statistics.headers.get('content-type')]).toStrictEqual([200, 'application/json']);
    expect(statistics.headers.get('cache-control')).toBe('no-cache');
    await expect(statistics.json()).resolves.toStrictEqual({ day: '2026-11-21' });
    await expect(get(`${url}/stats.json?x`)).resolves.toBe(400);
    await expect(get(`${url}/x`)).resolves.toBe(404);
    expect(onRejection.mock.calls).toMatchObject([
      ['http', { kind: 'invalid' }],
      ['http', { kind: 'not-found' }],
    ]);
  });

  test('a store without statistics has neither their page nor their service', async () => {
    const { url } = await open({}, { answers: undefined });

    await expect(get(`${url}/stats.json`)).resolves.toBe(404);
    await expect(call(url)).resolves.toMatchObject({ status: 404 });
  });

  test('it speaks plain HTTP, even where the collector has TLS', async () => {
    const { url } = await open({}, { tls: TLS });

    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  test('when it is closed, it answers no more', async () => {
    const console = await open();
    const { url } = console;
    await fetch(`${url}/healthz`);

    await console.close();

    await expect(fetch(`${url}/healthz`)).rejects.toThrow('fetch failed');
  });
});

describe('the service of statistics', () => {
  test('answers calls, and errors of the questions', async () => {
    const { url } = await open();

    const listed = await call(url);
    await expect(listed.json()).resolves.toStrictEqual({ questions: [{ id: 'nodes' }] });
    const answer = await call(url, GET_STATISTICS);
    await expect(answer.json()).resolves.toStrictEqual({ day: '2026-11-21' });
    const wrong = await call(url, GET_STATISTICS, {}, '{"questions":["x"]}');
    expect(wrong.status).toBe(400);
    await expect(wrong.json()).resolves.toMatchObject({
      code: 'invalid_argument',
      message: 'there is no question "x"',
    });
    expect(originOf.mock.calls.map(([, protocol]) => protocol)).toStrictEqual(['connect', 'connect', 'connect']);
  });

  test('takes compressed requests of at most 16 KiB', async () => {
    const { url } = await open();
    const send = (bytes: number, encoding: 'gzip' | 'identity'): Promise<Response> => {
      const body = `{"since":"${'x'.repeat(bytes - 12)}"}`;
      return fetch(url + GET_STATISTICS, {
        method: 'POST',
        headers: { ...JSON_HEADERS, 'content-encoding': encoding },
        body: encoding === 'gzip' ? gzipSync(body) : body,
      });
    };

    await expect(send(16 * 1_024, 'gzip')).resolves.toMatchObject({ status: 200 });
    await expect(send(16 * 1_024, 'identity')).resolves.toMatchObject({ status: 200 });
    const large = await send(16 * 1_024 + 1, 'identity');
    await expect(large.json()).resolves.toMatchObject({ code: 'resource_exhausted' });
  });

  test('needs a token where there are tokens, and its rejections are counted in their protocol', async () => {
    await openWithToken({ listen: EVERYWHERE }, async (url) => {
      const rejected = await call(url);
      expect(rejected.status).toBe(401);
      await expect(rejected.json()).resolves.toMatchObject({ code: 'unauthenticated' });
      await expect(call(url, LIST_QUESTIONS, BEARER)).resolves.toMatchObject({ status: 200 });
      const grpcWeb = await call(url, LIST_QUESTIONS, { 'content-type': 'application/grpc-web+proto' });
      expect([grpcWeb.status, grpcWeb.headers.get('grpc-status')]).toStrictEqual([200, '16']);

      expect(onRejection.mock.calls).toMatchObject([
        ['connect', { kind: 'unauthenticated' }],
        ['grpc-web', { kind: 'unauthenticated' }],
      ]);
    });
  });

  test('is not called by a page of another host, whose name may be in the target', async () => {
    const { url } = await open();
    const send = (target: string, host: string) => post(url, target, host);

    await expect(send(LIST_QUESTIONS, '127.0.0.1')).resolves.toBe(200);
    await expect(send(LIST_QUESTIONS, 'evil.example')).resolves.toBe(403);
    await expect(send(`http://evil.example${LIST_QUESTIONS}`, '127.0.0.1')).resolves.toBe(403);
    await expect(send(`http://127.0.0.1${LIST_QUESTIONS}`, 'evil.example')).resolves.toBe(200);
  });

  test('rejects a malformed host as an error of the client', async () => {
    const { url } = await open({ isPublic: true });

    await expect(post(url, LIST_QUESTIONS, 'a b')).resolves.toBe(400);
    await expect(post(url, LIST_QUESTIONS, 'localhost:x')).resolves.toBe(400);

    expect(onRejection.mock.calls).toMatchObject([
      ['connect', { kind: 'invalid' }],
      ['connect', { kind: 'invalid' }],
    ]);
  });
});

test('an address has as many connections as the limits allow', async () => {
  const { url } = await open({}, { limits: { ...LIMITS, maxConnectionsPerAddress: 1 } });
  const first = net.connect(Number(new URL(url).port), '127.0.0.1');
  await once(first, 'connect');

  await expect(get(`${url}/healthz`)).rejects.toThrow(/ECONNRESET|socket hang up/);
  first.destroy();
  await expect.poll(() => get(`${url}/healthz`).catch(() => undefined)).toBe(200);
});

describe('where other machines reach it', () => {
  test('it does not start without a token', async () => {
    const failure = await failureOf(open({ listen: EVERYWHERE }));

    expect(failure).toMatchObject({ kind: 'invalid', field: '--console-listen' });
    expect(failure.message).toContain('--console-listen 0.0.0.0:0: other machines');
  });

  test('it speaks TLS where the collector does, and asks for no client certificate', async () => {
    await withFiles({ tokens: 'the-token' }, async (dir) => {
      const tls = { ...TLS, clientCaFile: path.join(FIXTURES, 'ca.crt') };
      const { url } = await open({ listen: EVERYWHERE, tokenFile: `${dir}/tokens` }, { tls });
      const session = http2.connect(url, { rejectUnauthorized: false });

      const stream = session.request({ ':path': '/metrics', ...BEARER });
      const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpStatusHeader];

      expect(url).toMatch(/^https:/);
      expect(headers[':status']).toBe(200);
      session.destroy();
    });
  });

  test('a port that is taken is an error that names the flag', async () => {
    const holder = http.createServer();
    const port = await listen(holder);

    const failure = await failureOf(open({ listen: { host: '127.0.0.1', port } }));

    expect(failure.kind).toBe('unavailable');
    expect(failure.message).toMatch(
      new RegExp(`^--console-listen 127\\.0\\.0\\.1:${port} cannot be opened: .*EADDRINUSE.*"off"`),
    );
    expect(failure.cause).toMatchObject({ code: 'EADDRINUSE' });
    await shut(holder);
  });
});

describe('public statistics', () => {
  const ask = async (url: string, count: number): Promise<readonly (number | undefined)[]> => {
    const statuses: (number | undefined)[] = [];
    const agent = new http.Agent({ keepAlive: true });
    for (let index = 0; index < count; index += 1) {
      const request = http.get(`${url}/stats.json`, { agent });
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      await text(response);
      statuses.push(response.statusCode);
    }
    agent.destroy();
    return statuses;
  };
  const OK = (count: number) => Array.from({ length: count }, () => 200);

  test('are limited to 120 requests a minute of an address, in all protocols together', async () => {
    const { url, clock } = await open({ isPublic: true });

    await expect(ask(url, 121)).resolves.toStrictEqual([...OK(120), 429]);
    const rejected = await call(url);
    expect(rejected.status).toBe(429);
    await expect(rejected.json()).resolves.toMatchObject({ message: 'too many requests: send it again later' });
    expect(onRejection.mock.calls).toMatchObject([
      ['http', { kind: 'rate-limited', retryAfterMs: 500 }],
      ['connect', { kind: 'rate-limited', retryAfterMs: 500 }],
    ]);
    await expect(get(`${url}/healthz`)).resolves.toBe(200);
    addressKey = '192.0.2.2';
    await expect(ask(url, 1)).resolves.toStrictEqual([200]);
    addressKey = '192.0.2.1';
    clock.advance(60_000);
    await expect(ask(url, 121)).resolves.toStrictEqual([...OK(120), 429]);
  });

  test('have no limit for a proxy that names no client, and on a console that is not public', async () => {
    const { url } = await open();
    await expect(ask(url, 121)).resolves.toStrictEqual(OK(121));
    addressKey = undefined;
    const { url: publicUrl } = await open({ isPublic: true });
    await expect(ask(publicUrl, 121)).resolves.toStrictEqual(OK(121));
  });

  test('do not make the metrics public', async () => {
    const { url } = await open({ listen: EVERYWHERE, isPublic: true });

    await expect(get(`${url}/metrics`)).resolves.toBe(403);
    await expect(get(`${url}/stats.json`)).resolves.toBe(200);
  });
});

describe('with a token file', () => {
  test('metrics and statistics take a token, and the health and the dashboard do not', async () => {
    await openWithToken({}, async (url) => {
      for (const at of ['/metrics', '/stats.json']) {
        await expect(get(url + at)).resolves.toBe(401);
        await expect(get(url + at, { ...BEARER, host: 'console.example' })).resolves.toBe(200);
      }
      await expect(get(`${url}/healthz`, { host: 'console.example' })).resolves.toBe(200);
      await expect(get(`${url}/dashboard.svg`, { host: 'console.example' })).resolves.toBe(200);
    });
  });

  test('that cannot be read, it does not start, and names the flag', async () => {
    const failure = await failureOf(open({ tokenFile: '/no/such/file' }));

    expect(failure).toMatchObject({ kind: 'invalid', field: '--console-token-file' });
  });
});
