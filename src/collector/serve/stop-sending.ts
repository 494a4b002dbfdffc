import http2, { type ServerHttp2Stream } from 'node:http2';

const STOP_SENDING_AFTER_MS = 100;

/**
 * Resets a stream whose client still sends after the whole response (RFC 9113 section 8.1): an unread body would fill the connection's flow
 * control window and block its other streams. It waits, since Node.js has yet to send the trailers, and most clients stop by themselves.
 */
export function stopSending(stream: ServerHttp2Stream): void {
  if (stream.readableEnded) return;
  const timer = setTimeout(() => stream.close(http2.constants.NGHTTP2_NO_ERROR), STOP_SENDING_AFTER_MS);
  stream.once('close', () => clearTimeout(timer));
}
