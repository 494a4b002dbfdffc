import { toJson } from '@bufbuild/protobuf';
import { type Envelope, EnvelopeSchema } from '../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import { openHttpClient, type PostOptions } from '../delivery/transport/http-client.ts';
import { parseHttpUrl } from '../delivery/transport/http-url.ts';
import { createSink, type TransportOptions } from '../delivery/transport/sink.ts';
import type { EnvelopeSink } from '../report/report-sink.ts';

/** The JSON of a report with proto field names, as Kubermatic's own reporter sends it. Equal reports have equal JSON. */
export function envelopeJson(envelope: Envelope): string {
  return JSON.stringify(toJson(EnvelopeSchema, envelope, { useProtoFieldName: true }));
}

/** Throws a SpartakusError `invalid` where --url is not an http(s):// URL. */
export function parseReportUrl(text: string): URL {
  return parseHttpUrl(text, '--url', 'https://collector.example.com/api/kubermatic/v1');
}

/** The API has one status for all records. */
const KUBERMATIC_API: PostOptions = {
  isStored: (status) => status >= 200 && status < 300,
  hintFor: (status) =>
    status === 404 || status === 405 || (status >= 300 && status < 400)
      ? ' Is --url the whole URL, with its path, such as /api/kubermatic/v1?'
      : undefined,
};

/** Posts Kubermatic's report as JSON. Throws a SpartakusError `invalid` where the URL or its proxy is wrong. */
export function openKubermaticHttpSink(url: string, options: TransportOptions = {}): EnvelopeSink {
  const client = openHttpClient(parseReportUrl(url), options, '--url');
  return createSink<Envelope>({
    send: async (envelope) => {
      const outcome = await client.post(envelopeJson(envelope), KUBERMATIC_API);
      return envelope.records.map(() => outcome);
    },
    count: ({ records }) => records.length,
    close: () => client.close(),
  });
}
