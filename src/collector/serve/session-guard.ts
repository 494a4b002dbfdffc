import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Limits } from './admission/limits.ts';

export interface SessionGuardOptions extends Pick<
  Limits,
  'idleTimeoutMs' | 'keepaliveMinMs' | 'maxConnectionAgeMs' | 'bodyTimeoutMs'
> {
  /** A number from 0 to less than 1. */
  readonly random: () => number;
}

/** How many pings may come too early: as many as gRPC's servers allow (https://github.com/grpc/grpc/blob/master/doc/keepalive.md). */
const MAX_PING_STRIKES = 2;
/**
 * More than the answer to a ping takes, with TLS: whoever was sent more than that, or a whole answer, since the last ping may ping again, as
 * gRPC clients do to measure.
 */
const PING_ANSWER_BYTES = 64;
/** What gRPC's clients know as the reason to ping less. */
const TOO_MANY_PINGS = Buffer.from('too_many_pings');

/**
 * Looks after one HTTP/2 connection: sends it away where it pings too often, asks its client to open another where it is old, and
 * closes it where nothing was asked for a while. Streams that are under way end in peace, within the time that a body may take.
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
  // It runs all the time, for a connection may have thousands of streams a second, and looks whether the time was idle when it ends.
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
      answered = true;
    });
  });

  let strikes = 0;
  /** Whether a stream has ended since the last ping. */
  let answered = false;
  let lastPingMs = Number.NEGATIVE_INFINITY;
  let sentBytes = 0;
  session.on('ping', () => {
    const nowMs = performance.now();
    const { bytesWritten } = socket;
    const early = nowMs - lastPingMs < keepaliveMinMs && bytesWritten - sentBytes <= PING_ANSWER_BYTES && !answered;
    strikes = early ? strikes + 1 : 0;
    answered = false;
    lastPingMs = nowMs;
    sentBytes = bytesWritten;
    if (strikes <= MAX_PING_STRIKES || session.closed) return;
    session.goaway(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, TOO_MANY_PINGS);
    session.close();
    // Once the reason is on its way: a flood of pings is not to be read to its end.
    setImmediate(() => session.destroy());
  });
  session.once('close', () => {
    for (const timer of timers) clearTimeout(timer);
  });
}
