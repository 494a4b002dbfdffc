import http from 'node:http';
import https from 'node:https';
import type { Outcome } from '../../report/report-sink.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';
import { NO_CREDENTIALS } from '../client-credentials.ts';
import { type ConnectionFacts, describeConnectionError } from './connection-problem.ts';
import { excerpt } from './excerpt.ts';
import { describeTarget, httpTarget, proxyFor } from './proxy.ts';
import { adviceFor } from './response-advice.ts';
import { DEFAULT_TIMEOUT_MS, type TransportOptions } from './sink.ts';
import { kindOfHttpStatus } from './status.ts';

const MAX_TEXT_BYTES = 4096;
/** The answers of Go's net/http and of nginx to a request without TLS. */
const WANTS_TLS = /HTTP request to an HTTPS server|HTTP request was sent to HTTPS port/;
/** The client closes idle connections first, because the server could do so just when a report is sent. */
const AGENT_OPTIONS = { keepAlive: true, timeout: 10_000 };

export interface PostOptions {
  readonly isStored: (status: number) => boolean;
  /** The end of the error message for a status: a space and a sentence. Undefined for the advice for its kind. */
  readonly hintFor: (status: number) => string | undefined;
}

/** Requests to one URL. Redirects are not followed. */
interface HttpClient {
  /**
   * Resolves with the header of the response; the caller reads or discards the body. Rejects with an Error where there is no response
   * before the deadline, and with a SpartakusError `unavailable` where the token cannot be read.
   */
  request(method: 'GET' | 'POST', body?: string): Promise<http.IncomingMessage>;
  /** Posts JSON. Rejects with a SpartakusError `unavailable` where there is no response. */
  post(body: string, options: PostOptions): Promise<Outcome>;
  close(): void;
}

/** Throws a SpartakusError `invalid` where the URL of a proxy is wrong. */
export function openHttpClient(url: URL, options: TransportOptions, flag = '--database'): HttpClient {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, credentials = NO_CREDENTIALS, env = {}, signal } = options;
  const { ca, cert, key } = credentials;
  const proxy = proxyFor(httpTarget(url), env);
  const target = describeTarget(maskUrl(url.href), proxy);
  const isTls = url.protocol === 'https:';
  const facts: ConnectionFacts = { target: httpTarget(url), tls: isTls, flag, credentials, proxy };
  const proxyEnv = proxy && { http_proxy: proxy.url.href, https_proxy: proxy.url.href };
  const agent = isTls
    ? new https.Agent({ ...AGENT_OPTIONS, proxyEnv, ca, cert, key })
    : new http.Agent({ ...AGENT_OPTIONS, proxyEnv });

  const request = async (method: 'GET' | 'POST', body?: string): Promise<http.IncomingMessage> => {
    const authorization = await credentials.authorization();
    const deadline = AbortSignal.timeout(timeoutMs);
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const outgoing = (isTls ? https : http).request(url, {
      agent,
      method,
      signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        ...(authorization !== undefined && { authorization }),
      },
    });
    outgoing.once('response', resolve);
    outgoing.on('error', (error) =>
      reject(deadline.aborted ? new Error(`no response within ${timeoutMs / 1000} s`) : error),
    );
    outgoing.end(body);
    return await promise;
  };

  const post = async (body: string, { isStored, hintFor }: PostOptions): Promise<Outcome> => {
    let response: http.IncomingMessage;
    try {
      response = await request('POST', body);
    } catch (error) {
      if (error instanceof SpartakusError) throw error;
      if (signal?.aborted === true)
        throw new SpartakusError('unavailable', `The request to the collector at ${target} was cancelled.`);
      const { kind = 'unavailable', message } = describeConnectionError(textOf(error), target, facts);
      throw new SpartakusError(kind, message);
    }
    const { statusCode: status = 0, headers } = response;
    if (isStored(status)) {
      response.resume();
      return { status: 'stored' };
    }
    // The body is optional: the status alone decides.
    const text = excerpt(await readText(response).catch(() => ''));
    const isForTls = status === 400 && WANTS_TLS.test(text);
    const kind = isForTls ? 'not-found' : kindOfHttpStatus(status);
    let hint = hintFor(status) ?? adviceFor(kind, facts);
    if (isForTls) hint = ` Write https:// in ${flag}.`;
    if (status === 407 && proxy !== undefined)
      hint = ` Write the user and password of the proxy in $${proxy.variable}.`;
    const error = new SpartakusError(
      kind,
      `The collector at ${target} did not accept the report: status ${status}${text === '' ? '' : `, "${text}"`}.${hint}`,
      { retryAfterMs: readRetryAfter(headers['retry-after'], headers.date) },
    );
    return { status: 'failed', error };
  };

  return { request, post, close: () => agent.destroy() };
}

/** The code of an error, if it has one, and its message. */
function textOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? `${String(error.code)} ` : '';
  return code + messageOf(error);
}

/** Reads the beginning of a body, and closes the connection where it is longer. */
async function readText(response: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= MAX_TEXT_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8', 0, MAX_TEXT_BYTES);
}

/** Retry-After in milliseconds (RFC 9110 section 10.2.3). A date is compared with the Date of the same response. */
function readRetryAfter(header: string | undefined, serverDate: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const untilMs = Date.parse(header) - (serverDate === undefined ? Date.now() : Date.parse(serverDate));
  return Number.isNaN(untilMs) ? undefined : Math.max(0, untilMs);
}
