import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { afterEach } from 'vitest';
import type { Limits } from '../../src/collector/serve/admission/limits.ts';
import { type ConnectionCounts, createConnectionCounts } from '../../src/collector/serve/connection-counts.ts';
import { openListener } from '../../src/collector/serve/listener.ts';
import type { Routes } from '../../src/collector/serve/routes.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createKeptLog, type KeptLog } from './log.ts';
import { TEST_LIMITS } from './test-limits.ts';

type Options = Parameters<typeof openListener>[0];
type Handler = Routes['request'];

export interface OpenListener extends Awaited<ReturnType<typeof openListener>> {
  readonly log: KeptLog;
  readonly counts: ConnectionCounts;
}

const closers: (() => unknown)[] = [];

/** Runs after the test, in reverse order. */
export function onTestEnd(close: () => unknown): void {
  closers.push(close);
}

/** To be called once by each test file that uses the functions below. */
export function closeAfterEach(): void {
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });
}

/** A listener on a free port of 127.0.0.1 whose requests a test answers, without anything behind it. It is closed after the test. */
export async function listenWith(
  request: Handler,
  limits: Partial<Limits> = {},
  options: Partial<Omit<Options, 'limits'>> = {},
): Promise<OpenListener> {
  const log = createKeptLog();
  const counts = createConnectionCounts();
  const listener = await openListener({
    port: 0,
    host: '127.0.0.1',
    routes: { stream: () => false, request },
    limits: { ...TEST_LIMITS, ...limits },
    addressKeyOf: (remoteAddress) => remoteAddress,
    clock: systemClock,
    random: () => 0.5,
    connections: counts,
    logger: log.logger,
    ...options,
  });
  onTestEnd(() => listener.close(0));
  return { ...listener, log, counts };
}

/** Answers with the version of HTTP. */
export const sayVersion: Handler = (req, res) => void res.end(`HTTP/${req.httpVersion}`);

export interface Dialled {
  readonly socket: net.Socket;
  /** Resolves once it is closed, however that is. */
  readonly closed: Promise<void>;
  readonly received: () => string;
}

/** A TCP connection that is read. */
export async function dial({ port }: { readonly port: number }, bytes: string | Uint8Array = ''): Promise<Dialled> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  onTestEnd(() => socket.destroy());
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  // The other end may end it without a reset.
  socket.on('end', () => socket.end());
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await Promise.race([new Promise((resolve) => socket.once('connect', resolve)), closed]);
  if (bytes.length > 0) socket.write(bytes);
  return { socket, closed, received: () => received };
}

export const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

export function openSession({ url }: { readonly url: string }): http2.ClientHttp2Session {
  const session = http2.connect(url);
  session.on('error', () => undefined);
  onTestEnd(() => session.destroy());
  return session;
}

/** A stream whose failure is no error of the test. */
export function openStream(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders = {},
  options: http2.ClientSessionRequestOptions = {},
): http2.ClientHttp2Stream {
  const stream = session.request({ ':path': '/', ...headers }, options);
  stream.on('error', () => undefined);
  return stream;
}

/** The status of the response, or the code with which the stream was reset. */
export async function endOf(stream: http2.ClientHttp2Stream): Promise<string> {
  let status: number | undefined;
  stream.on('response', (headers) => (status = headers[':status']));
  stream.resume();
  if (!stream.closed) await new Promise((resolve) => stream.once('close', resolve));
  return status === undefined ? `reset ${stream.rstCode}` : String(status);
}

/** The status of a request over HTTP/1.1 on a connection of its own; "closed" where there is no response. */
export function statusOf({ url }: { readonly url: string }): Promise<string> {
  return new Promise((resolve) => {
    const request = http.get(url, { agent: false }, (response) => {
      response.resume();
      resolve(String(response.statusCode));
    });
    request.on('error', () => resolve('closed'));
  });
}
