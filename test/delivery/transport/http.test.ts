import http from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { apiUrl } from '../../../src/delivery/transport/http-url.ts';
import { openHttpSink } from '../../../src/delivery/transport/http.ts';
import type { TransportOptions } from '../../../src/delivery/transport/sink.ts';
import type { ReportEntry, ReportSink } from '../../../src/report/report-sink.ts';
import { type Rejection, reportSinkContract } from '../../contract/report-sink.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { listen, shut } from '../../support/listen.ts';
import { failOne, putOne } from '../../support/put-one.ts';
import { makeReport } from '../../support/reports.ts';

expectNothingLeftOpen();

interface Got {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A server on 127.0.0.1 that records requests and responds with `answer`, by default 204. */
interface LegacyCollector {
  readonly url: string;
  readonly got: readonly Got[];
  answer: (response: ServerResponse, got: Got) => void;
  close(): Promise<void>;
}

async function startLegacyCollector(): Promise<LegacyCollector> {
  const got: Got[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    const one = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body };
    got.push(one);
    collector.answer(response, one);
  };
  const server = http.createServer((request, response) => void take(request, response));
  const port = await listen(server);
  const collector: LegacyCollector = {
    url: `http://127.0.0.1:${port}`,
    got,
    answer: (response) => response.writeHead(204).end(),
    close: () => shut(server),
  };
  return collector;
}

/** The clusterID in a body: the legacy JSON has no report id. */
function clusterIdOf({ body }: Got): string {
  return /"clusterID":"([^"]*)"/.exec(body)?.[1] ?? '';
}

const STATUS = { permanent: 400, retryable: 503 } as const;

reportSinkContract(
  'a collector over legacy HTTP',
  async () => {
    const collector = await startLegacyCollector();
    const sink = openHttpSink(collector.url);
    const rejected = new Map<string, Rejection>();
    const stored: string[] = [];
    collector.answer = (response, got) => {
      const how = rejected.get(clusterIdOf(got));
      if (how === undefined) stored.push(clusterIdOf(got));
      response.writeHead(how === undefined ? 204 : STATUS[how]).end();
    };
    return {
      sink,
      reject: (report, how) => rejected.set(report.clusterId, how),
      storedClusterIds: () => Promise.resolve(stored),
      close: async () => {
        await sink.close();
        await collector.close();
      },
    };
  },
  { duplicates: false, rejections: ['permanent', 'retryable'] },
);

const closers: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(options: TransportOptions = {}): Promise<{ collector: LegacyCollector; sink: ReportSink }> {
  const collector = await startLegacyCollector();
  const sink = openHttpSink(collector.url, options);
  closers.push(
    () => collector.close(),
    () => sink.close(),
  );
  return { collector, sink };
}

test('a report is sent as the original sent it: POST /api/v1, JSON, and its fields alone', async () => {
  const { collector, sink } = await start();
  const report = makeReport();

  await putOne(sink, report);

  expect(collector.got).toHaveLength(1);
  expect(collector.got[0]).toMatchObject({
    method: 'POST',
    url: '/api/v1',
    headers: { 'content-type': 'application/json' },
  });
  expect(collector.got[0]?.body).toBe(
    `{"version":"v2.0.0","timestamp":"${report.timestamp}","clusterID":"${report.clusterId}",` +
      '"nodes":[{"id":"n","operatingSystem":"linux","capacity":[{"resource":"cpu","value":"4"}]}]}',
  );
});

test.each([
  ['http://host', 'http://host/api/v1'],
  ['http://host/', 'http://host/api/v1'],
  ['https://host:8443/prefix/', 'https://host:8443/prefix/api/v1'],
  ['https://host/api/v1', 'https://host/api/v1'],
  ['https://host/api/v1/', 'https://host/api/v1'],
  ['http://[::1]:8080', 'http://[::1]:8080/api/v1'],
  ['http://host//', 'http://host/api/v1'],
  ['http://host/api/v1//', 'http://host/api/v1'],
  ['http://host/api/v10', 'http://host/api/v10/api/v1'],
  ['http://host/a//b', 'http://host/a//b/api/v1'],
  ['http://user@host/?a=b#c', 'http://user@host/api/v1?a=b'],
])('reports for %s are posted to %s', (url, target) => {
  expect(apiUrl(url).href).toBe(target);
});

test.each([
  [200, 'internal', ' Only status 204 means that a report is stored.'],
  [202, 'internal', ' Only status 204 means that a report is stored.'],
  [299, 'internal', ' Only status 204 means that a report is stored.'],
  [300, 'internal', ' It redirects: set --database to the URL that it redirects to.'],
  [399, 'internal', ' It redirects: set --database to the URL that it redirects to.'],
  [400, 'invalid'],
  [401, 'unauthenticated', ' It requires a token: give one with --token-file.'],
  [403, 'forbidden', ' A collector forbids no report: permit it in the proxy or gateway in front of it.'],
  [404, 'not-found', ' Check that a Spartakus collector listens at the URL in --database.'],
  [413, 'too-large'],
  [415, 'unsupported-media-type'],
  [429, 'overloaded'],
  [500, 'internal'],
  [503, 'unavailable'],
])('only 204 is a success, so %i is a failure, of kind %s', async (status, kind, advice = '') => {
  const { collector, sink } = await start();
  collector.answer = (response) => response.writeHead(status).end('fine');

  const error = await failOne(sink);

  expect(error.kind).toBe(kind);
  expect(error.message).toBe(
    `The collector at ${collector.url}/api/v1 did not accept the report: status ${status}, "fine".${advice}`,
  );
});

