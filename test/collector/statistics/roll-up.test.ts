import { createHash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import * as fc from 'fast-check';
import type { Db } from 'mongodb';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { DayPoint, SizesPoint, ValuesPoint } from '../../../src/collector/statistics/day-point.ts';
import { createFacts } from '../../../src/collector/statistics/facts.ts';
import { rebuild } from '../../../src/collector/statistics/rebuild.ts';
import { replayDirtyDays } from '../../../src/collector/statistics/replay.ts';
import { deleteCluster } from '../../../src/collector/statistics/retention.ts';
import { maintainBase, rollUp, type RollUpOptions } from '../../../src/collector/statistics/roll-up.ts';
import { markDirty, readState } from '../../../src/collector/statistics/state.ts';
import { parseDatabase } from '../../../src/collector/store/database-spec.ts';
import { openStore } from '../../../src/collector/store/open.ts';
import { toDocument } from '../../../src/report/stored-document.ts';
import { makeTestDatabase, type TestDatabase } from '../../support/database.ts';
import { plainDay, plainPoint, type PlainReport } from '../../support/plain-statistics.ts';
import { sampled } from '../../support/sampled.ts';

const HOUR_MS = 3_600_000;
const START = Date.parse('2026-01-27T10:00:00Z');
const WINDOW = 3;
const config = { activeWindowDays: WINDOW, overlapMs: 120_000, minChanged: 3 };
const makeFacts = createFacts();
const KILLED = new Error('killed');

let database: TestDatabase;
let db: Db;
let store: Awaited<ReturnType<typeof openStore>>;
let nowMs = START;
let ids = 0;

beforeAll(async () => {
  database = await makeTestDatabase();
  store = await openStore(parseDatabase(database.spec), {
    appName: 'test',
    storeTimeoutMs: 10_000,
    stdout: process.stdout,
  });
  db = await database.db();
});
afterAll(() => database.remove(() => store.close()));

beforeEach(reset);

async function reset(): Promise<void> {
  for (const { name } of await db.listCollections().toArray()) await db.collection(name).deleteMany({});
  nowMs = START;
}

/** One collector; the lease has a test of its own. */
async function options(onStep?: RollUpOptions['onStep']): Promise<RollUpOptions> {
  await db
    .collection<{ _id: string }>('statisticsState')
    .updateOne({ _id: 'rollUp' }, { $set: { lease: { owner: 'test', until: new Date(8e15) } } }, { upsert: true });
  return {
    clock: { now: () => new Date(nowMs) },
    config,
    lease: { owner: 'test', assertHeld: () => undefined },
    makeFacts,
    newEpoch: () => `epoch-${(ids += 1)}`,
    onStep,
  };
}

async function update(onStep?: RollUpOptions['onStep']): Promise<void> {
  const given = await options(onStep);
  if ((await readState(db)).watermark === undefined) await rebuild(db, given);
  await rollUp(db, given);
  await maintainBase(db, given);
}

interface Sent {
  readonly cluster: number;
  readonly version: number;
  readonly nodes: number;
  readonly images: number;
  /** Days between observation and receipt; -1 for a clock that is ahead, undefined for an old client. */
  readonly ageDays: number | undefined;
  readonly quarantined: boolean;
  readonly hasFacts: boolean;
}

const VERSIONS = ['v1.30.1', 'v1.30.2', 'v1.31.0', undefined];
const IMAGES = ['Debian GNU/Linux 12 (bookworm)', 'Ubuntu 24.04 LTS', 'Ubuntu 22.04 LTS'];

async function store1({ cluster, version, nodes, images, ageDays, quarantined, hasFacts }: Sent): Promise<void> {
  ids += 1;
  const receivedAt = new Date(nowMs - (ids % 50) * 1000);
  const report = create(ReportSchema, {
    reportId: `report-${ids}`,
    version: 'v2.0.0',
    clusterId: `cluster-${cluster}`,
    masterVersion: VERSIONS[version],
    observedAt:
      ageDays === undefined ? undefined : timestampFromDate(new Date(receivedAt.getTime() - ageDays * 24 * HOUR_MS)),
    nodes: Array.from({ length: nodes }, (_, index) => ({
      id: `${index}`,
      osImage: IMAGES[index % images],
      capacity: [{ resource: 'cpu', value: '4' }],
    })),
    extensions: version === 1 ? [{ name: 'example.com/a', value: '1' }] : [],
  });
  const facts = hasFacts ? makeFacts(report, { receivedAt, dialect: 'report' }) : undefined;
  const document = toDocument(report, receivedAt, { facts, quarantined: quarantined || undefined });
  await (await database.reports()).insertOne(document);
}

async function readRaw(): Promise<PlainReport[]> {
  return (await db.collection('reports').find().toArray()) as unknown as PlainReport[];
}

/** A stored document in the form of plainPoint. */
function simplify({ answers, ...point }: DayPoint): object {
  const values: Record<string, object> = {};
  for (const key of ['masterVersion', 'nodes/osImage', 'extensions']) {
    const { reporting, values: fine, coarse } = answers[key] as ValuesPoint;
    const counts = (list: ValuesPoint['values']): object =>
      Object.fromEntries(
        list
          .map(({ value, clusters, nodes = 0 }) => [value, { clusters, nodes }] as const)
          .toSorted(([left], [right]) => (left < right ? -1 : 1)),
      );
    if (reporting > 0) values[key] = { reporting, counts: counts(fine) };
    if (reporting > 0 && key === 'masterVersion') values[`${key} coarse`] = { reporting, counts: counts(coarse ?? []) };
  }
  const { amount } = answers['nodes'] as SizesPoint;
  const capacity = answers['nodes/capacity'];
  const [cpu] = capacity?.kind === 'amounts' ? capacity.amounts : [];
  const { upgrades } = answers['upgrades'] as Extract<DayPoint['answers'][string], { kind: 'upgrades' }>;
  const { cohorts } = answers['cohorts'] as Extract<DayPoint['answers'][string], { kind: 'cohorts' }>;
  return {
    clusters: point.clusters,
    nodes: point.nodes,
    newClusters: point.newClusters,
    returningClusters: point.returningClusters,
    lostClusters: point.lostClusters,
    values,
    sizes: { clusters: amount?.clusters ?? 0, total: amount?.total ?? 0, median: amount?.percentiles[2] },
    cpus: { clusters: cpu?.clusters ?? 0, total: cpu?.total ?? 0 },
    cohorts: Object.fromEntries(
      cohorts.map(({ month, active }) => [
        month,
        Object.fromEntries(
          active.flatMap((clusters, age) => (clusters === 0 ? [] : [[shiftMonth(month, age), clusters] as const])),
        ),
      ]),
    ),
    upgrades: Object.fromEntries(
      upgrades
        .map(({ from, to, clusters, medianDays }) => [`${from} to ${to}`, { clusters, medianDays }] as const)
        .toSorted(([left], [right]) => (left < right ? -1 : 1)),
    ),
  };
}

function shiftMonth(month: string, months: number): string {
  const date = new Date(`${month}-01T00:00:00Z`);
  date.setUTCMonth(date.getUTCMonth() + months);
  return plainDay(date).slice(0, 7);
}

async function readPoints(): Promise<Record<string, object>> {
  const points = await db.collection<DayPoint>('statistics').find().sort({ _id: 1 }).toArray();
  return Object.fromEntries(points.map((point) => [point._id, simplify(point)]));
}

function withoutEmpty(points: Record<string, object>): object {
  return Object.fromEntries(
    Object.entries(points).filter(
      ([, point]) =>
        !('clusters' in point && 'lostClusters' in point && point.clusters === 0 && point.lostClusters === 0),
    ),
  );
}

/** What the stored figures of these days must be. */
async function expectedPoints(days: readonly string[]): Promise<Record<string, object>> {
  const raw = await readRaw();
  return Object.fromEntries(days.map((day) => [day, plainPoint(raw, day, WINDOW)]));
}

async function expectExact(): Promise<void> {
  const points = await readPoints();
  expect(points).toStrictEqual(await expectedPoints(Object.keys(points)));
}

type Action =
  | { readonly kind: 'send'; readonly reports: readonly Sent[] }
  | { readonly kind: 'wait'; readonly hours: number }
  | { readonly kind: 'release' | 'erase' | 'twice' | 'kill'; readonly cluster: number };

const sent: fc.Arbitrary<Sent> = fc.record({
  cluster: fc.nat(5),
  version: fc.nat(3),
  nodes: fc.nat(4),
  images: fc.integer({ min: 1, max: 3 }),
  ageDays: fc.oneof(
    { weight: 5, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 2, arbitrary: fc.constantFrom(-1, 1, 2, 5, 9, 500, -3) },
  ),
  quarantined: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.constant(true)),
  hasFacts: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false)),
});

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('send' as const), reports: fc.array(sent, { maxLength: 6 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), hours: fc.integer({ min: 1, max: 60 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('release' as const, 'erase' as const, 'twice' as const, 'kill' as const),
      cluster: fc.nat(8),
    }),
  },
);

