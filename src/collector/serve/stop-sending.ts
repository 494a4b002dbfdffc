import http2, { type ServerHttp2Stream } from 'node:http2';

/** How long a client may continue to send after it has its response. */
const STOP_SENDING_AFTER_MS = 100;

/**
 * Resets a stream whose client still sends after it has the whole response (RFC 9113 section 8.1): an unread body would fill the flow
 * control window of the connection and block its other streams. Not at once: Node.js still has to send the trailers, and most
 * clients stop by themselves.
 */
export function stopSending(stream: ServerHttp2Stream): void {
  if (stream.readableEnded) return;
  const timer = setTimeout(() => stream.close(http2.constants.NGHTTP2_NO_ERROR), STOP_SENDING_AFTER_MS);
  stream.once('close', () => clearTimeout(timer));
}
