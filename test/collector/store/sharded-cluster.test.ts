import { MongoClient } from 'mongodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPointReader, POINTS } from '../../../src/collector/statistics/point-store.ts';
import { type DatabaseStore, openMongoStore } from '../../../src/collector/store/mongo-store.ts';
import type { Outcome } from '../../../src/report/report-sink.ts';
import { makeEmbeddedDatabase } from '../../support/database.ts';
import { openShardedCluster, type ShardedCluster } from '../../support/replica-set/sharded-cluster.ts';
import { makeReport } from '../../support/reports.ts';
import { type RunningDatabase, startDatabase } from '../../support/running-database.ts';

const RECEIVED_AT = new Date('2026-11-21T10:00:00.123Z');

let database: RunningDatabase;
let cluster: ShardedCluster;
let store: DatabaseStore;

beforeAll(async () => {
  database = await startDatabase(makeEmbeddedDatabase);
  cluster = await openShardedCluster(database.uri);
  const options = { appName: 'spartakus-test', connectTimeoutMs: 2_000, storeTimeoutMs: 2_000 };
  store = await openMongoStore({ ...options, uri: cluster.uri });
});
afterAll(async () => {
  await store.close();
  await cluster.close();
  await database.close();
});

const makeReports = (count = 8) => Array.from({ length: count }, makeReport);
const put = async (reports: ReturnType<typeof makeReports>): Promise<readonly Outcome[]> =>
  await store.put(reports.map((report) => ({ report, receivedAt: RECEIVED_AT })));
const countOf = async (reports: ReturnType<typeof makeReports>): Promise<number> =>
  (await database.reports()).countDocuments({ clusterID: { $in: reports.map(({ clusterId }) => clusterId) } });
const STORED = Array.from({ length: 8 }, (): Outcome => ({ status: 'stored' }));

test('a write that the step-down of a shard interrupts is repeated, and stores each report once', async () => {
  const reports = makeReports();
  cluster.interruptNextWrite();

  await expect(put(reports)).resolves.toStrictEqual(STORED);

  expect(cluster.repeatedWrites).toBe(1);
  await expect(countOf(reports)).resolves.toBe(8);
});

test('when a router ends, writes go to another one', async () => {
  for (const router of [0, 1]) {
    const batches = Array.from({ length: 4 }, () => makeReports());
    cluster.killRouter(router);

    const outcomes = await Promise.all(batches.map(put));

    expect(outcomes.flat().filter(({ status }) => status === 'failed')).toStrictEqual([]);
    await cluster.recoverRouter(router);
    await expect(countOf(batches.flat())).resolves.toBe(32);
    await expect.poll(() => store.check()).toBeUndefined();
  }
});

test('while a shard is unavailable, its reports are rejected as retryable, and all others are stored', async () => {
  const client = await new MongoClient(cluster.uri).connect();
  await client.db('admin').command({ shardCollection: 'spartakus.reports', key: { _id: 'hashed' } });
  await client.close();
  expect(cluster.adminCommands).toMatchObject([{ shardCollection: 'spartakus.reports' }]);
  const reports = makeReports(32);
  cluster.setUnavailable(1);

  const outcomes = await put(reports);

  const failed = outcomes.filter((outcome) => outcome.status === 'failed');
  expect(failed.length).toBeGreaterThan(0);
  expect(failed.length).toBeLessThan(32);
  for (const { error } of failed) expect(error).toMatchObject({ kind: 'unavailable', retryAfterMs: 5_000 });
  await expect(countOf(reports)).resolves.toBe(32 - failed.length);
  await expect(store.check()).resolves.toBeUndefined();
  await expect(store.hasReportsFrom(reports[0]?.clusterId ?? '')).rejects.toMatchObject({ kind: 'unavailable' });

  cluster.setUnavailable(undefined);
  const again = await put(reports);
  expect(again.map(({ status }) => status)).toStrictEqual(
    outcomes.map(({ status }) => (status === 'failed' ? 'stored' : 'duplicate')),
  );
  await expect(countOf(reports)).resolves.toBe(32);
});

test('routers are asked for secondaries for figures only', async () => {
  await store.hasReportsFrom('unknown');
  await createPointReader(() => store.figuresDatabase?.() ?? store.database()).lastDay();

  expect(cluster.commands.filter(({ readPreference }) => readPreference !== undefined)).toMatchObject([
    { collection: POINTS, readPreference: { mode: 'secondaryPreferred', maxStalenessSeconds: 120 } },
  ]);
});
