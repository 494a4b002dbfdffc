import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { Db } from 'mongodb';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { DayPoint } from '../../../src/collector/statistics/day-point.ts';
import { createFactMaker, createFacts, type Facts } from '../../../src/collector/statistics/facts.ts';
import { withLease } from '../../../src/collector/statistics/lease.ts';
import type { RebuildProgress } from '../../../src/collector/statistics/rebuild.ts';
import { markDirty } from '../../../src/collector/statistics/state.ts';
import {
  createUpdate,
  eraseCluster,
  rebuildStatistics,
  startStatistics,
} from '../../../src/collector/statistics/statistics.ts';
import { createQuarantineStore } from '../../../src/collector/store/quarantine-store.ts';
import { toDocument, toKubermaticDocument } from '../../../src/report/stored-document.ts';
import { type Clock, systemClock } from '../../../src/runtime/clock.ts';
import { startCollectorOn } from '../../support/collector.ts';
import { PROTOCOL_CLIENTS } from '../../support/protocols.ts';
import { makeReport } from '../../support/reports.ts';
import { type RunningDatabase, startDatabase } from '../../support/running-database.ts';

const START_MS = Date.parse('2026-11-21T12:00:00Z');
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const SETTINGS = { activeWindowDays: 30, retainMs: 400 * DAY_MS };
const makeFacts = createFacts();

let database: RunningDatabase;
let db: Db;
let nowMs = START_MS;
let ids = 0;

const clock: Clock = { now: () => new Date(nowMs), sleep: (ms, signal) => systemClock.sleep(ms, signal) };
const newId = (): string => `id-${(ids += 1)}`;

beforeAll(async () => {
  database = await startDatabase();
  db = (await database.reports()).db;
});
afterAll(() => database.close());

beforeEach(async () => {
  for (const { name } of await db.listCollections().toArray()) await db.collection(name).deleteMany({});
  nowMs = START_MS;
});

interface Added {
  readonly daysAgo?: number;
  /** Days between observation and receipt. */
  readonly ageDays?: number;
  readonly hasFacts?: boolean;
}

async function addReports(
  clusters: readonly string[],
  { daysAgo = 0, ageDays = 0, hasFacts = true }: Added = {},
): Promise<void> {
  const receivedAt = new Date(nowMs - daysAgo * DAY_MS - 1_000);
  const observedAt = timestampFromDate(new Date(receivedAt.getTime() - ageDays * DAY_MS));
  const documents = clusters.map((clusterId) => {
    const report = create(ReportSchema, {
      reportId: newId(),
      clusterId,
      observedAt,
      masterVersion: 'v1.31.0',
      nodes: [{ id: 'n' }],
    });
    const facts = hasFacts ? makeFacts(report, { receivedAt, dialect: 'report' }) : undefined;
    return toDocument(report, receivedAt, { facts });
  });
  await (await database.reports()).insertMany(documents);
}

function createUpdater(settings = SETTINGS): ReturnType<typeof createUpdate> {
  const quiet = () => undefined;
  const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  return createUpdate({ database: () => db, clock, logger, newId, settings }, new AbortController().signal);
}

/** The active clusters by day. */
async function activeClusters(): Promise<Record<string, number>> {
  const points = await db.collection<DayPoint>('statistics').find().sort({ _id: 1 }).toArray();
  return Object.fromEntries(points.map(({ _id, clusters }) => [_id, clusters]));
}

test('the first update counts the reports that an older release stored without facts', async () => {
  await addReports(['a', 'b'], { daysAgo: 2, hasFacts: false });
  await addReports(['c'], { hasFacts: false });

  const { update, status } = createUpdater();
  await update();

  await expect(activeClusters()).resolves.toStrictEqual({ '2026-11-19': 2, '2026-11-20': 2, '2026-11-21': 3 });
  expect(status()).toMatchObject({ lastAt: new Date(nowMs), failures: 0, dirtyDays: 0 });
});

