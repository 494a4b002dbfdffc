import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import type { Limits } from '../../../src/collector/serve/admission/limits.ts';
import { createNetworks } from '../../../src/runtime/addresses.ts';
import { type LocalCollector, startCollectorOn } from '../../support/collector.ts';
import { createMemoryStore, type MemoryStore } from '../../support/memory-store.ts';
import { PROTOCOL_CLIENTS } from '../../support/protocols.ts';
import { connectHttp2, FLAG, FRAME, frame, headerBlock, uint32 } from '../../support/raw-http2.ts';
import { makeReport } from '../../support/reports.ts';

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

let store: MemoryStore;

async function start(limits: Partial<Limits>): Promise<LocalCollector> {
  store = createMemoryStore();
  const collector = await startCollectorOn(
    'memory',
    { limits, shutdownGraceMs: 100 },
    { openStore: () => Promise.resolve(store) },
  );
  closers.push(() => collector.close());
  return collector;
}

/** Whether it ends well or not. */
function untilClosed(stream: net.Socket | http2.ClientHttp2Stream): Promise<void> {
  return new Promise((resolve) => stream.once('close', () => resolve()));
}

/** A connection, and what becomes of it. */
async function connect({
  port,
}: LocalCollector): Promise<{
  readonly socket: net.Socket;
  readonly closed: Promise<unknown>;
  readonly heard: () => string;
}> {
  const socket = net.connect(port, '127.0.0.1');
  closers.push(() => void socket.destroy());
  let heard = '';
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  const closed = untilClosed(socket);
  await Promise.race([new Promise((resolve) => socket.once('connect', resolve)), closed]);
  return { socket, closed, heard: () => heard };
}

function openSession({ url }: LocalCollector): http2.ClientHttp2Session {
  const session = http2.connect(url);
  session.on('error', () => undefined);
  closers.push(() => session.destroy());
  return session;
}

const CALL = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };
const SUBMIT = '/spartakus.collector.v1.CollectorService/SubmitReport';
const STREAM = '/spartakus.collector.v1.CollectorService/StreamReports';

/** The headers and trailers of an answer, or the code with which the stream was reset. */
async function answerOf(
  stream: http2.ClientHttp2Stream,
): Promise<http2.IncomingHttpHeaders & { readonly reset?: number | undefined }> {
  const heard: http2.IncomingHttpHeaders = {};
  stream.on('response', (headers) => Object.assign(heard, headers));
  stream.on('trailers', (headers: http2.IncomingHttpHeaders) => Object.assign(heard, headers));
  stream.on('error', () => undefined);
  stream.resume();
  await untilClosed(stream);
  return Object.assign(heard, { reset: stream.rstCode });
}

const isAlive = async (collector: LocalCollector): Promise<boolean> =>
  (await fetch(`${collector.url}/healthz`)).status === 200;

test.each<[string, Partial<Limits>]>([
  ['altogether', { maxConnections: 2 }],
  ['of one address', { maxConnectionsPerAddress: 2 }],
])(
  'a connection more than allowed %s is closed at once, and there is room again when another ends',
  async (_what, limits) => {
    const collector = await start(limits);
    const first = await connect(collector);
    await connect(collector);

    await (
      await connect(collector)
    ).closed;
    first.socket.end();
    await first.closed;

    await expect.poll(() => isAlive(collector).catch(() => false)).toBe(true);
  },
);

test('a proxy that is trusted is no address: it may have as many connections as it likes', async () => {
  store = createMemoryStore();
  const config = { limits: { maxConnectionsPerAddress: 1 }, trustedProxies: createNetworks(['127.0.0.1']) };
  const collector = await startCollectorOn('memory', config, { openStore: () => Promise.resolve(store) });
  closers.push(() => collector.close());
  await connect(collector);
  await connect(collector);

  await expect(isAlive(collector)).resolves.toBe(true);
});

