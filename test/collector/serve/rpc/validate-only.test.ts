import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterEach, expect, test } from 'vitest';
import { BadRequestSchema } from '../../../../gen/google/rpc/error_details_pb.js';
import { CollectorService, Outcome } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { ExtensionSchema, type Report } from '../../../../gen/spartakus/report/v1/report_pb.js';
import type { Limits } from '../../../../src/collector/serve/admission/limits.ts';
import { LARGE_MESSAGE_BYTES } from '../../../../src/collector/serve/decode/large-decoder.ts';
import { type LocalCollector, startCollectorOn } from '../../../support/collector.ts';
import { withFiles } from '../../../support/files.ts';
import { createMemoryStore, type MemoryStore } from '../../../support/memory-store.ts';
import { legacyJson } from '../../../support/protocols.ts';
import { makeReport } from '../../../support/reports.ts';

const MAX_BYTES = 4 * LARGE_MESSAGE_BYTES;

const CONSOLE = { console: { listen: { port: 0, host: '127.0.0.1' } } };

let collector: LocalCollector | undefined;

afterEach(async () => {
  await collector?.close();
  collector = undefined;
});

interface StartOptions {
  readonly limits?: Partial<Limits>;
  readonly ingestTokensFile?: string;
  readonly hasConsole?: boolean;
}

/** Starts a collector, and returns its store, which counts the lookups of clusters. */
async function start({ limits, ingestTokensFile, hasConsole = false }: StartOptions = {}): Promise<
  MemoryStore & { lookups: number }
> {
  const memory = createMemoryStore();
  const store = {
    ...memory,
    lookups: 0,
    hasReportsFrom(clusterId: string) {
      store.lookups += 1;
      return memory.hasReportsFrom(clusterId);
    },
  };
  const sizes = { maxProtobufBytes: MAX_BYTES, maxJsonBytes: MAX_BYTES };
  collector = await startCollectorOn(
    'memory',
    { ingestTokensFile, ...(hasConsole && CONSOLE), limits: { ...sizes, newClustersPerHourPerAddress: 1, ...limits } },
    { openStore: () => Promise.resolve(store) },
  );
  return store;
}

