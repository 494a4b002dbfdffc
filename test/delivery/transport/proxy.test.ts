import http from 'node:http';
import https from 'node:https';
import { ServerCredentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { NO_CREDENTIALS } from '../../../src/delivery/client-credentials.ts';
import { openGrpcSink } from '../../../src/delivery/transport/grpc.ts';
import { openHttpSink } from '../../../src/delivery/transport/http.ts';
import { describeTarget, httpTarget, proxyFor } from '../../../src/delivery/transport/proxy.ts';
import type { ReportSink } from '../../../src/report/report-sink.ts';
import { type ConnectProxy, startConnectProxy } from '../../support/connect-proxy.ts';
import { startGrpcCollector } from '../../support/grpc-collector.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { readFixture } from '../../support/kube-api.ts';
import { listen, shut } from '../../support/listen.ts';
import { makeReport } from '../../support/reports.ts';

expectNothingLeftOpen();

const closers: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function startProxy(targetPort: number): Promise<ConnectProxy> {
  const proxy = await startConnectProxy(targetPort);
  closers.push(() => proxy.close());
  return proxy;
}

async function put(sink: ReportSink): Promise<unknown> {
  closers.push(() => sink.close());
  return (await sink.put([{ report: makeReport() }]))[0];
}

const trusted = async () => ({ ...NO_CREDENTIALS, ca: await readFixture('tls/ca.crt') });
const pair = async () => ({
  cert: await readFixture('tls/elsewhere.crt'),
  key: await readFixture('tls/elsewhere.key'),
});

/** A legacy collector, with TLS or without, that answers 204. */
async function startLegacy(tls: boolean): Promise<number> {
  const answer: http.RequestListener = (request, response) => {
    request.resume();
    response.writeHead(204).end();
  };
  const server = tls ? https.createServer(await pair(), answer) : http.createServer(answer);
  closers.push(() => shut(server));
  return listen(server);
}

// Only the proxy resolves elsewhere.example.com, so a report that arrives has gone through it.
describe('the proxy of the environment is used', () => {
  test.each(['HTTPS_PROXY', 'https_proxy', 'grpc_proxy', 'HTTP_PROXY'])(
    'over gRPC with TLS, as %s, and the certificate is checked through it',
    async (variable) => {
      const { cert, key } = await pair();
      const collector = await startGrpcCollector(
        ServerCredentials.createSsl(null, [{ cert_chain: cert, private_key: key }]),
      );
      closers.push(() => collector.close());
      const proxy = await startProxy(collector.port);
      const credentials = await trusted();
      const env = { [variable]: proxy.url };

      await expect(put(openGrpcSink('grpcs://elsewhere.example.com', { env, credentials }))).resolves.toStrictEqual({
        status: 'stored',
      });
      await expect(put(openGrpcSink('grpcs://other.example.com', { env, credentials }))).resolves.toMatchObject({
        status: 'failed',
      });
      expect(proxy.asked[0]).toBe('CONNECT elsewhere.example.com:443');
      expect(collector.stored.size).toBe(1);
    },
  );

  test('over gRPC without TLS, with a user and password for the proxy', async () => {
    const collector = await startGrpcCollector();
    closers.push(() => collector.close());
    const proxy = await startProxy(collector.port);
    const env = { HTTPS_PROXY: proxy.url.replace('//', '//user:p%40ss@') };

    await expect(put(openGrpcSink('grpc://collector.example.com', { env }))).resolves.toStrictEqual({
      status: 'stored',
    });
    expect(proxy.asked).toStrictEqual(['CONNECT collector.example.com:8080']);
    expect(proxy.authorizations).toStrictEqual([`Basic ${Buffer.from('user:p@ss').toString('base64')}`]);
  });

  test.each(['HTTPS_PROXY', 'https_proxy'])(
    'over HTTPS, as %s, and the certificate is checked through it',
    async (variable) => {
      const proxy = await startProxy(await startLegacy(true));
      const credentials = await trusted();
      const env = { [variable]: proxy.url };

      await expect(put(openHttpSink('https://elsewhere.example.com', { env, credentials }))).resolves.toStrictEqual({
        status: 'stored',
      });
      await expect(put(openHttpSink('https://other.example.com', { env, credentials }))).resolves.toMatchObject({
        status: 'failed',
      });
      expect(proxy.asked[0]).toBe('CONNECT elsewhere.example.com:443');
    },
  );

  test('over HTTP, as HTTP_PROXY, with a user and password for the proxy', async () => {
    const proxy = await startProxy(await startLegacy(false));
    const env = { HTTP_PROXY: proxy.url.replace('//', '//user:p%40ss@') };

    await expect(put(openHttpSink('http://collector.example.com', { env }))).resolves.toStrictEqual({
      status: 'stored',
    });
    expect(proxy.asked).toStrictEqual(['POST http://collector.example.com/api/v1']);
    expect(proxy.authorizations).toStrictEqual([`Basic ${Buffer.from('user:p@ss').toString('base64')}`]);
  });

  test.each(['grpc', 'http'])('but not for a loopback address, over %s', async (scheme) => {
    const collector = await startGrpcCollector();
    closers.push(() => collector.close());
    const port = scheme === 'grpc' ? collector.port : await startLegacy(false);
    const proxy = await startProxy(port);
    const options = { env: { http_proxy: proxy.url, https_proxy: proxy.url } };
    const url = `${scheme}://127.0.0.1:${port}`;

    await expect(
      put(scheme === 'grpc' ? openGrpcSink(url, options) : openHttpSink(url, options)),
    ).resolves.toStrictEqual({ status: 'stored' });
    expect(proxy.asked).toStrictEqual([]);
  });
});

test.each(['grpcs', 'https'])(
  'the error of an unreachable proxy names it without its password, over %s',
  async (scheme) => {
    const url = `${scheme}://elsewhere.example.com`;
    const env = { HTTPS_PROXY: 'http://user:hunter2@127.0.0.1:9' };

    const outcome = await put(scheme === 'grpcs' ? openGrpcSink(url, { env }) : openHttpSink(url, { env }));

    expect(outcome).toMatchObject({
      error: {
        kind: 'unavailable',
        message: expect.stringContaining(
          '(through the proxy http://127.0.0.1:9 of $HTTPS_PROXY) cannot be reached',
        ) as string,
      },
    });
    expect(JSON.stringify(outcome)).not.toContain('hunter2');
  },
);

const PROXY = { HTTPS_PROXY: 'http://proxy:3128' };
const target = (host: string, port = 443) => ({ kind: 'https', host, port }) as const;

test.each([
  ['*', 'a.example.com', true],
  ['example.com', 'example.com', true],
  ['example.com', 'a.EXAMPLE.com', true],
  ['example.com', 'badexample.com', false],
  ['.example.com', 'a.example.com', true],
  ['.example.com', 'example.com', false],
  ['*.example.com', 'a.example.com', true],
  ['example.com:443', 'example.com', true],
  ['example.com:8443', 'example.com', false],
  ['a.org, example.com', 'example.com', true],
  ['192.0.2.1', '192.0.2.1', true],
  ['192.0.2.1:443', '192.0.2.1', true],
  ['192.0.2.10', '192.0.2.1', false],
  ['192.0.2.0/24', '192.0.2.77', true],
  ['192.0.2.0/24', '192.0.3.77', false],
  ['192.0.2.0/33', '192.0.2.1', false],
  ['2001:db8::/32', '2001:db8::7', true],
  ['2001:db8::7', '2001:db8::7', true],
  ['[2001:db8::7]:443', '2001:db8::7', true],
  ['10.0.0.0/8', 'example.com', false],
  ['', 'example.com', false],
])('NO_PROXY=%s leaves %s without the proxy: %s', (exceptions, host, isLeft) => {
  expect(proxyFor(target(host), { ...PROXY, NO_PROXY: exceptions }) === undefined).toBe(isLeft);
});

test.each(['grpc', 'http'])('a password that cannot be decoded is rejected with the variable, over %s', (scheme) => {
  const env = {
    grpc_proxy: 'http://user:5%secret@proxy.example.com',
    http_proxy: 'http://user:5%secret@proxy.example.com',
  };
  const open = scheme === 'grpc' ? openGrpcSink : openHttpSink;

  expect(() => open(`${scheme}://collector.example.com`, { env })).toThrow(
    expect.objectContaining({
      kind: 'invalid',
      message: `$${scheme}_proxy http://user:***@proxy.example.com: its user or password has a "%" that is not written as %25.`,
    }),
  );
});

test('the variables of gRPC have precedence', () => {
  const env = {
    grpc_proxy: 'http://own:1',
    https_proxy: 'http://other:2',
    no_grpc_proxy: 'a.example.com',
    no_proxy: '*',
  };
  const grpc = (host: string) => proxyFor({ kind: 'grpc', host, port: 8080 }, env)?.url.host;

  expect([grpc('b.example.com'), grpc('a.example.com')]).toStrictEqual(['own:1', undefined]);
});

test('HTTPS does not go through HTTP_PROXY, nor HTTP through HTTPS_PROXY', () => {
  expect(proxyFor(target('a'), { HTTP_PROXY: 'http://p' })).toBeUndefined();
  expect(proxyFor({ kind: 'http', host: 'a', port: 80 }, PROXY)).toBeUndefined();
});

test('a proxy may be written without a scheme', () => {
  expect(proxyFor(target('a'), { https_proxy: 'proxy.example.com:3128' })?.url.href).toBe(
    'http://proxy.example.com:3128/',
  );
});

test.each([
  ['https', 'socks5://user:hunter2@proxy'],
  ['https', 'http://'],
  ['grpc', 'https://user:hunter2@proxy'],
] as const)(
  'for %s, a variable that is not the URL of a proxy, %s, is rejected with its name and without its password',
  (kind, value) => {
    const find = () => proxyFor({ kind, host: 'a', port: 1 }, { HTTPS_PROXY: value });

    expect(find).toThrow(expect.objectContaining({ kind: 'invalid', field: 'HTTPS_PROXY' }));
    expect(find).toThrow(/^\$HTTPS_PROXY [a-z0-9]+:\/\/(user:\*\*\*@proxy)?: is not the URL of a proxy/);
  },
);

test.each([
  ['http://host', { kind: 'http', host: 'host', port: 80 }],
  ['https://host', { kind: 'https', host: 'host', port: 443 }],
  ['http://[2001:db8::1]:8080', { kind: 'http', host: '2001:db8::1', port: 8080 }],
  ['https://192.0.2.1:8443', { kind: 'https', host: '192.0.2.1', port: 8443 }],
])('the target of %s is its host and port', (url, expected) => {
  expect(httpTarget(new URL(url))).toStrictEqual(expected);
});

test('a proxy is described without its user and password', () => {
  const proxy = { url: new URL('http://user:hunter2@proxy.example.com:3128/path'), variable: 'https_proxy' };

  expect(describeTarget('https://host', undefined)).toBe('https://host');
  expect(describeTarget('https://host', proxy)).toBe(
    'https://host (through the proxy http://proxy.example.com:3128 of $https_proxy)',
  );
});

test('a variable in lower case precedes that in upper case, and an empty one is none', () => {
  const find = (env: NodeJS.ProcessEnv) => proxyFor(target('a'), env);

  expect(find({ https_proxy: 'http://low', HTTPS_PROXY: 'http://up' })).toMatchObject({ variable: 'https_proxy' });
  expect(find({ https_proxy: '', HTTPS_PROXY: 'http://up' })).toMatchObject({ variable: 'HTTPS_PROXY' });
  expect(find({ https_proxy: '', HTTPS_PROXY: '' })).toBeUndefined();
  expect(find({})).toBeUndefined();
});

test('gRPC uses the variable of HTTPS before that of HTTP', () => {
  const find = (env: NodeJS.ProcessEnv) => proxyFor({ kind: 'grpc', host: 'a', port: 1 }, env)?.variable;

  expect(find({ http_proxy: 'http://h', HTTPS_PROXY: 'http://s' })).toBe('HTTPS_PROXY');
  expect(find({ http_proxy: 'http://h' })).toBe('http_proxy');
  expect(find({ http_proxy: 'http://h', no_proxy: 'a' })).toBeUndefined();
});

test.each(['localhost', '127.0.0.2', '::1'])('%s is reached without a proxy', (host) => {
  expect(proxyFor(target(host), PROXY)).toBeUndefined();
});

test.each([
  ['A.Example.COM', 'a.example.com', true],
  ['*.example.com', 'example.com', false],
  ['*.example.com', 'x.badexample.com', false],
  ['x*.example.com', 'x.example.com', false],
  ['a.org,example.com', 'example.com', true],
  ['a.org\texample.com', 'example.com', true],
  ['a.org', 'example.com', false],
  ['example.com:', 'example.com', false],
  [':443', 'example.com', false],
  [':443', 'example.com.', false],
  ['[2001:db8::7]', '2001:db8::7', true],
  ['[2001:db8::7]:8443', '2001:db8::7', false],
  ['2001:db8::8', '2001:db8::7', false],
  ['2.1', '192.0.2.1', false],
  ['.2.1', '192.0.2.1', false],
  ['text/24', '192.0.2.1', false],
])('NO_PROXY=%s leaves %s without the proxy: %s', (exceptions, host, isLeft) => {
  expect(proxyFor(target(host), { ...PROXY, NO_PROXY: exceptions }) === undefined).toBe(isLeft);
});

test('a proxy over TLS can be that of HTTPS, and not that of gRPC', () => {
  const env = { https_proxy: 'https://proxy' };

  expect(proxyFor(target('a'), env)?.url.protocol).toBe('https:');
  expect(() => proxyFor({ kind: 'grpc', host: 'a', port: 1 }, env)).toThrow(
    expect.objectContaining({
      kind: 'invalid',
      field: 'https_proxy',
      message: '$https_proxy https://proxy: is not the URL of a proxy, such as http://proxy.example.com:3128.',
    }),
  );
});

test.each(['http://%zz@proxy', 'http://user:%zz@proxy'])('a "%" of %s that encodes nothing is rejected', (value) => {
  expect(() => proxyFor(target('a'), { https_proxy: value })).toThrow('has a "%" that is not written as %25');
  expect(proxyFor(target('a'), { https_proxy: value.replace('%', '%25') })?.url.hostname).toBe('proxy');
});
