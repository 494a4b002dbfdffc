import http from 'node:http';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { messageOf, SpartakusError } from '../report/errors.ts';
import { maskUrl } from '../report/mask.ts';
import type { Outcome, ReportEntry, ReportSink } from '../report/ports.ts';
import { LEGACY_SCHEMA_VERSION, reportJson } from '../report/schema-version.ts';
import { excerpt } from './excerpt.ts';
import { apiUrl } from './http-url.ts';
import { createPending } from '../report/pending.ts';
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
  /** The CAs that the collector's certificate is checked against, as PEM; the system's where none are given. */
  readonly ca?: Buffer;
  /** Gives up what is under way: its reports fail as `unavailable`. */
  readonly signal?: AbortSignal;
}

/**
 * A collector that takes the legacy JSON, one POST a report, as volunteers have sent it since 2016: the fields of schema version 1 and
 * no others. Only 204 is a success, for that is the original's contract; redirects are not followed.
 */
export function openHttpSink(config: HttpConfig, options: HttpOptions = {}): ReportSink {
  const { timeoutMs = 30_000, ca, signal } = options;
  const url = apiUrl(config.url);
  const agent = url.protocol === 'http:' ? new http.Agent(AGENT_OPTIONS) : new https.Agent({ ...AGENT_OPTIONS, ca });
  const pending = createPending();

  const post = async ({ report }: ReportEntry): Promise<Outcome> => {
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      const limit = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
      const answer = await send(url, agent, JSON.stringify(legacyBody(report)), limit);
      const text = await readText(answer);
      return answer.statusCode === 204 ? { status: 'stored' } : { status: 'failed', error: refusalOf(url, answer, text) };
    } catch (error) {
      const why = deadline.aborted ? `no answer within ${timeoutMs / 1000} s` : messageOf(error);
      const message = `The collector at ${maskUrl(url.href)} did not take the report: ${excerpt(why)}. Is it running and reachable from here?`;
      return { status: 'failed', error: error instanceof SpartakusError ? error : new SpartakusError('unavailable', message) };
    }
  };
  const postAll = async (entries: readonly ReportEntry[]): Promise<readonly Outcome[]> => {
    const outcomes: Outcome[] = [];
    for (const entry of entries) outcomes.push(await post(entry));
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

function legacyBody(report: Report): unknown {
  try {
    return reportJson(report, LEGACY_SCHEMA_VERSION);
  } catch (error) {
    throw new SpartakusError('invalid', `The report cannot be encoded: ${messageOf(error)}.`);
  }
}

function send(url: URL, agent: http.Agent, body: string, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = (url.protocol === 'http:' ? http : https).request(url, {
      agent,
      method: 'POST',
      signal,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    });
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** The beginning of an answer's text. A longer one is cut off, and its connection with it. */
async function readText(answer: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= MAX_TEXT_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8', 0, MAX_TEXT_BYTES);
}

function refusalOf(url: URL, answer: IncomingMessage, text: string): SpartakusError {
  const status = answer.statusCode ?? 0;
  const said = excerpt(text);
  const redirect = status >= 300 && status < 400 ? ' It redirects: aim --database at where the collector is.' : '';
  const retryAfterMs = secondsToMs(answer.headers['retry-after']);
  return new SpartakusError(
    kindOfHttpStatus(status),
    `The collector at ${maskUrl(url.href)} did not take the report: status ${status} where only 204 is a success${said === '' ? '' : `, "${said}"`}.${redirect}`,
    retryAfterMs === undefined ? {} : { retryAfterMs },
  );
}

function secondsToMs(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : undefined;
}
