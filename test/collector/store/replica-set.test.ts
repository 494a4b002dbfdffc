import { toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Report, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { encodeReport } from '../../../src/collector/serve/decode/encode-report.ts';
import { createPointReader, POINTS } from '../../../src/collector/statistics/point-store.ts';
import { parseDatabase } from '../../../src/collector/store/database-spec.ts';
import { type DatabaseStore, openMongoStore } from '../../../src/collector/store/mongo-store.ts';
import { openDatabase } from '../../../src/collector/store/open-database.ts';
import type { Outcome } from '../../../src/report/report-sink.ts';
import { openReplicaSet, type ReplicaSet } from '../../support/replica-set/replica-set.ts';
import { makeReport } from '../../support/reports.ts';
import { type RunningDatabase, startDatabase } from '../../support/running-database.ts';

const OPTIONS = { appName: 'spartakus-test', connectTimeoutMs: 10_000, storeTimeoutMs: 20_000 };
/** Of a store whose writes are to fail. */
const SHORT_TIMEOUT_MS = 800;
const RECEIVED_AT = new Date('2026-11-21T10:00:00.123Z');
const ELECTION_MS = 100;

let database: RunningDatabase;
let set: ReplicaSet;
let store: DatabaseStore;
let hurried: DatabaseStore;

beforeAll(async () => {
  database = await startDatabase();
  set = await openReplicaSet(database.uri);
  // Shorter than by default, to save time.
  const uri = `${set.uri}&wtimeoutMS=150`;
  store = await openMongoStore({ ...OPTIONS, uri });
  hurried = await openMongoStore({ ...OPTIONS, uri, storeTimeoutMs: SHORT_TIMEOUT_MS });
});
afterAll(async () => {
  await Promise.all([store.close(), hurried.close()]);
  await set.close();
  await database.close();
});
beforeEach(() => {
  set.clearCommands();
  set.setLag(0);
});

const makeReports = (count = 4): readonly Report[] => Array.from({ length: count }, makeReport);
const put = async (reports: readonly Report[], into = store): Promise<readonly Outcome['status'][]> =>
  (await into.put(reports.map((report) => ({ report, receivedAt: RECEIVED_AT })))).map(({ status }) => status);
const putEncoded = async (report: Report): Promise<readonly Outcome['status'][]> => {
  const encodedDocument = encodeReport(toBinary(ReportSchema, report), false, () => undefined);
  return (await store.put([{ encodedDocument, receivedAt: RECEIVED_AT }])).map(({ status }) => status);
};
const countOf = async (reports: readonly Report[]): Promise<number> =>
  (await database.reports()).countDocuments({ clusterID: { $in: reports.map(({ clusterId }) => clusterId) } });

test.each([
  { error: 'InterruptedDueToReplStateChange', connections: 'kept' },
  { error: 'PrimarySteppedDown', connections: 'kept' },
  { error: 'NotWritablePrimary', connections: 'closed' },
] as const)(
  'when the primary steps down in the middle of a write ($error, its connections $connections), the next one stores the rest once',
  async ({ error, connections }) => {
    const reports = makeReports();
    const before = set.repeatedWrites;
    const steppedDown = set.stepDownInWrite({ electionMs: ELECTION_MS, error, connections });

    await expect(put(reports)).resolves.toStrictEqual(['stored', 'stored', 'stored', 'stored']);

    await steppedDown;
    await expect(countOf(reports)).resolves.toBe(4);
    // The server executed a half of it once, and the other half in the second attempt.
    expect(set.repeatedWrites - before).toBe(1);
  },
);

test('reports that arrive during an election are stored after it, also those that a worker thread encoded', async () => {
  const [reports, large] = [makeReports(), makeReport()];
  const elected = set.stepDown({ electionMs: ELECTION_MS });

  const statuses = await Promise.all([put(reports), putEncoded(large)]);

  expect(statuses.flat()).toStrictEqual(Array(5).fill('stored'));
  await elected;
  await expect(countOf([...reports, large])).resolves.toBe(5);
});

test('a primary that does not respond any more fails its writes at the time limit, and the next one stores them once', async () => {
  const reports = makeReports();
  const isolated = set.isolatePrimary(ELECTION_MS);

  await expect(put(reports, hurried)).resolves.toStrictEqual(Array(4).fill('failed'));

  await expect.poll(() => put(reports, hurried)).not.toContain('failed');
  await set.recover(await isolated);
  await expect(countOf(reports)).resolves.toBe(4);
});

test('when the process of the primary ends, writes go to the next one, on all connections', async () => {
  const batches = Array.from({ length: 8 }, () => makeReports());
  await Promise.all(batches.map(() => put(makeReports())));

  const killed = set.killPrimary(ELECTION_MS);
  const statuses = await Promise.all([...batches.map((reports) => put(reports)), putEncoded(makeReport())]);

  await set.recover(await killed);
  expect(new Set(statuses.flat()).has('failed')).toBe(false);
  await expect(countOf(batches.flat())).resolves.toBe(32);
});

describe('while no majority has the writes', () => {
  test('no report counts as stored, the server says so before the time limit, and the connection stays', async () => {
    const reports = makeReports();
    set.loseMajority();

    const outcomes = await store.put(reports.map((report) => ({ report, receivedAt: RECEIVED_AT })));

    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ error: { kind: 'unavailable', cause: { code: 64, message: /WriteConcern/ } } });
    // Nor do those that are stored already.
    const further = await Promise.all([put(reports), putEncoded(makeReport())]);
    expect(further.flat()).toStrictEqual(Array(5).fill('failed'));
    await expect(store.check()).rejects.toMatchObject({ kind: 'unavailable' });
    set.restoreMajority();
    await expect(put(reports)).resolves.toStrictEqual(Array(4).fill('duplicate'));
  });

  test('writes that are rolled back are stored again by the next primary', async () => {
    const reports = makeReports();
    set.loseMajority();
    const stored = put(reports);
    await expect.poll(() => countOf(reports)).toBe(4);

    const elected = set.stepDown({ electionMs: ELECTION_MS, rollBack: true });

    await expect(stored).resolves.toStrictEqual(Array(4).fill('stored'));
    await elected;
    await expect(countOf(reports)).resolves.toBe(4);
  });

  test('reports that were not acknowledged may be rolled back, and are then new', async () => {
    const reports = makeReports();
    set.loseMajority();
    await expect(put(reports)).resolves.toStrictEqual(Array(4).fill('failed'));
    await expect(countOf(reports)).resolves.toBe(4);

    await set.stepDown({ electionMs: ELECTION_MS, rollBack: true });

    await expect(countOf(reports)).resolves.toBe(0);
    await expect(put(reports)).resolves.toStrictEqual(Array(4).fill('stored'));
  });
});