test('the nodes of a report without facts are counted, however many there are', async () => {
  const report = create(ReportSchema, {
    reportId: newId(),
    clusterId: 'large',
    nodes: Array.from({ length: 1_201 }, (_, index) => ({ architecture: index < 1_200 ? 'arm64' : 'amd64' })),
  });
  await (await database.reports()).insertOne(toDocument(report, new Date(nowMs - 1_000)));

  await createUpdater().update();

  await expect(db.collection('statistics').findOne()).resolves.toMatchObject({
    nodes: 1_201,
    answers: {
      'nodes/architecture': {
        values: [
          { value: 'amd64', nodes: 1 },
          { value: 'arm64', nodes: 1_200 },
        ],
      },
    },
  });
});

test('an update counts new reports once, and the days between two updates', async () => {
  const { update, status } = createUpdater();
  await update();
  nowMs += MINUTE_MS;
  await addReports(['a', 'b']);
  await update();
  nowMs += MINUTE_MS;
  await update();
  await expect(activeClusters()).resolves.toStrictEqual({ '2026-11-21': 2 });
  expect(status().reports).toBe(2);

  nowMs += 3 * DAY_MS;
  await addReports(['c']);
  await update();
  nowMs += 11 * MINUTE_MS;
  await update();

  await expect(activeClusters()).resolves.toStrictEqual({
    '2026-11-21': 2,
    '2026-11-22': 2,
    '2026-11-23': 2,
    '2026-11-24': 3,
  });
});

test('released reports count, some minutes later, for the days to which they belong', async () => {
  await addReports(['a', 'released'], { daysAgo: 2 });
  const { update } = createUpdater();
  await (await database.reports()).updateMany({ clusterID: 'released' }, { $set: { quarantined: true } });
  await update();
  await expect(activeClusters()).resolves.toStrictEqual({ '2026-11-19': 1, '2026-11-20': 1, '2026-11-21': 1 });

  const onRelease = (day: string) => markDirty(db, day, { now: new Date(nowMs) });
  const quarantine = createQuarantineStore(db, { onRelease });
  const released: number[] = [];
  for await (const count of quarantine.release({}, new AbortController().signal)) released.push(count);
  nowMs += 11 * MINUTE_MS;
  await update();
  nowMs += MINUTE_MS;
  await update();

  expect(released).toStrictEqual([1]);
  await expect(activeClusters()).resolves.toStrictEqual({ '2026-11-19': 2, '2026-11-20': 2, '2026-11-21': 2 });
});

test('several collectors of a database make one update a minute together', async () => {
  await addReports(['a']);
  const [first, second] = [createUpdater(), createUpdater()];
  await first.update();
  await second.update();
  expect([first.status().lastAt, second.status().lastAt]).toStrictEqual([new Date(nowMs), undefined]);

  nowMs += MINUTE_MS;
  await addReports(['b']);
  await second.update();
  await first.update();

  await expect(activeClusters()).resolves.toStrictEqual({ '2026-11-21': 2 });
  expect([first.status().reports, second.status().reports]).toStrictEqual([0, 1]);
});

test('reports are counted also if the clock of another collector is ahead by an hour', async () => {
  nowMs += 60 * MINUTE_MS;
  await createUpdater().update();
  nowMs -= 59 * MINUTE_MS;
  await addReports(['a']);

  await createUpdater().update();

  await expect(activeClusters()).resolves.toStrictEqual({ '2026-11-21': 1 });
});

test('a late report counts today at once, and some minutes later on the days since its observation', async () => {
  await addReports(['a'], { daysAgo: 40 });
  await addReports(['a'], { daysAgo: 5 });
  const { update, status } = createUpdater();
  await update();
  nowMs += MINUTE_MS;
  await addReports(['late'], { ageDays: 3 });
  await update();
  await expect(activeClusters()).resolves.toMatchObject({
    '2026-11-17': 1,
    '2026-11-18': 1,
    '2026-11-20': 1,
    '2026-11-21': 2,
  });
  expect(status().dirtyDays).toBe(3);

  nowMs += 11 * MINUTE_MS;
  await update();

  await expect(activeClusters()).resolves.toMatchObject({
    '2026-11-17': 1,
    '2026-11-18': 2,
    '2026-11-20': 2,
    '2026-11-21': 2,
  });
  expect(status().dirtyDays).toBe(0);
});

