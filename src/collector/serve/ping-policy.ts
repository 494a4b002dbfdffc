import http2, { type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';

interface PingPolicy {
  streamClosed(stream: ServerHttp2Stream): void;
  /** Counts a ping. Returns whether the client may stay. */
  allows(nowMs: number): boolean;
}

/** As in gRPC's servers (https://github.com/grpc/grpc/blob/master/doc/keepalive.md). */
const MAX_PING_STRIKES = 2;
/** More than a ping's acknowledgement takes, with TLS. */
const PING_ACK_BYTES = 64;

/**
 * Counts pings that come earlier than `minMs` after the one before. As in gRPC's keepalive document, any DATA or HEADERS frame that the
 * server sends resets the count: gRPC clients ping when they receive data, to measure the bandwidth-delay product (BDP).
 *
 * Node.js does not tell which frames it sends. So at a ping, every open stream is watched from then on: connections without pings cost
 * nothing. A stream that is not yet watched was opened after the last ping, so its headers, if sent, were sent since.
 */
export function createPingPolicy(streams: ReadonlySet<ServerHttp2Stream>, socket: Socket, minMs: number): PingPolicy {
  const watched = new WeakSet<ServerHttp2Stream>();
  let strikes = 0;
  let lastPingMs = Number.NEGATIVE_INFINITY;
  let sentBytes = 0;
  let hasSent = false;
  /** Whether data waited for flow control at the last ping, which may have been sent since. */
  let wasBlocked = false;
  const onSend = (): void => void (hasSent = true);

  const sentOnNewStream = (stream: ServerHttp2Stream): boolean => !watched.has(stream) && stream.headersSent;
  const watchStreams = (): void => {
    wasBlocked = false;
    for (const stream of streams) {
      wasBlocked ||= stream.writableLength > 0;
      if (watched.has(stream)) continue;
      watched.add(stream);
      observeWrites(stream, onSend);
    }
  };
  return {
    streamClosed(stream) {
      // The headers of a stream that its client resets may never be sent.
      if (stream.rstCode === http2.constants.NGHTTP2_NO_ERROR) hasSent ||= sentOnNewStream(stream);
    },
    allows(nowMs) {
      hasSent ||= wasBlocked && socket.bytesWritten - sentBytes > PING_ACK_BYTES;
      for (const stream of streams) hasSent ||= sentOnNewStream(stream);
      const isEarly = nowMs - lastPingMs < minMs && !hasSent;
      strikes = isEarly ? strikes + 1 : 0;
      hasSent = false;
      lastPingMs = nowMs;
      sentBytes = socket.bytesWritten;
      watchStreams();
      return strikes <= MAX_PING_STRIKES;
    },
  };
}

/** Calls `onSend` before headers, data or trailers are written to a stream. */
function observeWrites(stream: ServerHttp2Stream, onSend: () => void): void {
  for (const name of ['respond', 'write', 'end', 'sendTrailers'] as const) {
    const send = stream[name] as (...args: readonly unknown[]) => unknown;
    const observed = (...args: readonly unknown[]): unknown => {
      onSend();
      return send.apply(stream, [...args]);
    };
    Object.assign(stream, { [name]: observed });
  }
}