test('the connection stays open after a rejection', async () => {
  const { collector, sink } = await start();
  const sockets = new Set<unknown>();
  collector.answer = (response) => {
    sockets.add(response.socket);
    response.writeHead(400).end('no');
  };

  await failOne(sink);
  await failOne(sink);

  expect(sockets.size).toBe(1);
});

test('a redirect is not followed, and reported', async () => {
  const { collector, sink } = await start();
  collector.answer = (response) => response.writeHead(301, { location: '/elsewhere' }).end();

  const error = await failOne(sink);

  expect(error.message).toContain('It redirects');
  expect(collector.got).toHaveLength(1);
});

test('the error has the body in one short line, without passwords', async () => {
  const { collector, sink } = await start();
  collector.answer = (response) =>
    response
      .writeHead(500)
      .end(`no\r\n\u001b[31mconnection to mongodb://user:hunter2@db:27017/x ${'z'.repeat(100_000)}`);

  const error = await failOne(sink);

  expect(error.message).toContain('"no [31mconnection to mongodb://user:***@db:27017/x zzz');
  expect(error.message).not.toContain('hunter2');
  expect(error.message.length).toBeLessThan(400);
});

test('the error has the delay of Retry-After', async () => {
  const { collector, sink } = await start();
  collector.answer = (response) => response.writeHead(503, { 'retry-after': '120' }).end();

  await expect(failOne(sink)).resolves.toMatchObject({ retryAfterMs: 120_000 });
});

test.each([
  ['Sat, 21 Nov 2026 00:02:00 GMT', 'Sat, 21 Nov 2026 00:00:00 GMT', 120_000],
  ['Sat, 21 Nov 2026 00:00:00 GMT', 'Sat, 21 Nov 2026 00:02:00 GMT', 0],
  ['soon', 'Sat, 21 Nov 2026 00:00:00 GMT', undefined],
])(
  'a date in Retry-After, %s, is compared with the Date of the response, %s',
  async (retryAfter, date, retryAfterMs) => {
    const { collector, sink } = await start();
    collector.answer = (response) => response.writeHead(503, { 'retry-after': retryAfter, date }).end();

    expect((await failOne(sink)).retryAfterMs).toBe(retryAfterMs);
  },
);

test('a timeout is a retryable failure', async () => {
  const { collector, sink } = await start({ timeoutMs: 50 });
  collector.answer = () => undefined;

  const error = await failOne(sink);

  expect(error.kind).toBe('unavailable');
  expect(error.message).toContain('no response within 0.05 s');
});

test('of many reports to a collector without a response, one waits for the timeout', async () => {
  const { collector, sink } = await start({ timeoutMs: 1_000 });
  collector.answer = (response) => (collector.got.length === 1 ? response.writeHead(204).end() : undefined);

  const outcomes = await sink.put(Array.from({ length: 50 }, () => ({ report: makeReport() })));

  expect(outcomes[0]).toStrictEqual({ status: 'stored' });
  expect(outcomes.slice(1).map(({ status }) => status)).toStrictEqual(Array(49).fill('failed'));
  expect(collector.got).toHaveLength(2);
});

test('the error of an unreachable collector names it without its password', async () => {
  const { collector } = await start();
  await collector.close();
  const sink = openHttpSink(collector.url.replace('//', '//user:hunter2@'));

  const error = await failOne(sink);

  expect(error.kind).toBe('unavailable');
  expect(error.message).toContain('http://user:***@127.0.0.1');
  expect(error.message).toContain('ECONNREFUSED');
  expect(error.message).not.toContain('hunter2');
});

test('a user and password in the URL are sent as Basic authentication', async () => {
  const { collector } = await start();
  const sink = openHttpSink(collector.url.replace('//', '//user:p%40ss@'));
  closers.push(() => sink.close());

  await putOne(sink);

  expect(collector.got[0]?.headers.authorization).toBe(`Basic ${Buffer.from('user:p@ss').toString('base64')}`);
});

test('aborting the signal cancels requests in progress', async () => {
  const stop = new AbortController();
  const { collector, sink } = await start({ signal: stop.signal });
  collector.answer = () => stop.abort();

  await expect(failOne(sink)).resolves.toMatchObject({ kind: 'unavailable' });
});

test('a report that cannot be encoded is invalid, and the others are sent', async () => {
  const { collector, sink } = await start();
  const broken: ReportEntry = {
    get report(): never {
      throw new Error('no report');
    },
  };

  const outcomes = await sink.put([{ report: makeReport() }, broken, { report: makeReport() }]);

  expect(outcomes).toMatchObject([
    { status: 'stored' },
    { status: 'failed', error: { kind: 'invalid', message: 'The report cannot be encoded: no report.' } },
    { status: 'stored' },
  ]);
  expect(collector.got).toHaveLength(2);
});

test('after close nothing is sent', async () => {
  const { collector, sink } = await start();
  await sink.close();

  await expect(failOne(sink)).resolves.toMatchObject({
    kind: 'unavailable',
    message: 'The connection to the collector is closed.',
  });
  expect(collector.got).toStrictEqual([]);
});
