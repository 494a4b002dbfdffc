import { once } from 'node:events';
import http, { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import http2, { type Http2Session, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import net, { type AddressInfo, type Socket } from 'node:net';
import { type Server as TlsServer, TLSSocket } from 'node:tls';
import { formatHostPort } from '../../runtime/addresses.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { createConnectionLimiter, createStreamLimiter } from './admission/connection-limiter.ts';
import type { Limits } from './admission/limits.ts';
import type { ProxyProtocol } from './admission/proxy-protocol.ts';
import type { ConnectionCounts } from './connection-counts.ts';
import { monitorConnections } from './connection-monitor.ts';
import type { Routes } from './routes.ts';
import { guardSession } from './session-guard.ts';
import { stopSending } from './stop-sending.ts';

export interface ListenAddress {
  /** An IP address, or "localhost"; all addresses where absent. */
  readonly host?: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** Whether other processes may listen on the same port (SO_REUSEPORT): the kernel distributes connections among them. */
  readonly reusePort?: boolean;
}

interface ListenerOptions extends ListenAddress {
  readonly routes: Routes;
  /** Where set, connections of trusted proxies start with its header. */
  readonly proxyProtocol?: ProxyProtocol | undefined;
  readonly tls?: TlsServer;
  readonly limits: Limits;
  readonly addressKeyOf: (remoteAddress: string | undefined) => string | undefined;
  readonly clock: Pick<Clock, 'now'>;
  readonly random: () => number;
  readonly connections?: ConnectionCounts;
  readonly logger: Logger;
}

interface Listener {
  /** For clients on this machine. */
  readonly url: string;
  readonly port: number;
  /**
   * Stops accepting connections, waits for pending requests, and destroys the remaining connections after `graceMs`. Idempotent: the
   * first call's grace counts.
   */
  close(graceMs: number): Promise<void>;
}

/** The start of the HTTP/2 connection preface (RFC 9113 section 3.4), but of no method of HTTP/1.1. */
const PREFACE = Buffer.from('PRI');
const CHECK_INTERVAL_MS = 1_000;
/** Of streams that the client of a connection resets; Node.js' defaults are 1000 and 33. */
const RESET_BURST = 100;
const RESETS_PER_SECOND = 10;
/** The connections of an address with --max-streams; further ones have fewer, because Node.js takes about 12 KiB for each stream. */
const FULL_CONNECTIONS = 5;
const SPARING_STREAMS = 5;
/** Per connection; Node.js' default is 1000. */
const MAX_INVALID_FRAMES = 100;
/** Read of a body after its response: a client that still sends would lose the response if the connection were closed. */
const MAX_DISCARDED_BYTES = 2 * 1024 * 1024;
/** With Node.js' default of 64 KiB, large reports wait for round trips. */
const STREAM_WINDOW_BYTES = 256 * 1024;

/** Serves HTTP/1.1 and HTTP/2 on one port, with or without TLS. Throws the system's error where the port cannot be opened. */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const {
    port,
    host,
    reusePort = false,
    routes,
    tls,
    limits,
    addressKeyOf,
    proxyProtocol,
    connections,
    logger,
  } = options;
  const sockets = new Set<Socket>();
  /** Those whose version of HTTP is known; above TLS. */
  const routed = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const limiter = createConnectionLimiter(limits, options.clock);
  const streamLimiter = createStreamLimiter(limits);
  const addressKeys = new WeakMap<Http2Session, string>();
  const monitor = monitorConnections({
    writeTimeoutMs: limits.writeTimeoutMs,
    onUnread({ remoteAddress }) {
      connections?.unread();
      const addressKey = addressKeyOf(remoteAddress);
      if (addressKey !== undefined) limiter.penalise(addressKey);
      logger.info({}, 'closed a connection whose client did not read the responses');
    },
  });
  const guarded = (request: { destroy(): unknown }, answer: () => void): void => {
    try {
      answer();
    } catch (error) {
      logger.error({ err: error }, 'a request handler failed');
      request.destroy();
    }
  };
  const deadlines = {
    headersTimeout: limits.headerTimeoutMs,
    requestTimeout: limits.headerTimeoutMs + limits.bodyTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
  };
  const http1Server = http.createServer({ ...deadlines, IncomingMessage: Http1Request }, (req, res) => {
    const end = monitor.beginRequest(req.socket);
    if (end === undefined) {
      stopParsing(req.socket);
      return;
    }
    res.once('close', end);
    // Without a read, Node.js would discard the rest of a body by itself, however long it is.
    req.read(0);
    res.once('finish', () => discardRest(req));
    guarded(req, () => routes.request(req, res));
  });
  // Upon this event, Node.js tracks idle connections and applies the timeouts.
  http1Server.emit('listening');
  const createHttp2Server = (maxStreams: number): http2.Http2Server => {
    const settings = { maxConcurrentStreams: maxStreams, initialWindowSize: STREAM_WINDOW_BYTES };
    return http2.createServer({
      settings,
      maxSessionInvalidFrames: MAX_INVALID_FRAMES,
      streamResetBurst: RESET_BURST,
      streamResetRate: RESETS_PER_SECOND,
    });
  };
  const http2Server = createHttp2Server(limits.maxStreams);
  const sparingHttp2Server = createHttp2Server(Math.min(limits.maxStreams, SPARING_STREAMS));
  const onStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, rawHeaders: string[]) => {
    const addressKey = stream.session && addressKeys.get(stream.session);
    if (addressKey !== undefined) {
      if (!streamLimiter.acquire(addressKey)) {
        stream.on('error', () => undefined);
        // Clients may send the request again (RFC 9113 section 8.7).
        stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
        return;
      }
      stream.on('close', () => streamLimiter.release(addressKey));
    }
    guarded(stream, () => {
      if (routes.stream(stream, headers)) return;
      // As Node.js does for a server with a 'request' listener.
      const req = new http2.Http2ServerRequest(stream, headers, {}, rawHeaders);
      const res = new http2.Http2ServerResponse(stream);
      stream.once('wantTrailers', () => stopSending(stream));
      if (headers.expect === '100-continue') res.writeContinue();
      routes.request(req, res);
    });
  };
  const onSessionError = (error: NodeJS.ErrnoException, session: ServerHttp2Session): void => {
    logger.debug({ err: error }, 'an HTTP/2 connection failed');
    const addressKey = addressKeys.get(session);
    // nghttp2's own error; a GOAWAY of the client has another code.
    if (addressKey !== undefined && error.code === 'ERR_HTTP2_ERROR') limiter.penalise(addressKey);
  };
  for (const each of [http2Server, sparingHttp2Server]) each.on('stream', onStream).on('sessionError', onSessionError);

  const route = (socket: Socket): void =>
    routeByPreface(socket, limits.headerTimeoutMs, (version) => {
      routed.add(socket);
      socket.once('close', () => routed.delete(socket));
      connections?.routed(socket, version);
      if (version === 2) {
        openSession(socket);
      } else {
        monitor.addHttp1(socket);
        http1Server.emit('connection', socket);
      }
    });
  const openSession = (socket: Socket): void => {
    // Node.js' HTTP/2 server requires it.
    if (socket instanceof TLSSocket) socket.alpnProtocol = 'h2';
    // Emitted at once. The session hides its socket, which must be destroyed where the peer does not close it.
    const onSession = (session: ServerHttp2Session): void => {
      sessions.add(session);
      const addressKey = addressKeyOf(socket.remoteAddress);
      if (addressKey !== undefined) addressKeys.set(session, addressKey);
      socket.once('close', () => sessions.delete(session));
      monitor.addHttp2(socket, session, guardSession(session, socket, { ...limits, random: options.random }));
    };
    const isMany =
      limits.maxStreamsPerAddress > 0 && limiter.countOf(addressKeyOf(socket.remoteAddress)) > FULL_CONNECTIONS;
    const server = isMany ? sparingHttp2Server : http2Server;
    server.once('session', onSession);
    server.emit('connection', socket);
    server.off('session', onSession);
  };
  tls?.on('secureConnection', route);

  const server = net.createServer({ noDelay: true, keepAlive: true }, (socket) => {
    let release: (() => void) | undefined;
    /** Counts the connection for its address, instead of the one before. */
    const acquire = (remoteAddress: string | undefined): boolean => {
      release?.();
      release = limiter.acquire(addressKeyOf(remoteAddress));
      if (release !== undefined) return true;
      connections?.rejected();
      socket.resetAndDestroy();
      return false;
    };
    if (!acquire(socket.remoteAddress)) return;
    connections?.opened(socket);
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      release?.();
    });
    // Until a server takes the socket over, it has no other listener for errors.
    socket.on('error', () => socket.destroy());
    const serve = (): void => void (tls === undefined ? route(socket) : tls.emit('connection', socket));
    if (proxyProtocol === undefined) serve();
    else
      proxyProtocol.read(socket, (client) => {
        if (client?.address === undefined || acquire(client.address)) serve();
      });
  });
  server.listen({ port, host, reusePort });
  await once(server, 'listening').catch((error: unknown) => {
    monitor.end();
    throw error;
  });

  // Such as EMFILE; the server still listens.
  server.on('error', (error) => logger.error({ err: error }, 'a connection could not be accepted'));

  const closeGracefully = async (graceMs: number): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    // An idle HTTP/1.1 connection ends now, an active one with its response.
    http1Server.keepAliveTimeout = 1;
    http1Server.close();
    // Before the handler, which may respond synchronously.
    http1Server.prependListener('request', (_req, res: ServerResponse) => res.setHeader('connection', 'close'));
    for (const session of sessions) session.close();
    monitor.stop();
    // What has sent no request, nor a whole TLS handshake.
    const spoke = new Set([...routed].map(peerOf));
    for (const socket of sockets) if (!spoke.has(peerOf(socket))) socket.destroy();
    const deadline = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, graceMs);
    await closed;
    clearTimeout(deadline);
    monitor.end();
  };
  let closing: Promise<void> | undefined;
  const { port: ownPort } = server.address() as AddressInfo;
  const ownHost = host === undefined || host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${formatHostPort(ownHost, ownPort)}`,
    port: ownPort,
    close: (graceMs) => (closing ??= closeGracefully(graceMs)),
  };
}

class Http1Request extends http.IncomingMessage {
  /** By default, leaving a `for await` early, as Connect does, destroys the request. */
  override [Symbol.asyncIterator](): NodeJS.AsyncIterator<unknown> {
    return this.iterator({ destroyOnReturn: false });
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Discards the rest of a body that was read in part, so that the connection can be reused; closes the connection where it is too much. */
function discardRest(req: IncomingMessage): void {
  if (req.readableEnded) return;
  let leftBytes = MAX_DISCARDED_BYTES;
  req.on('data', (chunk: Buffer) => {
    leftBytes -= chunk.length;
    if (leftBytes < 0) req.destroy();
  });
}

/**
 * Destroys a connection of HTTP/1.1. Node.js would parse the rest of what it has read, two thousand requests, and keep them until the event
 * loop's next turn; its parser ends where this private callback returns 2, as for an upgrade.
 */
function stopParsing(socket: Socket): void {
  const { parser } = socket as Socket & { readonly parser?: object | null };
  if (parser !== undefined && parser !== null) Object.assign(parser, { onIncoming: () => 2 });
  socket.destroy();
}

/** Reads enough to detect the version of HTTP, and puts it back. */
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
