import { toJson } from '@bufbuild/protobuf';
import { type Envelope, EnvelopeSchema } from '../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import { NO_ACCESS } from '../delivery/client-credentials.ts';
import { excerpt } from '../delivery/transport/excerpt.ts';
import { type HttpOptions, openAgent, readRetryAfter, readText, send } from '../delivery/transport/http.ts';
import { httpTarget, placeBehind, proxyFor } from '../delivery/transport/proxy.ts';
import { kindOfHttpStatus } from '../delivery/transport/status.ts';
import type { EnvelopeSink, Outcome } from '../report/report-sink.ts';
import { messageOf, SpartakusError } from '../runtime/errors.ts';
import { maskUrl } from '../runtime/mask.ts';
import { createPending } from '../runtime/pending.ts';

/** The JSON of a report as Kubermatic's own reporter sends it: the released spelling. The same report has the same JSON each time. */
export function envelopeJson(envelope: Envelope): string {
  return JSON.stringify(toJson(EnvelopeSchema, envelope, { useProtoFieldName: true }));
}

/** Reads a value of --url. Throws a SpartakusError `invalid` where it is no http(s):// URL. */
export function parseReportUrl(text: string): URL {
  const url = URL.parse(text);
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return url;
  throw new SpartakusError(
    'invalid',
    `--url ${maskUrl(text)}: is no URL to post to, such as https://collector.example.com/api/kubermatic/v1.`,
    { field: '--url' },
  );
}

/**
 * A collector that takes Kubermatic's report as JSON: this project's, or Kubermatic's own. One POST to the URL as it is given; every status
 * from 200 to 299 says that all records are stored, and any other that none is known to be. Redirects are not followed. Throws a
 * SpartakusError `invalid` where the URL is wrong, or that of a proxy.
 */
export function openKubermaticHttpSink(
  { url: text }: { readonly url: string },
  options: HttpOptions = {},
): EnvelopeSink {
  const { timeoutMs = 30_000, access = NO_ACCESS, env = {}, signal } = options;
  const url = parseReportUrl(text);
  const proxy = proxyFor(httpTarget(url), env);
  const place = placeBehind(proxy, maskUrl(url.href));
  const agent = openAgent(url, access, proxy?.url.href);
  const pending = createPending();

  const post = async (body: string): Promise<Outcome> => {
    const authorization = await access.authorization();
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      const answer = await send({
        url,
        agent,
        body,
        authorization,
        signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
      });
      const { statusCode: status = 0, headers } = answer;
      if (status >= 200 && status < 300) {
        answer.resume();
        return { status: 'stored' };
      }
      const said = excerpt(await readText(answer));
      const retryAfterMs = readRetryAfter(headers['retry-after'], headers.date);
      const advice =
        status === 404 || status === 405 || (status >= 300 && status < 400)
          ? ' Is --url the whole URL, with its path, such as /api/kubermatic/v1?'
          : '';
      throw new SpartakusError(
        kindOfHttpStatus(status),
        `The collector at ${place} did not take the report: status ${status}${said === '' ? '' : `, "${said}"`}.${advice}`,
        retryAfterMs === undefined ? {} : { retryAfterMs },
      );
    } catch (error) {
      if (error instanceof SpartakusError) throw error;
      const why = deadline.aborted ? `no answer within ${timeoutMs / 1000} s` : messageOf(error);
      throw new SpartakusError(
        'unavailable',
        `The collector at ${place} did not take the report: ${excerpt(why)}. Is it running and reachable from here?`,
      );
    }
  };
  const put = async (envelope: Envelope): Promise<readonly Outcome[]> => {
    let outcome: Outcome;
    try {
      outcome = await post(envelopeJson(envelope));
    } catch (error) {
      outcome = { status: 'failed', error: SpartakusError.from(error) };
    }
    return envelope.records.map(() => outcome);
  };

  return {
    put: (envelope) => pending.add(put(envelope)),
    close: async () => {
      await pending.settled();
      agent.destroy();
    },
  };
}
