import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import net, { type AddressInfo, type Socket } from 'node:net';
import { type Server as TlsServer, TLSSocket } from 'node:tls';
import type { Logger } from '../../runtime/logger.ts';
import { createConnectionGate } from './admission/connection-limiter.ts';
import type { Limits } from './admission/limits.ts';
import type { ConnectionCounts } from './connection-counts.ts';
import type { Routes } from './routes.ts';
import { guardSession } from './session-guard.ts';
import { stopSending } from './stop-sending.ts';

export interface ListenerOptions {
  /** 0 to 65535; 0 takes any free port. */
  readonly port: number;
  /** The address to listen on; all of them where absent. */
  readonly host?: string;
  readonly routes: Routes;
  /** Where every connection is to be secured first: see openTls. */
  readonly tls?: TlsServer;
  readonly limits: Limits;
  /** The source of a connection: see createSourceFinder. */
  readonly sourceOf: (remoteAddress: string | undefined) => string | undefined;
  /** A number from 0 to less than 1. */
  readonly random: () => number;
  /** Who counts connections. */
  readonly connections?: ConnectionCounts;
  readonly logger: Logger;
}

export interface Listener {
  readonly address: AddressInfo;
  /**
   * Takes no more connections and no more requests, lets the ones under way end, and after `graceMs` cuts what is left.
   * Resolves when every connection is closed. Idempotent: the first call's grace counts.
   */
  close(graceMs: number): Promise<void>;
}

/** The start of the HTTP/2 connection preface (RFC 9113 section 3.4). No method of HTTP/1.1 starts with it. */
const PREFACE = Buffer.from('PRI');
/** How often Node.js looks for HTTP/1.1 connections that are late, in milliseconds. */
const LOOK_MS = 1_000;
/** Frames that break the rules, and streams that are refused, until a connection is closed. Node.js allows a thousand and a hundred. */
const MAX_BROKEN_FRAMES = 100;
/** How much is read of a body that was answered already: a client that is still sending would lose the answer if its connection were closed at once. */
const MAX_DISCARDED_BYTES = 2 * 1024 * 1024;
/** How much a client may send ahead on one stream: Node.js' 64 KiB make large reports wait for the network's round trips. */
const STREAM_WINDOW_BYTES = 256 * 1024;

