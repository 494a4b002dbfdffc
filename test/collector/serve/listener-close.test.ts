import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http2 from 'node:http2';
import path from 'node:path';
import process from 'node:process';
import tls from 'node:tls';
import { expect, test } from 'vitest';
import type { ServerReply } from '../../../src/collector/serve/http/router.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import {
  closeAfterEach,
  dial,
  endOf,
  GET,
  listenWith,
  onTestEnd,
  openSession,
  openStream,
  sayVersion,
  statusOf,
} from '../../support/open-listener.ts';

expectNothingLeftOpen();
closeAfterEach();

/** Longer than any test: one that waits for it fails. */
const LONG_MS = 300_000;

/** A listener whose requests wait until the test answers them. */
async function listenPending(
  ...options: Parameters<typeof listenWith> extends [unknown, ...infer Rest] ? Rest : never
) {
  const pending: ServerReply[] = [];
  const listener = await listenWith((_req, res) => void pending.push(res), ...options);
  return { ...listener, pending };
}

test('a listener that closes accepts no connection, and is closed without waiting where nothing is connected', async () => {
  const listener = await listenWith(sayVersion);

  await listener.close(LONG_MS);

  await expect(statusOf(listener)).resolves.toBe('closed');
});

const countTimers = (): number => process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length;

test('a listener that is closed leaves no timer, whatever its connections did, and one that cannot open neither', async () => {
  const limits = { headerTimeoutMs: LONG_MS, idleTimeoutMs: LONG_MS, bodyTimeoutMs: LONG_MS };
  const before = countTimers();
  const listener = await listenWith(sayVersion, limits);
  await expect(listenWith(sayVersion, limits, { port: listener.port })).rejects.toThrow('EADDRINUSE');
  await dial(listener, 'P');
  const session = openSession(listener);
  await expect(endOf(openStream(session))).resolves.toBe('200');

  await listener.close(LONG_MS);
  session.destroy();

  await expect.poll(countTimers, { interval: 5 }).toBeLessThanOrEqual(before);
});

test('connections that have said nothing, or half of a preface, are closed at once', async () => {
  const listener = await listenWith(sayVersion);
  const connections = [await dial(listener), await dial(listener, 'PR')];
  await expect.poll(() => listener.counts.read().opened, { interval: 5 }).toBe(2);

  await listener.close(LONG_MS);

  await Promise.all(connections.map(({ closed }) => closed));
});

test('an idle connection of either version is closed, that of HTTP/2 with GOAWAY', async () => {
  const listener = await listenWith(sayVersion);
  const http1 = await dial(listener, GET);
  await expect.poll(http1.received, { interval: 5 }).toContain(' 200 ');
  const session = openSession(listener);
  await expect(endOf(openStream(session))).resolves.toBe('200');
  const gone = once(session, 'goaway') as Promise<readonly unknown[]>;

  await listener.close(LONG_MS);

  await http1.closed;
  expect((await gone)[0]).toBe(http2.constants.NGHTTP2_NO_ERROR);
});

test('a pending request is answered, and the listener closes only then', async () => {
  const { pending, ...listener } = await listenPending();
  const http1 = await dial(listener, GET);
  const stream = endOf(openStream(openSession(listener)));
  await expect.poll(() => pending.length, { interval: 5 }).toBe(2);
  let isClosed = false;
  const closing = listener.close(LONG_MS).then(() => (isClosed = true));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(isClosed).toBe(false);

  for (const response of pending) response.end();

  await closing;
  await expect(stream).resolves.toBe('200');
  await http1.closed;
  expect(http1.received()).toContain(' 200 ');
});

test('the next response on a connection of HTTP/1.1 tells its client to close it, also one that is given at once', async () => {
  let first: ServerReply | undefined;
  const listener = await listenWith((req, res) => {
    if (req.url === '/first') first = res;
    else res.end();
  });
  const { socket, received, closed } = await dial(listener, GET.replace('/', '/first'));
  await expect.poll(() => first, { interval: 5 }).toBeDefined();
  const closing = listener.close(LONG_MS);

  socket.write(GET.replace('/', '/second'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  first?.end();
  await Promise.all([closing, closed]);

  expect(received().split('HTTP/1.1 200').at(-1)?.toLowerCase()).toContain('connection: close');
});

test('what is not answered within the grace is cut, and the grace of the first call counts', async () => {
  const { pending, ...listener } = await listenPending();
  const http1 = await dial(listener, GET);
  const stream = endOf(openStream(openSession(listener)));
  await expect.poll(() => pending.length, { interval: 5 }).toBe(2);

  const closing = listener.close(30);
  await Promise.all([closing, listener.close(LONG_MS)]);

  await http1.closed;
  expect(http1.received()).toBe('');
  await expect(stream).resolves.toMatch(/^reset/);
});

test('a stream that is open when its connection is told to go has the time of the grace', async () => {
  const { pending, ...listener } = await listenPending();
  const session = openSession(listener);
  const stream = openStream(session);
  const ended = endOf(stream);
  await expect.poll(() => pending.length, { interval: 5 }).toBe(1);
  const closing = listener.close(LONG_MS);
  await once(session, 'goaway');
  await new Promise((resolve) => setTimeout(resolve, 400));

  pending[0]?.end();

  await closing;
  await expect(ended).resolves.toBe('200');
});

test('over TLS, a pending request is answered, while handshakes are broken off', async () => {
  const fixture = (name: string): Promise<Buffer> =>
    readFile(path.join(import.meta.dirname, '../../fixtures/tls', name));
  const server = tls.createServer({
    cert: await fixture('server.crt'),
    key: await fixture('server.key'),
    ALPNProtocols: ['h2', 'http/1.1'],
  });
  const { pending, ...listener } = await listenPending({}, { tls: server });
  expect(listener.url).toBe(`https://127.0.0.1:${listener.port}`);
  const half = await dial(listener);
  const socket = tls.connect({ port: listener.port, host: '127.0.0.1', rejectUnauthorized: false });
  onTestEnd(() => socket.destroy());
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1'))).on('error', () => undefined);
  socket.write(GET);
  await expect.poll(() => pending.length, { interval: 5 }).toBe(1);

  const closing = listener.close(LONG_MS);
  await half.closed;
  pending[0]?.end();
  await closing;

  expect(received).toContain(' 200 ');
});
