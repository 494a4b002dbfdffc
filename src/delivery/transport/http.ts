import type { Outcome, ReportEntry, ReportSink } from '../../report/report-sink.ts';
import { LEGACY_SCHEMA_VERSION, reportJson } from '../../report/schema-version.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import { openHttpClient, type PostOptions } from './http-client.ts';
import { apiUrl } from './http-url.ts';
import { createSink, type TransportOptions } from './sink.ts';

/** The contract of the original API: only 204 is a success. */
const LEGACY_API: PostOptions = {
  isStored: (status) => status === 204,
  hintFor: (status) => {
    if (status < 300) return ' Only status 204 means that a report is stored.';
    return status < 400 ? ' It redirects: set --database to the URL that it redirects to.' : undefined;
  },
};

/** Posts each report as legacy JSON of schema version 1. Throws a SpartakusError `invalid` where the URL or its proxy is wrong. */
export function openHttpSink(url: string, options: TransportOptions = {}): ReportSink {
  const client = openHttpClient(apiUrl(url), options);

  const send = async (entries: readonly ReportEntry[]): Promise<readonly Outcome[]> => {
    const outcomes: Outcome[] = [];
    for (const entry of entries) {
      let body: string;
      try {
        body = JSON.stringify(reportJson(entry.report, LEGACY_SCHEMA_VERSION));
      } catch (error) {
        const message = `The report cannot be encoded: ${messageOf(error)}.`;
        outcomes.push({ status: 'failed', error: new SpartakusError('invalid', message) });
        continue;
      }
      try {
        outcomes.push(await client.post(body, LEGACY_API));
      } catch (thrown) {
        // Without a response the rest is not sent: each report would wait for its timeout.
        const error = SpartakusError.from(thrown);
        return entries.map((_, index) => outcomes[index] ?? { status: 'failed', error });
      }
    }
    return outcomes;
  };

  return createSink({ send, count: (entries) => entries.length, close: () => client.close() });
}