/**
 * Listens on one port for HTTP/1.1 and HTTP/2, with TLS or without: a connection that opens with the HTTP/2 preface (by ALPN, or by
 * prior knowledge, as every gRPC client does) is HTTP/2, any other HTTP/1.1.
 *
 * @throws the system's error (EADDRINUSE, EACCES) where the port cannot be had
 */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const { port, host, routes, tls, limits, sourceOf, connections, logger } = options;
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const gate = createConnectionGate(limits);
  /** Whatever is wrong with the answering of one request costs that one alone. */
  const guarded = (request: { destroy(): unknown }, answer: () => void): void => {
    try {
      answer();
    } catch (error) {
      logger.error({ err: error }, 'a request could not be answered');
      request.destroy();
    }
  };
  const deadlines = {
    headersTimeout: limits.headerTimeoutMs,
    requestTimeout: limits.headerTimeoutMs + limits.bodyTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    connectionsCheckingInterval: LOOK_MS,
  };
  const http1Server = http.createServer(deadlines, (req, res) => {
    // Whoever leaves a `for await` over the body early, as Connect does, would destroy the request, and nothing could be read any more.
    req[Symbol.asyncIterator] = () => req.iterator({ destroyOnReturn: false });
    res.once('finish', () => discardRest(req));
    guarded(req, () => routes.request(req, res));
  });
  // It never listens itself. From this event on Node.js knows which connections are idle, and keeps its deadlines for headers and bodies.
  http1Server.emit('listening');
  const http2Server = http2.createServer({
    settings: { maxConcurrentStreams: limits.maxStreams, initialWindowSize: STREAM_WINDOW_BYTES },
    maxSessionInvalidFrames: MAX_BROKEN_FRAMES,
  });
  http2Server.on('stream', (stream: ServerHttp2Stream, headers, _flags, rawHeaders) => {
    guarded(stream, () => {
      if (routes.stream(stream, headers)) return;
      // What Node.js does by itself where a server listens to requests rather than streams.
      const req = new http2.Http2ServerRequest(stream, headers, {}, rawHeaders);
      const res = new http2.Http2ServerResponse(stream);
      stream.once('wantTrailers', () => stopSending(stream));
      if (headers.expect === '100-continue') res.writeContinue();
      routes.request(req, res);
    });
  });
  http2Server.on('session', (session) => {
    sessions.add(session);
    guardSession(session, { ...limits, random: options.random });
    session.once('close', () => sessions.delete(session));
  });
  http2Server.on('sessionError', (error: Error) => logger.debug({ err: error }, 'an HTTP/2 connection failed'));

  const route = (socket: Socket): void =>
    routeByPreface(socket, limits.headerTimeoutMs, (version) => {
      // The preface says it; without ALPN, Node.js would not believe it.
      if (version === 2 && socket instanceof TLSSocket) socket.alpnProtocol = 'h2';
      connections?.routed(socket, version);
      (version === 2 ? http2Server : http1Server).emit('connection', socket);
    });
  tls?.on('secureConnection', route);

  const server = net.createServer({ noDelay: true, keepAlive: true }, (socket) => {
    const leave = gate.enter(sourceOf(socket.remoteAddress));
    if (leave === undefined) {
      connections?.refused();
      // There is no protocol yet to say it in.
      socket.resetAndDestroy();
      return;
    }
    connections?.opened(socket);
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      leave();
    });
    // Until a server takes the socket over, its errors are nobody's but ours: a client that goes away is no event.
    socket.on('error', () => socket.destroy());
    if (tls === undefined) route(socket);
    else tls.emit('connection', socket);
  });
  server.listen(port, host);
  await once(server, 'listening');

  const closeGracefully = async (graceMs: number): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    // An HTTP/1.1 connection that is idle ends now, one that is busy with its answer.
    http1Server.keepAliveTimeout = 1;
    http1Server.close();
    // Before the handler, which may answer at once.
    http1Server.prependListener('request', (_req, res: ServerResponse) => res.setHeader('connection', 'close'));
    for (const session of sessions) session.close();
    const deadline = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, graceMs);
    await closed;
    clearTimeout(deadline);
  };
  let closing: Promise<void> | undefined;
  return { address: server.address() as AddressInfo, close: (graceMs) => (closing ??= closeGracefully(graceMs)) };
}

/**
 * Takes and throws away what is left of a body that nobody reads any more, so that the connection can be used again. Node.js does
 * so by itself, but not for a body that was read in part. Of what is too much the connection is closed.
 */
function discardRest(req: IncomingMessage): void {
  if (req.readableEnded) return;
  let leftBytes = MAX_DISCARDED_BYTES;
  req.on('data', (chunk: Buffer) => {
    leftBytes -= chunk.length;
    if (leftBytes < 0) req.destroy();
  });
}

/** Reads just enough to tell the two versions apart, and puts it back. */
function routeByPreface(socket: Socket, timeoutMs: number, route: (version: 1 | 2) => void): void {
  let head = Buffer.alloc(0);
  socket.setTimeout(timeoutMs, () => socket.destroy());
  const onReadable = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    head = Buffer.concat([head, chunk]);
    const isPrefix = PREFACE.subarray(0, head.length).equals(head.subarray(0, PREFACE.length));
    if (isPrefix && head.length < PREFACE.length) return;
    socket.off('readable', onReadable);
    socket.setTimeout(0);
    socket.removeAllListeners('timeout');
    socket.unshift(head);
    route(isPrefix ? 2 : 1);
  };
  socket.on('readable', onReadable);
}