async function perform(step: Action): Promise<void> {
  const reports = db.collection('reports');
  switch (step.kind) {
    case 'send':
      for (const report of step.reports) await store1(report);
      nowMs += 1;
      return await update();
    case 'wait':
      nowMs += step.hours * HOUR_MS;
      return await update();
    case 'twice':
      await Promise.all([update(), update()]);
      return;
    case 'kill': {
      let left = step.cluster;
      return await update(() => {
        left -= 1;
        if (left < 0) throw KILLED;
      }).catch((error: unknown) => {
        if (error !== KILLED) throw error;
      });
    }
    case 'erase':
      await deleteCluster(db, `cluster-${step.cluster}`, new Date(nowMs));
      return;
    case 'release': {
      const filter = { clusterID: `cluster-${step.cluster}`, quarantined: true };
      const days = (await reports.find(filter).toArray()).map(
        (each) => (each['facts'] as { day?: string } | null)?.day,
      );
      await reports.updateMany(filter, { $unset: { quarantined: '' } });
      for (const day of days) if (day !== undefined) await markDirty(db, day);
    }
  }
}

const HISTORIES = Number(process.env['SPARTAKUS_TEST_HISTORIES'] ?? sampled(2, 100));
const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);

test('the figures of all days are those of a plain loop over the raw reports, after any history and after a rebuild', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 4, maxLength: 14 }), async (history) => {
      await reset();
      for (const step of history) await perform(step);
      await update();
      await replayDirtyDays(db, await options());
      await update();
      await expectExact();

      const incremental = await readPoints();
      await rebuild(db, await options());
      await update();
      // A rebuild begins with the first raw report.
      expect(withoutEmpty(await readPoints())).toStrictEqual(withoutEmpty(incremental));
      await expectExact();
    }),
    { numRuns: HISTORIES },
  );
});

