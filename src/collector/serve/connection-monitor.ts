import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';

/** What waits to be sent on a connection. */
interface Output {
  /** Written but not yet sent: HTTP/2's flow control or TCP's blocks it. */
  readonly bytes: number;
  /** An estimate of the memory that it takes, with the streams that it keeps open. */
  readonly memoryBytes: number;
}

interface Connection {
  readonly socket: Socket;
  output(): Output;
  /** Whether a request is being answered. */
  isBusy(): boolean;
  /** Whether it only waits for its peer to close it; Node.js closes those of HTTP/1.1. */
  isEnded(): boolean;
  /** Since it is ended, or without a request after `stop`. */
  overSinceMs?: number | undefined;
  blocked?: Blocked | undefined;
}

interface Blocked {
  readonly sinceMs: number;
  /** What the socket has sent once everything that waited at `sinceMs` is sent. */
  readonly untilSentBytes: number;
}

interface ConnectionMonitorOptions {
  /** For what waits to be sent. */
  readonly writeTimeoutMs: number;
  /** Called for each connection that is closed because its client does not read. */
  readonly onUnread: (socket: Socket) => void;
}

export interface ConnectionMonitor {
  addHttp1(socket: Socket): void;
  /** @param streams those that are open */
  addHttp2(socket: Socket, session: ServerHttp2Session, streams: ReadonlySet<ServerHttp2Stream>): void;
  /**
   * An HTTP/1.1 connection is busy until the returned function is called.
   *
   * @returns undefined where the connection has too many requests
   */
  beginRequest(socket: Socket): (() => void) | undefined;
  /** From now on, connections without a request are closed. */
  stop(): void;
  end(): void;
}

const CHECK_INTERVAL_MS = 250;
/** How long a peer may take to close a connection that the collector has ended. */
const PEER_CLOSE_MS = 1_000;
/** The same when the listener closes, where a client has no time to read more than the GOAWAY. */
const STOP_MS = 300;
const STOP_CHECK_INTERVAL_MS = 50;
/** Beyond either, what waits to be sent has PRESSED_TIMEOUT_MS. */
const MAX_UNSENT_BYTES_PER_CONNECTION = 256 * 1024;
const MAX_UNSENT_BYTES = 8 * 1024 * 1024;
const PRESSED_TIMEOUT_MS = 1_000;
/** Of a stream that waits, in Node.js and in Connect. */
const STREAM_MEMORY_BYTES = 16 * 1024;
/** The header of a frame, the least that waits with it (RFC 9113 section 4.1). */
const FRAME_BYTES = 9;
/** Requests at a time on a connection of HTTP/1.1; few clients send any before the last response (pipelining). */
const MAX_PIPELINED = 10;
const NOTHING: Output = { bytes: 0, memoryBytes: 0 };

/**
 * Ends connections whose clients do not read, and those that the collector has closed and the client has not. All that waits on a
 * connection must be sent within the time; that some byte is sent is not enough.
 */
export function monitorConnections({ writeTimeoutMs, onUnread }: ConnectionMonitorOptions): ConnectionMonitor {
  const connections = new Map<Socket, Connection>();
  const requests = new WeakMap<Socket, number>();
  let stopping = false;

  const add = (connection: Connection): void => {
    const { socket } = connection;
    connections.set(socket, connection);
    socket.once('close', () => connections.delete(socket));
  };
  const cut = (connection: Connection): void => {
    connection.blocked = undefined;
    onUnread(connection.socket);
    connection.socket.destroy();
  };

  const check = (): void => {
    const nowMs = performance.now();
    let waitingBytes = 0;
    const late: { readonly connection: Connection; readonly memoryBytes: number }[] = [];
    for (const connection of connections.values()) {
      if (isOver(connection, nowMs)) {
        connection.socket.destroy();
        continue;
      }
      const { socket } = connection;
      const { bytes, memoryBytes } = connection.output();
      connection.blocked = nextBlocked(connection.blocked, bytes, socket.bytesWritten - socket.writableLength, nowMs);
      if (connection.blocked === undefined) continue;
      waitingBytes += memoryBytes;
      const waitedMs = nowMs - connection.blocked.sinceMs;
      const isPressed = memoryBytes > MAX_UNSENT_BYTES_PER_CONNECTION && waitedMs >= PRESSED_TIMEOUT_MS;
      if (waitedMs >= writeTimeoutMs || isPressed) cut(connection);
      else if (waitedMs >= PRESSED_TIMEOUT_MS) late.push({ connection, memoryBytes });
    }
    for (const { connection, memoryBytes } of late.toSorted((left, right) => right.memoryBytes - left.memoryBytes)) {
      if (waitingBytes <= MAX_UNSENT_BYTES) return;
      waitingBytes -= memoryBytes;
      cut(connection);
    }
  };
  const isOver = (connection: Connection, nowMs: number): boolean => {
    if (!connection.isEnded() && !(stopping && !connection.isBusy())) {
      connection.overSinceMs = undefined;
      return false;
    }
    connection.overSinceMs ??= nowMs;
    return nowMs - connection.overSinceMs >= (stopping ? STOP_MS : PEER_CLOSE_MS);
  };

  let timer = setInterval(check, Math.min(CHECK_INTERVAL_MS, writeTimeoutMs));
  return {
    addHttp1: (socket) =>
      add({
        socket,
        output: () => ({ bytes: socket.writableLength, memoryBytes: socket.writableLength }),
        isBusy: () => (requests.get(socket) ?? 0) > 0,
        isEnded: () => false,
      }),
    addHttp2: (socket, session, streams) =>
      add({
        socket,
        output: () => outputOf(session, streams),
        isBusy: () => streams.size > 0,
        // A session that is closed does not end while its peer does not read the GOAWAY.
        isEnded: () => session.destroyed || (session.closed && streams.size === 0),
      }),
    beginRequest(socket) {
      const count = (requests.get(socket) ?? 0) + 1;
      if (count > MAX_PIPELINED || socket.destroyed) return undefined;
      requests.set(socket, count);
      return () => requests.set(socket, (requests.get(socket) ?? 1) - 1);
    },
    stop() {
      stopping = true;
      clearInterval(timer);
      timer = setInterval(check, STOP_CHECK_INTERVAL_MS);
    },
    end: () => clearInterval(timer),
  };
}

function nextBlocked(
  blocked: Blocked | undefined,
  bytes: number,
  sentBytes: number,
  nowMs: number,
): Blocked | undefined {
  if (bytes === 0) return undefined;
  if (blocked === undefined || sentBytes >= blocked.untilSentBytes)
    return { sinceMs: nowMs, untilSentBytes: sentBytes + bytes };
  return blocked;
}

function outputOf(session: ServerHttp2Session, streams: ReadonlySet<ServerHttp2Stream>): Output {
  if (session.destroyed || streams.size === 0) return NOTHING;
  let bytes = (session.state.outboundQueueSize ?? 0) * FRAME_BYTES;
  let memoryBytes = bytes;
  for (const { writableLength } of streams) {
    if (writableLength === 0) continue;
    bytes += writableLength + FRAME_BYTES;
    memoryBytes += writableLength + STREAM_MEMORY_BYTES;
  }
  return { bytes, memoryBytes };
}