test('while another collector has the lease, an update does nothing and waits for nothing', async () => {
  await addReports(['a']);
  const { update, status } = createUpdater();

  await withLease(db, { owner: 'other', clock: systemClock, leaseMs: 60_000 }, async () => {
    await update();
    await expect(activeClusters()).resolves.toStrictEqual({});
    expect(status()).toMatchObject({ lastAt: undefined, failures: 0 });
  });
  await update();

  await expect(activeClusters()).resolves.toStrictEqual({ '2026-11-21': 1 });
});

test('raw reports are deleted after their time, but not with a time of 0, and figures stay as they are', async () => {
  await addReports(['old', 'kept'], { daysAgo: 41 });
  await addReports(['kept'], { daysAgo: 39 });
  await addReports(['new']);
  await createUpdater({ ...SETTINGS, retainMs: 0 }).update();
  const before = await activeClusters();
  expect(before).toMatchObject({ '2026-10-11': 2, '2026-10-13': 2, '2026-11-10': 1, '2026-11-21': 1 });
  await expect((await database.reports()).countDocuments()).resolves.toBe(4);

  await createUpdater({ ...SETTINGS, retainMs: 40 * DAY_MS }).update();

  await expect((await database.reports()).distinct('receivedAt')).resolves.toHaveLength(2);
  await rebuildStatistics(db, { clock, newId });
  await expect(activeClusters()).resolves.toStrictEqual(before);
});

test('a cluster is deleted a year after its last report', async () => {
  await addReports(['a', 'b']);
  await createUpdater().update();
  await db.collection<{ _id: string }>('clusters').updateOne({ _id: 'a' }, { $set: { day: '2025-11-20' } });

  await createUpdater().update();

  await expect(db.collection('clusters').distinct('_id')).resolves.toStrictEqual(['b']);
});

test('installations of Kubermatic are counted by their last record, and not as clusters', async () => {
  const makeRecord = (clientUuid: string, daysAgo: number, seeds: number): object => {
    const receivedAt = new Date(nowMs - daysAgo * DAY_MS - 1_000);
    const record = create(RecordSchema, {
      kind: 'kubermatic',
      reportId: newId(),
      clientUuid,
      time: timestampFromDate(receivedAt),
      kubermaticEdition: 'Enterprise Edition',
      kubermaticVersion: 'v2.25.3',
      seeds: Array.from({ length: seeds }, () => ({})),
      clusters: [
        { kubernetesServerVersion: '1.30.1', cloud: { providerName: 'hetzner' } },
        { kubernetesServerVersion: '1.31.2', cloud: { providerName: 'unheard of' } },
      ],
    });
    const facts = createFactMaker()(record, { receivedAt, dialect: 'kubermatic' });
    return toKubermaticDocument(record, receivedAt, { facts });
  };
  await db
    .collection('kubermaticRecords')
    .insertMany([makeRecord('a', 1, 1), makeRecord('a', 0, 3), makeRecord('b', 0, 1)]);
  await addReports(['a']);
  const { update } = createUpdater();
  await update();

  const point = await db.collection<DayPoint>('statistics').findOne({ _id: '2026-11-21' });
  expect(point).toMatchObject({
    clusters: 1,
    newClusters: 1,
    answers: {
      'kubermatic/seeds': { reporting: 2, amount: { total: 4 } },
      'kubermatic/kubermaticVersion': {
        values: [{ value: 'v2.25.3', clusters: 2 }],
        coarse: [{ value: '2.25', clusters: 2 }],
      },
      'kubermatic/clusters/kubernetesServerVersion': {
        coarse: [
          { value: '1.30', clusters: 2 },
          { value: '1.31', clusters: 2 },
        ],
      },
      'kubermatic/clusters/cloud/provider': { values: [{ value: 'hetzner', clusters: 2 }] },
    },
  });
  await expect(eraseCluster(db, 'b', { clock, newId })).resolves.toBe(1);
  await expect(db.collection('clusters').countDocuments()).resolves.toBe(2);
});

