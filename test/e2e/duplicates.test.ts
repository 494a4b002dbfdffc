import http2 from 'node:http2';
import { fromBinary } from '@bufbuild/protobuf';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Outcome, StreamReportsResponseSchema } from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { type LocalCollector, startCollectorOn } from '../support/collector.ts';
import { PROTOCOL_CLIENTS, sendLegacy } from '../support/protocols.ts';
import { openCall, readMessages, STREAM_PATH, streamFrame } from '../support/raw-grpc.ts';
import { makeReport } from '../support/reports.ts';
import { type RunningDatabase, startDatabase } from '../support/running-database.ts';

let database: RunningDatabase;
/** Two collectors on one database. */
let collectors: readonly [LocalCollector, LocalCollector];

beforeAll(async () => {
  database = await startDatabase();
});

beforeEach(async () => {
  await (await database.reports()).deleteMany({});
  collectors = [await startCollectorOn(database.uri), await startCollectorOn(database.uri)];
});

afterEach(() => Promise.all(collectors.map((collector) => collector.close())));

afterAll(() => database.close());

const countStored = async (): Promise<number> => (await database.reports()).countDocuments();

/** Sends a report by every protocol at the same time, and counts the outcomes. */
async function sendEverywhere(report: Report, urls: readonly string[]): Promise<Record<string, number>> {
  const clients = urls.flatMap((url) => PROTOCOL_CLIENTS.map(({ open }) => open(url)));
  const replies = await Promise.all(clients.map((client) => client.send(report)));
  for (const client of clients) client.close();
  const outcomes: Record<string, number> = {};
  for (const { outcome } of replies) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  return outcomes;
}

test('the same report over every protocol at once is stored once, and a single client receives STORED', async () => {
  await expect(sendEverywhere(makeReport(), [collectors[0].url])).resolves.toStrictEqual({
    stored: 1,
    duplicate: PROTOCOL_CLIENTS.length - 1,
  });
  await expect(countStored()).resolves.toBe(1);
});

test('the same report to two collectors on one database at once is stored once, and a single client receives STORED', async () => {
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
  const frame = streamFrame(makeReport());
  const session = http2.connect(collectors[0].url);
  const stream = openCall(session, STREAM_PATH);
  stream.end(Buffer.concat(Array.from({ length: 100 }, () => frame)));
  const messages = await readMessages(stream);
  session.close();
  const outcomes = messages.map((bytes) => fromBinary(StreamReportsResponseSchema, bytes).receipt?.outcome);

  expect(outcomes.filter((outcome) => outcome === Outcome.STORED)).toHaveLength(1);
  expect(outcomes.filter((outcome) => outcome === Outcome.DUPLICATE)).toHaveLength(99);
  await expect(countStored()).resolves.toBe(1);
});

test('a report that was stored before a restart is a duplicate after it', async () => {
  const report = makeReport();
  await sendEverywhere(report, [collectors[0].url]);
  await collectors[0].close();
  const again = await startCollectorOn(database.uri);

  await expect(sendEverywhere(report, [again.url])).resolves.toStrictEqual({ duplicate: PROTOCOL_CLIENTS.length });
  await expect(countStored()).resolves.toBe(1);
  await again.close();
});

test('legacy JSON with a reportID is stored once however often it is sent, and without one each time', async () => {
  const report = makeReport();
  const send = async (): Promise<number> => (await sendLegacy(collectors[0].url, report)).status;

  await expect(Promise.all([send(), send(), send()])).resolves.toStrictEqual([204, 204, 204]);
  await expect(countStored()).resolves.toBe(1);
  report.reportId = '';
  await expect(Promise.all([send(), send()])).resolves.toStrictEqual([204, 204]);
  await expect(countStored()).resolves.toBe(3);
});
