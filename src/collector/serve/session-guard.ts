import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Limits } from './admission/limits.ts';
import { createPingPolicy } from './ping-policy.ts';

interface SessionGuardOptions extends Pick<
  Limits,
  'idleTimeoutMs' | 'keepaliveMinMs' | 'maxConnectionAgeMs' | 'bodyTimeoutMs'
> {
  readonly random: () => number;
}

/** gRPC clients ping less after a GOAWAY with this debug data. */
const TOO_MANY_PINGS = Buffer.from('too_many_pings');
/** How long a client that pings too often may take to read the GOAWAY. */
const READ_GOAWAY_MS = 100;
/** As in gRPC's servers (GRPC_ARG_KEEPALIVE_TIMEOUT_MS). */
const KEEPALIVE_TIMEOUT_MS = 20_000;

/**
 * Closes an HTTP/2 connection with GOAWAY where its client pings too often, at its maximum age, and where it is idle. At the maximum age,
 * open streams have `bodyTimeoutMs` to end. A client with open streams that sends nothing for `idleTimeoutMs` is pinged, as in gRFC A9.
 *
 * @returns the open streams
 */
export function guardSession(
  session: ServerHttp2Session,
  socket: Socket,
  options: SessionGuardOptions,
): ReadonlySet<ServerHttp2Stream> {
  const { idleTimeoutMs, keepaliveMinMs, maxConnectionAgeMs, bodyTimeoutMs, random } = options;
  const streams = new Set<ServerHttp2Stream>();
  const timers = new Set<NodeJS.Timeout>();
  const later = (ms: number, act: () => void): NodeJS.Timeout => {
    const timer = setTimeout(act, ms);
    timers.add(timer);
    return timer;
  };
  if (maxConnectionAgeMs > 0) {
    later(maxConnectionAgeMs * (0.9 + 0.2 * random()), () => {
      session.close();
      later(bodyTimeoutMs, () => session.destroy());
    });
  }

  // The timer checks at its end: a reset per stream would be a cost.
  let busy = false;
  let receivedBytes = 0;
  const idle = later(idleTimeoutMs, () => {
    if (streams.size === 0 && !busy) {
      session.close();
      return;
    }
    if (socket.bytesRead === receivedBytes) probe();
    receivedBytes = socket.bytesRead;
    busy = false;
    idle.refresh();
  });
  const probe = (): void => {
    if (session.destroyed) return;
    const deadline = later(KEEPALIVE_TIMEOUT_MS, () => socket.destroy());
    session.ping(() => {
      clearTimeout(deadline);
      timers.delete(deadline);
    });
  };

  const pings = createPingPolicy(streams, socket, keepaliveMinMs);
  session.on('stream', (stream: ServerHttp2Stream) => {
    streams.add(stream);
    busy = true;
    // Not `once`, which costs several times as much: it happens once.
    stream.on('close', () => {
      streams.delete(stream);
      pings.streamClosed(stream);
    });
  });
  let isCut = false;
  session.on('ping', () => {
    if (isCut || pings.allows(performance.now())) return;
    isCut = true;
    if (!session.closed) {
      session.goaway(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, TOO_MANY_PINGS);
      session.close();
    }
    // After the GOAWAY is sent.
    setImmediate(() => session.destroy());
    setTimeout(() => socket.destroy(), READ_GOAWAY_MS);
  });
  socket.once('close', () => {
    for (const timer of timers) clearTimeout(timer);
  });
  return streams;
}