const TRANSPORTS: readonly (readonly [string, (baseUrl: string) => Transport])[] = [
  ['gRPC', (baseUrl) => createGrpcTransport({ baseUrl })],
  ['gRPC with JSON', (baseUrl) => createGrpcTransport({ baseUrl, useBinaryFormat: false })],
  ['gRPC-Web', (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' })],
  ['Connect', (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2', useBinaryFormat: true })],
  ['Connect with JSON', (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false })],
];

const reportOf = (init: Partial<Report> = {}): Report => Object.assign(makeReport(), init);
/** In parts, because each text has a maximum length. */
const LARGE_EXTENSIONS = Array.from({ length: 40 }, (_, index) =>
  create(ExtensionSchema, { name: `example.com/${index}`, value: 'x'.repeat(LARGE_MESSAGE_BYTES / 32) }),
);
const errorOf = (call: Promise<unknown>): Promise<ConnectError> =>
  call.then(
    () => Promise.reject(new Error('the call succeeded')),
    (error: unknown) => ConnectError.from(error),
  );
const client = (open = TRANSPORTS[0]![1]) => createClient(CollectorService, open(collector?.url ?? ''));

test.each(TRANSPORTS)(
  'over %s, a valid report is validated and not stored, and a wrong one is rejected',
  async (...of) => {
    const store = await start();
    const { submitReport } = client(of[1]);
    for (const extensions of [[], LARGE_EXTENSIONS]) {
      const report = reportOf({ extensions });
      const { receipt } = await submitReport({ report, validateOnly: true });
      expect(receipt).toMatchObject({ reportId: report.reportId, outcome: Outcome.VALIDATED });

      const wrong = reportOf({ extensions, clusterId: '' });
      const asked = await errorOf(submitReport({ report: wrong, validateOnly: true }));
      const sent = await errorOf(submitReport({ report: wrong }));
      expect([asked.code, asked.rawMessage, asked.details]).toStrictEqual([sent.code, sent.rawMessage, sent.details]);
      expect(asked.findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.field).toBe('report.cluster_id');

      expect(store.documents.size).toBe(0);
      await expect(submitReport({ report })).resolves.toMatchObject({ receipt: { outcome: Outcome.STORED } });
      await expect(submitReport({ report, validateOnly: true })).resolves.toStrictEqual(
        expect.objectContaining({ receipt }),
      );
      expect(store.documents.size).toBe(1);
      (store.documents as Map<string, unknown>).clear();
    }

    // No id is made, and without a report only the client is checked.
    await expect(submitReport({ report: reportOf({ reportId: '' }), validateOnly: true })).resolves.toMatchObject({
      receipt: { reportId: '', outcome: Outcome.VALIDATED },
    });
    await expect(submitReport({ validateOnly: true })).resolves.not.toHaveProperty('receipt');
    await expect(errorOf(submitReport({}))).resolves.toMatchObject({ code: Code.InvalidArgument });
  },
);

test.each(TRANSPORTS)('over %s, it needs a token as any report, with and without a report', async (...of) => {
  await withFiles({ tokens: 'the-token\n' }, async (dir) => {
    await start({ ingestTokensFile: `${dir}/tokens` });
    const { submitReport } = client(of[1]);
    const [good, bad] = ['the-token', 'another'].map((token) => ({ headers: { authorization: `Bearer ${token}` } }));

    for (const request of [{ validateOnly: true }, { validateOnly: true, report: makeReport() }]) {
      for (const options of [{}, bad])
        await expect(errorOf(submitReport(request, options))).resolves.toMatchObject({ code: Code.Unauthenticated });
      await expect(submitReport(request, good)).resolves.toBeDefined();
    }
  });
});

test('the response is the same for a duplicate, a known cluster and an unknown one, and asks the database nothing', async () => {
  const store = await start({ limits: { reportsPerHourPerCluster: 2 } });
  const { submitReport } = client();
  const known = reportOf({ clusterId: 'known' });
  await submitReport({ report: known });
  await submitReport({ report: reportOf({ clusterId: 'known' }) });
  const { lookups } = store;
  const validate = async (report: Report) => {
    const { receipt } = await submitReport({ report, validateOnly: true });
    return { ...receipt, reportId: receipt?.reportId === report.reportId };
  };

  const responses = [
    await validate(known),
    // The limits of this cluster, and of new clusters of the address, are reached.
    await validate(reportOf({ clusterId: 'known' })),
    await validate(reportOf({ clusterId: 'unknown' })),
  ];

  expect(responses[0]).toMatchObject({ outcome: Outcome.VALIDATED, reportId: true });
  expect(responses).toStrictEqual([responses[0], responses[0], responses[0]]);
  expect([lookups, store.lookups, store.documents.size]).toStrictEqual([1, 1, 2]);
});

test('it does not make a cluster known, and takes nothing from the limits of the cluster and of new clusters', async () => {
  const store = await start({ limits: { reportsPerHourPerCluster: 1 } });
  const { submitReport } = client();
  const report = reportOf({ clusterId: 'a' });
  for (let count = 0; count < 3; count += 1) await submitReport({ report, validateOnly: true });

  await submitReport({ report: reportOf({ clusterId: 'b' }) });
  await submitReport({ report });

  const stored = [...store.documents.values()].map(({ clusterID, quarantined }) => [clusterID, quarantined]);
  expect(stored).toStrictEqual([
    ['b', undefined],
    ['a', true],
  ]);
});

test('it takes from the requests of the address as any report, and has a counter of its own', async () => {
  await start({ limits: { requestsPerSecondPerAddress: 1 }, hasConsole: true });
  const { submitReport } = client();
  for (let count = 0; count < 5; count += 1) await submitReport({ report: makeReport(), validateOnly: true });

  await expect(errorOf(submitReport({ validateOnly: true }))).resolves.toMatchObject({ code: Code.ResourceExhausted });
  const metrics = await (await fetch(`${collector?.consoleUrl}/metrics`)).text();
  const counted = metrics.split('\n').filter((line) => /reports_total.*protocol="grpc",.* [1-9]/.test(line));
  expect(counted).toStrictEqual([
    'spartakus_collector_reports_total{protocol="grpc",dialect="report",outcome="validated"} 5',
  ]);
});

test('the legacy API rejects a request with the parameter validate_only, and stores nothing', async () => {
  const store = await start();
  const send = (search: string): Promise<Response> =>
    fetch(`${collector?.url}/api/v1?${search}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: legacyJson(makeReport()),
    });

  for (const query of ['validateOnly=true', 'validate_only=true', 'a=b&validateOnly']) {
    const response = await send(query);
    expect(response.status).toBe(400);
    await expect(response.text()).resolves.toContain('/spartakus.collector.v1.CollectorService/SubmitReport');
  }
  expect(store.documents.size).toBe(0);
  expect((await send('pretty')).status).toBe(204);
});
