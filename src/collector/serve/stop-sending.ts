import http2, { type ServerHttp2Stream } from 'node:http2';

/** How long a client that has its answer may go on sending. */
const STOP_SENDING_AFTER_MS = 100;

/**
 * Tells a client that has its whole answer and still sends to stop (RFC 9113 section 8.1). A body that nobody reads would fill the
 * window that all streams of the connection share, and the connection would stand still. Not at once: the answer's trailers are
 * still on their way through Node.js, and most clients stop by themselves.
 */
export function stopSending(stream: ServerHttp2Stream): void {
  if (stream.readableEnded) return;
  const timer = setTimeout(() => stream.close(http2.constants.NGHTTP2_NO_ERROR), STOP_SENDING_AFTER_MS);
  stream.once('close', () => clearTimeout(timer));
}