test('a connection has as many streams at a time as allowed; one more waits or is rejected', async () => {
  const collector = await start({ maxStreams: 3 });
  const session = openSession(collector);
  await once(session, 'remoteSettings');

  expect(session.remoteSettings.maxConcurrentStreams).toBe(3);
});

test.each([
  ['nothing', ''],
  ['half a preface of HTTP/2', 'PRI * HT'],
  ['half the headers of HTTP/1.1', 'POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-'],
])('a client that sends %s, and then no more, is closed when its time is up', async (_what, bytes) => {
  const collector = await start({ headerTimeoutMs: 200, idleTimeoutMs: 400 });
  const { socket, closed } = await connect(collector);
  socket.write(bytes);

  await closed;
  await expect(isAlive(collector)).resolves.toBe(true);
});

test('a body over HTTP/1.1 that stays out is answered 408, and its connection closed', async () => {
  const collector = await start({ headerTimeoutMs: 100, bodyTimeoutMs: 200 });
  const { socket, closed, heard } = await connect(collector);
  socket.write('POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{');

  await closed;
  expect(heard()).toMatch(/^HTTP\/1\.1 (408|503) /);
});

test.each([
  ['gRPC, one call', SUBMIT, CALL, { 'grpc-status': String(grpc.status.UNAVAILABLE) }],
  ['gRPC, a stream', STREAM, CALL, { 'grpc-status': String(grpc.status.UNAVAILABLE) }],
  ['Connect', SUBMIT, { ':method': 'POST', 'content-type': 'application/proto' }, { ':status': 503 }],
  ['POST /api/v1', '/api/v1', { ':method': 'POST', 'content-type': 'application/json' }, { ':status': 503 }],
])(
  'a body over HTTP/2 that does not arrive in time is rejected with a retryable error: %s',
  async (_what, path, headers, expected) => {
    const collector = await start({ bodyTimeoutMs: 200 });
    const stream = openSession(collector).request({ ...headers, ':path': path });
    stream.write(Buffer.from([0, 0, 0]));

    await expect(answerOf(stream)).resolves.toMatchObject(expected);
  },
);

test('the time that the database takes is not the time of a body', async () => {
  const collector = await start({ bodyTimeoutMs: 100 });
  store.hold();
  const client = PROTOCOL_CLIENTS.find(({ name }) => name === 'grpc-js, stream')?.open(collector.url);
  const heard = client?.send(makeReport());
  await new Promise((resolve) => setTimeout(resolve, 400));
  store.release();

  await expect(heard).resolves.toMatchObject({ outcome: 'stored' });
  client?.close();
});

test('an HTTP/1.1 connection without a request is closed after a while', async () => {
  const collector = await start({ idleTimeoutMs: 300 });
  const { socket, closed, heard } = await connect(collector);
  socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');

  await closed;
  expect(heard()).toContain('200 OK');
});

test('an HTTP/2 connection without a request is asked to go after a while, and one with a request is not', async () => {
  const collector = await start({ idleTimeoutMs: 300 });
  store.hold();
  const busy = PROTOCOL_CLIENTS.find(({ name }) => name === 'grpc-js, unary')?.open(collector.url);
  const heard = busy?.send(makeReport());
  const idle = openSession(collector);
  const gone = once(idle, 'goaway');

  const [code] = (await gone) as [number];
  expect(code).toBe(http2.constants.NGHTTP2_NO_ERROR);
  await new Promise((resolve) => setTimeout(resolve, 400));
  store.release();
  await expect(heard).resolves.toMatchObject({ outcome: 'stored' });
  busy?.close();
});

