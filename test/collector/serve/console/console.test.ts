import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import http2 from 'node:http2';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ConsoleConfig } from '../../../../src/collector/serve/console/console.ts';
import { type LocalCollector, startCollectorOn } from '../../../support/collector.ts';
import { failureOf } from '../../../support/failure.ts';
import { withFiles } from '../../../support/files.ts';
import { expectNothingLeftOpen } from '../../../support/held.ts';
import { listen, shut } from '../../../support/listen.ts';

expectNothingLeftOpen();

const FIXTURES = path.join(import.meta.dirname, '../../../fixtures/tls');
const LOCAL: ConsoleConfig = { listen: { host: '127.0.0.1', port: 0 } };

const collectors: LocalCollector[] = [];
afterEach(async () => {
  for (const collector of collectors.splice(0)) await collector.close();
});

async function open(config: Partial<ConsoleConfig> = {}): Promise<LocalCollector & { readonly consoleUrl: string }> {
  const collector = await startCollectorOn('stdout', { console: { ...LOCAL, ...config } });
  collectors.push(collector);
  const { consoleUrl = '' } = collector;
  return { ...collector, consoleUrl };
}

/** The status of a GET, with headers that fetch would not let through. */
async function get(url: string, headers: http.OutgoingHttpHeaders = {}): Promise<number | undefined> {
  const request = http.get(url, { headers, agent: false });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

describe('on this machine alone', () => {
  let collector: LocalCollector;
  let consoleUrl: string;

  beforeAll(async () => {
    collector = await startCollectorOn('stdout', { console: LOCAL });
    consoleUrl = collector.consoleUrl ?? '';
  });

  afterAll(() => collector.close());

  test('metrics are on the console, and not on the port for reports', async () => {
    const response = await fetch(`${consoleUrl}/metrics`);

    expect([response.status, response.headers.get('content-type')]).toStrictEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
    ]);
    await expect(response.text()).resolves.toContain('spartakus_collector_build_info{version="v9.9.9"} 1');
    await expect(get(`${collector.url}/metrics`)).resolves.toBe(404);
  });

  test('the dashboard is there without a token, since it has no figures, but not for other hosts', async () => {
    await withFiles({ tokens: 'the-token' }, async (dir) => {
      const { consoleUrl: guarded } = await open({ tokenFile: `${dir}/tokens` });
      const page = await fetch(`${guarded}/`);

      expect([page.status, page.headers.get('content-type')]).toStrictEqual([200, 'text/html; charset=utf-8']);
      await expect(page.text()).resolves.toContain('./dashboard.js');
      await expect(get(`${consoleUrl}/`, { host: 'evil.example' })).resolves.toBe(403);
    });
  });

  test('reports are not taken on the console', async () => {
    const send = (at: string) =>
      fetch(consoleUrl + at, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });

    await expect(send('/api/v1')).resolves.toMatchObject({ status: 404 });
    await expect(send('/spartakus.collector.v1.CollectorService/SubmitReport')).resolves.toMatchObject({ status: 404 });
  });

  test.each([
    'localhost',
    'localhost:8081',
    '127.0.0.1',
    '127.0.0.1:1',
    '127.1.2.3',
    '[::1]',
    '[::1]:8081',
    'LOCALHOST',
  ])('a request for the host %s is answered', async (host) => {
    await expect(get(`${consoleUrl}/metrics`, { host })).resolves.toBe(200);
  });

  test.each([
    'evil.example',
    'evil.example:8081',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '192.0.2.1',
    '127.0.0.1:80:80',
    'localhost@evil.example',
    '[::1',
    '::1',
  ])('a request for the host %j is rejected: a page in a browser may have sent it', async (host) => {
    await expect(get(`${consoleUrl}/metrics`, { host })).resolves.toBe(403);
  });

  test('so is one over HTTP/2', async () => {
    const session = http2.connect(consoleUrl);
    const ask = async (authority: string) => {
      const stream = session.request({ ':path': '/metrics', ':authority': authority });
      const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpStatusHeader];
      await text(stream);
      return headers[':status'];
    };

    expect([await ask('127.0.0.1'), await ask('evil.example')]).toStrictEqual([200, 403]);
    session.destroy();
  });

  test('the host of a target in absolute form counts, and not that of the header', async () => {
    const ask = async (host: string, header: string) => {
      const target = { path: `http://${host}/metrics`, headers: { host: header }, agent: false };
      const request = http.get(consoleUrl, target);
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.resume();
      return response.statusCode;
    };

    expect([await ask('127.0.0.1', 'evil.example'), await ask('evil.example', '127.0.0.1')]).toStrictEqual([200, 403]);
  });

  test('with a token file, metrics take a token, and the health does not', async () => {
    await withFiles({ tokens: 'the-token' }, async (dir) => {
      const { consoleUrl: guarded } = await open({ tokenFile: `${dir}/tokens` });

      const statuses = await Promise.all([
        get(`${guarded}/metrics`),
        get(`${guarded}/metrics`, { authorization: 'Bearer other' }),
        get(`${guarded}/metrics`, { authorization: 'Bearer the-token', host: 'console.example' }),
        get(`${guarded}/healthz`, { host: 'console.example' }),
      ]);

      expect(statuses).toStrictEqual([401, 401, 200, 200]);
    });
  });
});

describe('where other machines reach it', () => {
  const EVERYWHERE = { listen: { host: '0.0.0.0', port: 0 } };

  test('a collector with such a console does not start', async () => {
    const failure = await failureOf(startCollectorOn('stdout', { console: { ...LOCAL, ...EVERYWHERE } }));

    expect(failure).toMatchObject({ kind: 'invalid', field: '--console-listen' });
  });

  test('it speaks TLS where the collector does, and asks for no client certificate', async () => {
    await withFiles({ tokens: 'the-token' }, async (dir) => {
      const pair = { certFile: path.join(FIXTURES, 'server.crt'), keyFile: path.join(FIXTURES, 'server.key') };
      const collector = await startCollectorOn('stdout', {
        tls: { ...pair, clientCaFile: path.join(FIXTURES, 'ca.crt') },
        console: { ...EVERYWHERE, tokenFile: `${dir}/tokens` },
      });
      collectors.push(collector);
      const { consoleUrl = '' } = collector;
      const session = http2.connect(consoleUrl, { rejectUnauthorized: false });

      const stream = session.request({ ':path': '/metrics', authorization: 'Bearer the-token' });
      const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpStatusHeader];

      expect(consoleUrl).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
      expect(headers[':status']).toBe(200);
      session.destroy();
    });
  });
});

test('a port that is taken is an error that names the flag, and nothing stays open', async () => {
  const holder = http.createServer();
  const port = await listen(holder);

  const failure = await failureOf(startCollectorOn('stdout', { console: { listen: { host: '127.0.0.1', port } } }));

  expect(failure.message).toMatch(
    new RegExp(`^--console-listen 127\\.0\\.0\\.1:${port} cannot be opened: .*EADDRINUSE.*"off"`),
  );
  await shut(holder);
});