test.each([
  ['few reports', 1],
  ['many reports', 250],
])('reports whose write ends during a roll-up of %s count in the next one', async (_what, count) => {
  const cluster = { version: 0, nodes: 2, images: 2, ageDays: 0, quarantined: false, hasFacts: true };
  await store1({ ...cluster, cluster: 1 });
  nowMs += 1;
  await update();
  await Promise.all(Array.from({ length: count }, (_, index) => store1({ ...cluster, cluster: 100 + index })));
  nowMs += 1;

  let isLate = true;
  await update(async (step) => {
    if (step !== 'before' || !isLate) return;
    isLate = false;
    await store1({ ...cluster, cluster: 1, version: 2, nodes: 3 });
    await store1({ ...cluster, cluster: 2 });
  });
  await update();

  expect(Object.keys(await readPoints())).toStrictEqual([plainDay(new Date(nowMs))]);
  await expectExact();
});

test(`a collector that is killed after any step, and goes on later, loses and doubles nothing (seed ${SEED})`, async () => {
  const cluster = { version: 0, nodes: 2, images: 2, ageDays: 0, quarantined: false, hasFacts: true };
  const steps = new Set<string>();
  const fill = async (): Promise<void> => {
    await reset();
    await store1({ ...cluster, cluster: 1 });
    nowMs += 1;
    await update();
    nowMs += 30 * HOUR_MS;
    await store1({ ...cluster, cluster: 1, version: 2, nodes: 3 });
    await store1({ ...cluster, cluster: 2, hasFacts: false });
    await store1({ ...cluster, cluster: 3, ageDays: 2 });
    nowMs += 1;
  };
  const finish = async (onStep?: RollUpOptions['onStep']): Promise<void> => {
    await update(onStep);
    await replayDirtyDays(db, await options(onStep));
    await update(onStep);
    await rebuild(db, await options(onStep));
    await update(onStep);
  };
  await fill();
  await finish((step) => void steps.add(step));
  const expected = await readPoints();
  expect([...steps]).toStrictEqual(
    expect.arrayContaining(['before', 'merge', 'sums', 'point', 'replayed day', 'replaced clusters']),
  );

  const part = sampled(5, 1);
  const tried = [...steps].filter((_, index) => index % part === SEED % part);
  for (const killedAt of tried) {
    await fill();
    let isAlive = true;
    const killed = finish((step) => {
      if (step !== killedAt || !isAlive) return;
      isAlive = false;
      throw KILLED;
    });
    await expect(killed).rejects.toBe(KILLED);
    await update();
    await replayDirtyDays(db, await options());
    await expectExact();
    expect(await readPoints()).toStrictEqual(expected);
  }
});

test('a report of 1970, inserted by hand, does not make a rebuild endless', async () => {
  await store1({ cluster: 1, version: 0, nodes: 1, images: 1, ageDays: 0, quarantined: false, hasFacts: true });
  nowMs += 1;
  await db.collection('reports').insertOne({ clusterID: 'old', receivedAt: new Date(0) });
  const given = await options();
  let days = 0;
  await rebuild(db, { ...given, onProgress: ({ total }) => (days = total) });

  expect(days).toBe(2);
});

test('of many clusters, which are merged in parts at the same time, each is counted once', async () => {
  const hashes = Array.from({ length: 400 }, (_, index) => createHash('sha256').update(String(index)).digest('hex'));
  const receivedAt = new Date(nowMs - 1);
  await db.collection('reports').insertMany([...hashes, 'Z', '~', '0'].map((clusterID) => ({ clusterID, receivedAt })));
  await update();
  await db.collection('reports').insertMany(hashes.map((clusterID) => ({ clusterID, receivedAt })));
  await update();

  await expect(db.collection('statistics').findOne()).resolves.toMatchObject({ clusters: 403, newClusters: 403 });
});
