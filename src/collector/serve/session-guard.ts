import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Limits } from './admission/limits.ts';

interface SessionGuardOptions extends Pick<
  Limits,
  'idleTimeoutMs' | 'keepaliveMinMs' | 'maxConnectionAgeMs' | 'bodyTimeoutMs'
> {
  readonly random: () => number;
}

/** As in gRPC's servers (https://github.com/grpc/grpc/blob/master/doc/keepalive.md). */
const MAX_PING_STRIKES = 2;
/**
 * More than a ping's acknowledgement takes, with TLS. A client that has received more since its last ping, or a response, may ping again,
 * as gRPC clients do to measure the bandwidth-delay product.
 */
const PING_ACK_BYTES = 64;
/** gRPC clients ping less after a GOAWAY with this debug data. */
const TOO_MANY_PINGS = Buffer.from('too_many_pings');

/**
 * Closes an HTTP/2 connection with GOAWAY where its client pings too often, at its maximum age, and where it is idle. At the maximum age,
 * open streams have `bodyTimeoutMs` to end.
 */
export function guardSession(session: ServerHttp2Session, options: SessionGuardOptions): void {
  const { idleTimeoutMs, keepaliveMinMs, maxConnectionAgeMs, bodyTimeoutMs, random } = options;
  const { socket } = session;
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

  let openStreams = 0;
  // The timer checks at its end: a reset per stream would be a cost.
  let busy = false;
  const idle = later(idleTimeoutMs, () => {
    if (openStreams === 0 && !busy) {
      session.close();
      return;
    }
    busy = false;
    idle.refresh();
  });
  session.on('stream', (stream: ServerHttp2Stream) => {
    openStreams += 1;
    busy = true;
    stream.once('close', () => {
      openStreams -= 1;
      responded = true;
    });
  });

  let strikes = 0;
  let responded = false;
  let lastPingMs = Number.NEGATIVE_INFINITY;
  let sentBytes = 0;
  session.on('ping', () => {
    const nowMs = performance.now();
    const { bytesWritten } = socket;
    const early = nowMs - lastPingMs < keepaliveMinMs && bytesWritten - sentBytes <= PING_ACK_BYTES && !responded;
    strikes = early ? strikes + 1 : 0;
    responded = false;
    lastPingMs = nowMs;
    sentBytes = bytesWritten;
    if (strikes <= MAX_PING_STRIKES || session.closed) return;
    session.goaway(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, TOO_MANY_PINGS);
    session.close();
    // After the GOAWAY is sent.
    setImmediate(() => session.destroy());
  });
  session.once('close', () => {
    for (const timer of timers) clearTimeout(timer);
  });
}
