import http from 'node:http';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Outcome, ReportEntry, ReportSink } from '../../report/report-sink.ts';
import { LEGACY_SCHEMA_VERSION, reportJson } from '../../report/schema-version.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';
import { createPending } from '../../runtime/pending.ts';
import { type Access, NO_ACCESS } from '../client-credentials.ts';
import { excerpt } from './excerpt.ts';
import { apiUrl } from './http-url.ts';
import { httpTarget, placeBehind, proxyFor } from './proxy.ts';
import { kindOfHttpStatus } from './status.ts';

/** As much of an answer's text as is read to say what went wrong. */
const MAX_TEXT_BYTES = 4096;

/** An idle connection is closed before the other side does, so that no later report is sent into a closed one. */
const AGENT_OPTIONS = { keepAlive: true, timeout: 10_000 };

export interface HttpConfig {
  /** http://… or https://…, with or without the /api/v1 at its end. */
  readonly url: string;
}

export interface HttpOptions {
  /** How long one report may take, in milliseconds. */
  readonly timeoutMs?: number;
  /** Certificates and token; see access.ts. A token counts before a user and password in the URL. */
  readonly access?: Access;
  /** Where proxies are named; see proxy.ts. */
  readonly env?: NodeJS.ProcessEnv;
  /** Gives up what is under way: its reports fail as `unavailable`. */
  readonly signal?: AbortSignal;
}

/**
 * A collector that takes the legacy JSON, one POST a report, as volunteers have sent it since 2016: the fields of schema version 1 and
 * no others. Only 204 is a success, for that is the original's contract; redirects are not followed. Throws a SpartakusError `invalid`
 * where the URL is wrong, or that of a proxy.
 */
export function openHttpSink(config: HttpConfig, options: HttpOptions = {}): ReportSink {
  const { timeoutMs = 30_000, access = NO_ACCESS, env = {}, signal } = options;
  const url = apiUrl(config.url);
  const proxy = proxyFor(httpTarget(url), env);
  const place = placeBehind(proxy, maskUrl(url.href));
  const agent = openAgent(url, access, proxy?.url.href);
  const pending = createPending();

  const fail = (why: string): Outcome => {
    const message = `The collector at ${place} did not take the report: ${excerpt(why)}. Is it running and reachable from here?`;
    return { status: 'failed', error: new SpartakusError('unavailable', message) };
  };
  const post = async (body: string, authorization: string | undefined): Promise<Post> => {
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      const limit = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
      const answer = await send({ url, agent, body, authorization, signal: limit });
      const text = await readText(answer);
      const outcome: Outcome =
        answer.statusCode === 204 ? { status: 'stored' } : { status: 'failed', error: refusalOf(place, answer, text) };
      return { outcome, isAnswered: true };
    } catch (error) {
      return {
        outcome: fail(deadline.aborted ? `no answer within ${timeoutMs / 1000} s` : messageOf(error)),
        isAnswered: false,
      };
    }
  };
  const postAll = async (entries: readonly ReportEntry[]): Promise<readonly Outcome[]> => {
    const outcomes: Outcome[] = [];
    for (const entry of entries) {
      try {
        const { outcome, isAnswered } = await post(JSON.stringify(legacyBody(entry)), await access.authorization());
        outcomes.push(outcome);
        // Nobody is there: a hundred reports would wait for a hundred timeouts.
        if (!isAnswered) return entries.map((_, index) => outcomes[index] ?? outcome);
      } catch (error) {
        outcomes.push({ status: 'failed', error: SpartakusError.from(error) });
      }
    }
    return outcomes;
  };

  return {
    put: (entries) => pending.add(postAll(entries)),
    close: async () => {
      await pending.settled();
      agent.destroy();
    },
  };
}

function legacyBody(entry: ReportEntry): unknown {
  try {
    return reportJson(entry.report, LEGACY_SCHEMA_VERSION);
  } catch (error) {
    throw new SpartakusError('invalid', `The report cannot be encoded: ${messageOf(error)}.`);
  }
}

/** The connections to a collector, through the proxy where there is one. */
export function openAgent(url: URL, { ca, cert, key }: Access, proxy: string | undefined): http.Agent {
  const options = {
    ...AGENT_OPTIONS,
    ...(proxy === undefined ? {} : { proxyEnv: { http_proxy: proxy, https_proxy: proxy } }),
  };
  return url.protocol === 'http:' ? new http.Agent(options) : new https.Agent({ ...options, ca, cert, key });
}

/** How one report fared. */
interface Post {
  readonly outcome: Outcome;
  /** Whether anybody answered at all. */
  readonly isAnswered: boolean;
}

/** One POST of JSON. */
export interface PostRequest {
  readonly url: URL;
  readonly agent: http.Agent;
  readonly body: string;
  readonly authorization: string | undefined;
  readonly signal: AbortSignal;
}

/** Sends it, and answers as soon as the head of the answer is there. */
export function send({ url, agent, body, authorization, signal }: PostRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = (url.protocol === 'http:' ? http : https).request(url, {
      agent,
      method: 'POST',
      signal,
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        ...(authorization === undefined ? {} : { authorization }),
      },
    });
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** The beginning of an answer's text. A longer one is cut off, and its connection with it. */
export async function readText(answer: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= MAX_TEXT_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8', 0, MAX_TEXT_BYTES);
}

function refusalOf(place: string, answer: IncomingMessage, text: string): SpartakusError {
  const status = answer.statusCode ?? 0;
  const said = excerpt(text);
  const redirect = status >= 300 && status < 400 ? ' It redirects: aim --database at where the collector is.' : '';
  const retryAfterMs = readRetryAfter(answer.headers['retry-after'], answer.headers.date);
  return new SpartakusError(
    kindOfHttpStatus(status),
    `The collector at ${place} did not take the report: status ${status} where only 204 is a success${said === '' ? '' : `, "${said}"`}.${redirect}`,
    retryAfterMs === undefined ? {} : { retryAfterMs },
  );
}

/** Retry-After as RFC 9110 section 10.2.3 has it: seconds, or a date. A date is held against the server's own clock where that is told. */
export function readRetryAfter(header: string | undefined, serverDate: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const untilMs = Date.parse(header) - (serverDate === undefined ? Date.now() : Date.parse(serverDate));
  return Number.isNaN(untilMs) ? undefined : Math.max(0, untilMs);
}