test('a store that is unavailable during an election is checked as soon as there is a primary', async () => {
  let recoveries = 0;
  store.onRecovery?.(() => (recoveries += 1));

  await set.stepDown({ electionMs: ELECTION_MS });

  await expect.poll(() => recoveries).toBe(1);
  await expect(store.check()).resolves.toBeUndefined();
});

test('writes ask for a majority and the journal, can be repeated, and decisions are read from the primary', async () => {
  const known = makeReport();
  const options = 'readPreference=secondary&readConcernLevel=local';
  const other = await openMongoStore({ ...OPTIONS, uri: `${set.uri}&wtimeoutMS=150&${options}` });
  await put([known]);
  await putEncoded(makeReport());
  set.setLag('empty');

  await expect(other.hasReportsFrom(known.clusterId)).resolves.toBe(true);
  await other.close();

  const writeConcerns = set.commands.filter(({ name }) => ['insert', 'update', 'createIndexes'].includes(name));
  expect(new Set(writeConcerns.map(({ writeConcern }) => JSON.stringify(writeConcern)))).toStrictEqual(
    new Set(['{"w":"majority","wtimeout":150,"j":true}']),
  );
  const lookups = set.commands.filter(({ name }) => name === 'aggregate');
  expect(lookups).toMatchObject([
    { isPrimary: true, collection: 'reports', maxTimeMs: 20_000 },
    { isPrimary: true, collection: 'kubermaticRecords', maxTimeMs: 20_000 },
  ]);
});

describe('figures of statistics', () => {
  const lastDay = () => createPointReader(() => store.figuresDatabase?.() ?? store.database()).lastDay();
  const isPrimary = (): readonly boolean[] =>
    set.commands.filter(({ collection }) => collection === POINTS).map((command) => command.isPrimary);

  test('are read from a secondary', async () => {
    await lastDay();

    expect(isPrimary()).toStrictEqual([false]);
    expect(set.commands.at(-1)).toMatchObject({
      readPreference: { mode: 'secondaryPreferred', maxStalenessSeconds: 120 },
      maxTimeMs: 5_000,
    });
  });

  test('are read from the primary where the secondaries are minutes behind', async () => {
    set.setLag(150_000);
    const other = await openMongoStore({ ...OPTIONS, uri: set.uri });

    await createPointReader(() => other.figuresDatabase?.() ?? other.database()).lastDay();

    expect(isPrimary()).toStrictEqual([true]);
    await other.close();
  });

  test('are read from a secondary by commands too', async () => {
    const { figuresDb, close } = await openDatabase(parseDatabase(set.uri), 'spartakus-test');

    await createPointReader(() => figuresDb).lastDay();

    expect(isPrimary()).toStrictEqual([false]);
    await close();
  });

  test('are read during an election', async () => {
    const elected = set.stepDown({ electionMs: 300 });

    await lastDay();

    expect(set.primary).toBeUndefined();
    await elected;
  });
});