test('a client that pings without end is disconnected with the reason too_many_pings', async () => {
  const collector = await start({ keepaliveMinMs: 10_000 });
  const session = openSession(collector);
  const gone = once(session, 'goaway');
  await once(session, 'connect');
  const pings = setInterval(() => session.destroyed || session.ping(() => undefined), 20);
  closers.push(() => clearInterval(pings));

  const [code, , reason] = (await gone) as [number, number, Buffer];

  expect(code).toBe(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
  expect(reason.toString()).toBe('too_many_pings');
});

test('a client that respects the minimum time between pings is not disconnected', async () => {
  const collector = await start({ keepaliveMinMs: 50 });
  const session = openSession(collector);
  let sentAway = false;
  session.once('goaway', () => (sentAway = true));
  await once(session, 'connect');
  for (let time = 0; time < 8; time += 1) {
    await new Promise((resolve) => session.ping(resolve));
    await new Promise((resolve) => setTimeout(resolve, 80));
  }

  expect(sentAway).toBe(false);
});

test('a client may ping after each answer, as gRPC clients do to measure', async () => {
  const collector = await start({ keepaliveMinMs: 10_000 });
  const session = openSession(collector);
  let sentAway = false;
  session.once('goaway', () => (sentAway = true));
  for (let time = 0; time < 8; time += 1) {
    const stream = session.request({ ':path': '/version' });
    await answerOf(stream);
    await new Promise((resolve) => session.ping(resolve));
  }

  expect(sentAway).toBe(false);
});

test('a connection that is old is replaced by another, and no call of grpc-js fails for it', async () => {
  const collector = await start({ maxConnectionAgeMs: 100 });
  const client = PROTOCOL_CLIENTS.find(({ name }) => name === 'grpc-js, unary')?.open(collector.url);
  closers.push(() => client?.close());
  const outcomes = new Set<string>();
  const endsAt = performance.now() + 1_000;
  while (performance.now() < endsAt) outcomes.add((await client?.send(makeReport()))?.outcome ?? '');

  expect([...outcomes]).toStrictEqual(['stored']);
});

test('headers that are too many or too large are rejected, over either version of HTTP', async () => {
  const collector = await start({});
  const large = await new Promise<number | undefined>((resolve, reject) => {
    const request = http.get(`${collector.url}/healthz`, { headers: { 'x-large': 'x'.repeat(50_000) } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('error', reject);
  });
  expect(large).toBe(431);
  const session = openSession(collector);
  const stream = session.request({
    ':path': '/healthz',
    ...Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`x-${index}`, 'y'])),
  });
  const answer = await answerOf(stream);
  expect(answer[':status']).not.toBe(200);

  await expect(isAlive(collector)).resolves.toBe(true);
});

test('a connection that is closed for a flood of resets counts as a hundred connections of its address', async () => {
  const collector = await start({ connectionsPerSecondPerAddress: 15 });
  const headers = headerBlock({ ':method': 'POST', ':scheme': 'http', ':authority': 'x', ':path': '/api/v1' });
  const attack = async (): Promise<void> => {
    const connection = await connectHttp2(collector.port);
    for (let index = 0; index < 300 && !connection.isClosed; index += 1) {
      const stream = 1 + 2 * index;
      await connection.send(
        frame(FRAME.headers, FLAG.endHeaders, stream, headers),
        frame(FRAME.reset, 0, stream, uint32(8)),
      );
    }
    await connection.closed;
  };
  const answers = async (): Promise<number> => {
    const { status } = await fetch(`${collector.url}/healthz`, { headers: { connection: 'close' } });
    return status;
  };

  await attack();
  await expect(answers()).resolves.toBe(200);
  await attack();
  await expect(answers()).rejects.toThrow('fetch failed');
});

test('a client that ends its connection with a GOAWAY is no attacker', async () => {
  const collector = await start({ connectionsPerSecondPerAddress: 15 });
  for (let time = 0; time < 10; time += 1) {
    const session = http2.connect(collector.url);
    session.on('error', () => undefined);
    const stream = session.request({ ':path': '/healthz' });
    await once(stream, 'response');
    session.destroy(undefined, http2.constants.NGHTTP2_CANCEL);
    await once(session, 'close');
  }
  await expect(fetch(`${collector.url}/healthz`)).resolves.toMatchObject({ status: 200 });
});
