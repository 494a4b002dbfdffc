import { fromBinary } from '@bufbuild/protobuf';
import { status as Code, type Metadata, type sendUnaryData, Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import {
  CollectorService,
  SubmitReportRequestSchema,
} from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Report } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { Limits } from '../../../src/collector/serve/admission/limits.ts';
import { openClientCredentials } from '../../../src/delivery/client-credentials.ts';
import { parseDatabase } from '../../../src/delivery/open-sink.ts';
import { checkCollector } from '../../../src/volunteer/doctor/check-collector.ts';
import { startCollectorOn } from '../../support/collector.ts';
import { withFiles } from '../../support/files.ts';
import { startServer } from '../../support/http-server.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** The last check, which is that of reports unless an earlier one fails. */
async function check(url: string, tokenFile?: string): Promise<string> {
  const credentials = await openClientCredentials({ tokenFile }, url);
  const lines: string[] = [];
  for await (const { status, name, message } of checkCollector(parseDatabase(url), { env: {}, credentials, tokenFile }))
    lines.push(`${status} ${name}: ${message}`);
  return lines.at(-1) ?? '';
}

/** A collector as host:port, and what it stored. */
async function startCollector(limits: Partial<Limits>, ingestTokensFile?: string) {
  const store = createMemoryStore();
  const config = { limits, ingestTokensFile };
  const collector = await startCollectorOn('memory', config, { openStore: () => Promise.resolve(store) });
  closers.push(() => collector.close());
  return { host: `127.0.0.1:${collector.port}`, stored: store.documents };
}

/** A gRPC server that knows SubmitReport as it was before validate_only: it ignores the field, and stores every report. */
async function startOldCollector(token: string) {
  const stored: Report[] = [];
  const same = (bytes: Buffer): Buffer => bytes;
  const method = {
    path: `/${CollectorService.typeName}/${CollectorService.method.submitReport.name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: (bytes: Buffer) => ({ report: fromBinary(SubmitReportRequestSchema, bytes).report }),
    responseSerialize: same,
    responseDeserialize: same,
  };
  interface Call {
    readonly request: { readonly report?: Report };
    readonly metadata: Metadata;
  }
  const submitReport = ({ request: { report }, metadata }: Call, respond: sendUnaryData<Buffer>): void => {
    if (metadata.get('authorization')[0] !== `Bearer ${token}`)
      return respond({ code: Code.UNAUTHENTICATED, details: 'the bearer token is unknown' });
    if (report === undefined) return respond({ code: Code.INVALID_ARGUMENT, details: 'report is required' });
    stored.push(report);
    return respond(null, Buffer.alloc(0));
  };
  const server = new Server();
  server.addService({ submitReport: method }, { submitReport });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  closers.push(() => server.forceShutdown());
  return { url: `grpc://127.0.0.1:${port}`, stored };
}

describe.each(['grpc', 'http'])('over %s', (scheme) => {
  test('a missing and a wrong token fail, and name the flag; with the right one, reports are accepted', async () => {
    await withFiles({ tokens: 'the-token\n', right: 'the-token\n', wrong: 'hunter2\n' }, async (dir) => {
      const { host, stored } = await startCollector({}, `${dir}/tokens`);
      const url = `${scheme}://${host}`;

      const lines = [await check(url), await check(url, `${dir}/wrong`), await check(url, `${dir}/right`)];

      expect(lines).toStrictEqual([
        expect.stringMatching(/^FAIL reports: the collector requires a token: .* with --token-file$/),
        `FAIL reports: the collector rejects the token in --token-file ${dir}/wrong: ask its operator for a valid one, and write it to that file`,
        'ok reports: the collector accepts them with the token in --token-file; nothing was stored for this check',
      ]);
      expect(stored.size).toBe(0);
    });
  });

  test('without tokens, reports are accepted without one', async () => {
    const { host, stored } = await startCollector({});

    await expect(check(`${scheme}://${host}`)).resolves.toBe(
      'ok reports: the collector accepts them without a token; nothing was stored for this check',
    );
    expect(stored.size).toBe(0);
  });

  test('too many requests are a warning, since a report would be sent again later', async () => {
    const { host } = await startCollector({ requestsPerSecondPerAddress: 0.2 });
    await check(`${scheme}://${host}`);

    await expect(check(`${scheme}://${host}`)).resolves.toMatch(
      /^warn reports: not checked: .*reports are sent again later/,
    );
  });
});

test('a collector that does not know validate_only has nothing to store, and its answer tells of the token', async () => {
  const { url, stored } = await startOldCollector('the-token');
  await withFiles({ right: 'the-token', wrong: 'another' }, async (dir) => {
    await expect(check(url, `${dir}/right`)).resolves.toMatch(/^ok reports: /);
    await expect(check(url, `${dir}/wrong`)).resolves.toMatch(/^FAIL reports: .*--token-file/);
  });
  expect(stored).toStrictEqual([]);
});

test.each([
  [204, /^warn reports: not checked: http:.*responds to an empty body with 204/],
  [403, /^FAIL reports: .*with 403: reports of this client are not permitted/],
  [404, /^FAIL reports: .*Is the path in --database right/],
  [429, /^warn reports: not checked: /],
  [500, /^warn reports: not checked: /],
])('status %d of an HTTP server does not show that it accepts reports', async (status, line) => {
  const server = await startServer((_body, response) => {
    response.writeHead(response.req.method === 'GET' ? 200 : status).end();
  });
  closers.push(() => server.close());

  await expect(check(server.url)).resolves.toMatch(line);
});
