import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { RequestOrigin } from '../../../report/request-origin.ts';
import { SpartakusError } from '../../../runtime/errors.ts';
import { parseRequestTarget, type RequestTarget } from '../../../runtime/request-target.ts';
import { createBodyDeadlines } from '../admission/body-deadline.ts';
import type { Limits } from '../admission/limits.ts';
import type { MemoryReservation } from '../admission/memory-limiter.ts';
import { challengeOf, ERROR_STATUS } from '../error-status.ts';
import type { HandlerContext } from '../handler-context.ts';

export type ServerRequest = IncomingMessage | Http2ServerRequest;
export type ServerReply = ServerResponse | Http2ServerResponse;

export interface HttpRequest {
  readonly headers: IncomingHttpHeaders;
  readonly origin: RequestOrigin;
  /** Of the request target, with its question mark; empty where there is none. */
  readonly query: string;
  /**
   * @param check called with each chunk; throws to reject the body
   * @throws SpartakusError: `too-large` as soon as more than `maxBytes` arrived, `overloaded`, `unavailable` where it takes too long; errors
   * of `check`
   */
  readBody(maxBytes: number, check: (chunk: Uint8Array) => void): Promise<Uint8Array>;
  /** Of the body, until the response. */
  readonly reservation: MemoryReservation;
  /** Calls the listener when the response was sent, or the client has disconnected. */
  onClose(listener: () => void): void;
}

export interface HttpResponse {
  readonly status: number;
  readonly contentType?: string;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface HttpRoute {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  handle(request: HttpRequest): Promise<HttpResponse> | HttpResponse;
}

type HttpHandlerContext = Pick<HandlerContext, 'memory' | 'onRejection'> & {
  readonly limits: Pick<Limits, 'bodyTimeoutMs'>;
};

export function pathOf(req: ServerRequest): string {
  return parseRequestTarget(req.url).path;
}

/**
 * Routes requests by path and method: 404 for an unknown path, 405 with Allow for an unknown method, HEAD as GET without the body. A path
 * that differs from that of a route in slashes, dot segments or case only is redirected to it, as in the original (httprouter).
 */
export function createHttpHandler(
  routes: readonly HttpRoute[],
  { memory, limits, onRejection }: HttpHandlerContext,
): (req: ServerRequest, res: ServerReply, origin: RequestOrigin) => void {
  const startBodyDeadline = createBodyDeadlines(limits.bodyTimeoutMs);
  const answer = async (req: ServerRequest, target: RequestTarget, request: HttpRequest): Promise<HttpResponse> => {
    const { path, query } = target;
    const method = req.method === 'HEAD' ? 'GET' : req.method;
    const ofMethod = routes.filter((route) => route.method === method);
    const route = ofMethod.find((candidate) => candidate.path === path);
    const cleaned = route === undefined ? cleanPath(path) : path;
    if (route === undefined && ofMethod.some((candidate) => candidate.path === cleaned))
      return { status: method === 'GET' ? 301 : 307, headers: { location: `${cleaned}${query}` } };
    const atPath = routes.filter((candidate) => candidate.path === path);
    if (atPath.length > 0 && route === undefined) {
      const allow = atPath.map((found) => (found.method === 'GET' ? 'GET, HEAD' : found.method)).join(', ');
      const error = new SpartakusError('not-found', `${path} does not support ${req.method}: use ${allow}`);
      return { ...rejectionOf(error), status: 405, headers: { allow } };
    }
    try {
      if (route === undefined) throw new SpartakusError('not-found', `no such path: ${path}`);
      return await route.handle(request);
    } catch (thrown) {
      return rejectionOf(SpartakusError.from(thrown));
    }
  };
  const rejectionOf = (error: SpartakusError): HttpResponse => {
    onRejection('http', error);
    const { kind, message, retryAfterMs } = error;
    const headers: Record<string, string> = { ...challengeOf(error) };
    if (retryAfterMs !== undefined) headers['retry-after'] = String(Math.ceil(retryAfterMs / 1000));
    // The body is as in the original.
    const body = `Error: ${message}\n`;
    return { status: ERROR_STATUS[kind].httpStatus, headers, contentType: 'text/plain; charset=utf-8', body };
  };
  return (req, res, origin) => {
    const reservation = memory.open();
    const target = parseRequestTarget(req.url);
    const { authority } = target;
    const request: HttpRequest = {
      headers: authority === undefined ? req.headers : { ...req.headers, host: authority },
      origin,
      query: target.query,
      reservation,
      onClose: (listener) => res.once('close', listener),
      readBody: (maxBytes, check) => readBody(req, reservation, startBodyDeadline, maxBytes, check),
    };
    // Not when the client disconnects: what it sent may still be in use.
    void answer(req, target, request)
      .finally(() => reservation.end())
      .then((response) => sendResponse(req, res, response));
  };
}

/** In lower case, without empty segments, dot segments and a slash at the end. */
function cleanPath(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return `/${segments.join('/').toLowerCase()}`;
}

/** Leaving a `for await` early would destroy the request and its connection. */
function readBody(
  req: ServerRequest,
  reservation: MemoryReservation,
  startBodyDeadline: ReturnType<typeof createBodyDeadlines>,
  maxBytes: number,
  check: (chunk: Uint8Array) => void,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const tooLarge = (): SpartakusError =>
      new SpartakusError('too-large', `the body is over the limit of ${maxBytes} bytes`);
    if (Number(req.headers['content-length'] ?? 0) > maxBytes) {
      reject(tooLarge());
      return;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    const deadline = startBodyDeadline(reject);
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      try {
        if (bytes > maxBytes) throw tooLarge();
        reservation.resize(bytes);
        check(chunk);
        chunks.push(chunk);
      } catch (error) {
        chunks.length = 0;
        req.off('data', onData);
        deadline.end();
        reject(error);
      }
    };
    const onAborted = (): void => {
      deadline.end();
      reject(new SpartakusError('invalid', 'the body is incomplete'));
    };
    req.on('data', onData);
    req.once('end', () => {
      deadline.end();
      req.off('close', onAborted);
      resolve(Buffer.concat(chunks, bytes));
    });
    req.once('error', onAborted);
    req.once('close', onAborted);
  });
}

/** Sends a response, unless the client has disconnected. */
export function sendResponse(req: ServerRequest, res: ServerReply, response: HttpResponse): void {
  if (res.destroyed || res.writableEnded) return;
  const body = response.body === undefined ? undefined : Buffer.from(response.body);
  res.statusCode = response.status;
  for (const [name, value] of Object.entries(response.headers ?? {})) res.setHeader(name, value);
  if (response.contentType !== undefined) res.setHeader('content-type', response.contentType);
  if (response.status !== 204 && response.status !== 304) res.setHeader('content-length', body?.length ?? 0);
  if (body === undefined || req.method === 'HEAD') res.end();
  else res.end(body);
}
