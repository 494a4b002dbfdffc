import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { CollectorService, Outcome } from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { openStore } from '../../src/collector/store/open.ts';
import type { ReportStore } from '../../src/report/report-sink.ts';
import { sendLegacy, PROTOCOL_CLIENTS } from '../contract/protocols.ts';
import { makeReport } from '../contract/report-sink.ts';
import { type LocalCollector, startCollectorOn } from '../support/collector.ts';
import { makeTestDatabase, type TestDatabase } from '../support/database.ts';

/** Two collectors on one database, whose engine lives in this process beside them. */
let database: TestDatabase;
let engine: ReportStore;
let collectors: readonly [LocalCollector, LocalCollector];

beforeAll(async () => {
  database = await makeTestDatabase();
  engine = await openStore(database.spec, {
    appName: 'spartakus-test',
    storeTimeoutMs: 10_000,
    stdout: process.stdout,
  });
});

beforeEach(async () => {
  await (await database.reports()).deleteMany({});
  const uri = await database.uri();
  collectors = [await startCollectorOn(uri), await startCollectorOn(uri)];
});

afterEach(() => Promise.all(collectors.map((collector) => collector.close())));

afterAll(() => database.remove(() => engine.close()));

const countStored = async (): Promise<number> => (await database.reports()).countDocuments();

/** Sends a report by every way in at the same moment, and counts what each was told. */
async function sendEverywhere(report: Report, urls: readonly string[]): Promise<Record<string, number>> {
  const clients = urls.flatMap((url) => PROTOCOL_CLIENTS.map(({ open }) => open(url)));
  const answers = await Promise.all(clients.map((client) => client.send(report)));
  for (const client of clients) client.close();
  const told: Record<string, number> = {};
  for (const { outcome } of answers) told[outcome] = (told[outcome] ?? 0) + 1;
  return told;
}

test('the same report over every protocol at once is stored once, and one client alone is told so', async () => {
  await expect(sendEverywhere(makeReport(), [collectors[0].url])).resolves.toStrictEqual({
    stored: 1,
    duplicate: PROTOCOL_CLIENTS.length - 1,
  });
  await expect(countStored()).resolves.toBe(1);
});

test('the same report to two collectors on one database at once is stored once, and one client alone is told so', async () => {
  const urls = collectors.map(({ url }) => url);

  for (let round = 1; round <= 5; round += 1) {
    await expect(sendEverywhere(makeReport(), urls)).resolves.toStrictEqual({
      stored: 1,
      duplicate: 2 * PROTOCOL_CLIENTS.length - 1,
    });
    await expect(countStored()).resolves.toBe(round);
  }
});

test('the same report a hundred times in one stream, and so in the same batches, is stored once', async () => {
  const report = makeReport();
  const requests = async function* () {
    for (let time = 0; time < 100; time += 1) yield await Promise.resolve({ report });
  };
  const outcomes: (Outcome | undefined)[] = [];
  for await (const { receipt } of createClient(
    CollectorService,
    createGrpcTransport({ baseUrl: collectors[0].url }),
  ).streamReports(requests())) {
    outcomes.push(receipt?.outcome);
  }

  expect(outcomes.filter((outcome) => outcome === Outcome.STORED)).toHaveLength(1);
  expect(outcomes.filter((outcome) => outcome === Outcome.DUPLICATE)).toHaveLength(99);
  await expect(countStored()).resolves.toBe(1);
});

test('a report that was stored before a restart is a duplicate after it', async () => {
  const report = makeReport();
  await sendEverywhere(report, [collectors[0].url]);
  await collectors[0].close();
  const again = await startCollectorOn(await database.uri());

  await expect(sendEverywhere(report, [again.url])).resolves.toStrictEqual({ duplicate: PROTOCOL_CLIENTS.length });
  await expect(countStored()).resolves.toBe(1);
  await again.close();
});

test('plain JSON with a reportID is stored once however often it comes, and without one each time', async () => {
  const report = makeReport();
  const send = async (): Promise<number> => (await sendLegacy(collectors[0].url, report)).status;

  await expect(Promise.all([send(), send(), send()])).resolves.toStrictEqual([204, 204, 204]);
  await expect(countStored()).resolves.toBe(1);
  report.reportId = '';
  await expect(Promise.all([send(), send()])).resolves.toStrictEqual([204, 204]);
  await expect(countStored()).resolves.toBe(3);
});