test('an erased cluster leaves nothing, and soon no trace in the figures', async () => {
  await addReports(['a', 'b'], { daysAgo: 2 });
  const { update } = createUpdater();
  await update();

  await expect(eraseCluster(db, 'a', { clock, newId })).resolves.toBe(1);
  nowMs += 11 * MINUTE_MS;
  await update();

  await expect(activeClusters()).resolves.toStrictEqual({ '2026-11-19': 1, '2026-11-20': 1, '2026-11-21': 1 });
  for (const { name } of await db.listCollections().toArray()) {
    const documents: object[] = await db.collection(name).find().toArray();
    expect(JSON.stringify(documents)).not.toContain('"a"');
  }
});

test('a rebuild reports its progress, waits for a running update, and leaves the key of rounding', async () => {
  await addReports(['a', 'b'], { daysAgo: 2 });
  await createUpdater().update();
  await db.collection<{ _id: string }>('statisticsState').insertOne({ _id: 'roundingKey' });
  await db.collection('statistics').deleteMany({});
  const progress: RebuildProgress[] = [];
  let rebuilding: Promise<void> | undefined;

  await withLease(db, { owner: 'other', clock: systemClock, leaseMs: 60_000 }, async () => {
    rebuilding = rebuildStatistics(db, { clock, newId, onProgress: (each) => progress.push(each) });
    await systemClock.sleep(50);
    expect(progress).toStrictEqual([]);
  });
  await rebuilding;

  await expect(activeClusters()).resolves.toStrictEqual({ '2026-11-19': 2, '2026-11-20': 2, '2026-11-21': 2 });
  expect(progress.at(-1)).toStrictEqual({ step: 'days', done: 4, total: 4 });
  await expect(db.collection<{ _id: string }>('statisticsState').countDocuments({ _id: 'roundingKey' })).resolves.toBe(
    1,
  );
});

test('an outage of the database is logged once, and the updates go on after it', async () => {
  await addReports(['a']);
  const lines: string[] = [];
  const log = (_fields: object, message: string): void => void lines.push(message);
  let failures = 3;
  const statistics = startStatistics({
    database: () => {
      failures -= 1;
      if (failures >= 0) throw new Error('the engine is starting');
      return db;
    },
    clock: { now: () => clock.now(), sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 5), signal) },
    logger: { debug: log, info: log, warn: log, error: log },
    newId,
    settings: SETTINGS,
  });

  await expect.poll(() => lines).toHaveLength(2);
  await statistics.close();
  await expect(activeClusters()).resolves.toStrictEqual({ '2026-11-21': 1 });

  expect(statistics.status().failures).toBe(3);
  expect(lines).toStrictEqual([
    'the statistics could not be updated: they are tried again every minute',
    'the statistics are up to date again',
  ]);
});

test('a collector stores facts with each report, counts reports at its start, and has metrics', async () => {
  const collector = await startCollectorOn(database.uri, {
    statistics: SETTINGS,
    console: { listen: { host: '127.0.0.1', port: 0 } },
  });
  const [protocol] = PROTOCOL_CLIENTS;
  const client = protocol!.open(collector.url);
  await client.send(makeReport());
  client.close();

  const stored = await (await database.reports()).findOne();
  expect(stored).toMatchObject({ facts: { v: 1, nodes: 1 } });
  expect((stored?.facts as Facts | undefined)?.f).toContain('5/2\tlinux\n');
  await expect
    .poll(async () => await (await fetch(`${collector.consoleUrl}/metrics`)).text())
    .toMatch(/^spartakus_collector_statistics_last_update_timestamp_seconds [1-9]/m);
  await collector.close();
  await expect(db.collection('statistics').countDocuments()).resolves.toBeGreaterThan(0);
});
