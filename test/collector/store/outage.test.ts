import type { BSON } from 'mongodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Report } from '../../../gen/spartakus/report/v1/report_pb.js';
import { openMongoStore } from '../../../src/collector/store/mongo.ts';
import { openStore } from '../../../src/collector/store/open.ts';
import type { Outcome, ReportStore } from '../../../src/report/report-sink.ts';
import { makeReport } from '../../contract/report-sink.ts';
import { makeTestDatabase, type TestDatabase } from '../../support/database.ts';
import { type DbProxy, type Fate, openDbProxy } from '../../support/db-proxy.ts';

const OPTIONS = { appName: 'spartakus-test', connectTimeoutMs: 2_000, storeTimeoutMs: 800 };
/** What is the embedded engine's alone is not tried on a server. */
const ON_SERVER = (process.env['SPARTAKUS_TEST_MONGODB_URI'] ?? '') !== '';
const RECEIVED_AT = new Date('2026-11-21T10:00:00.123Z');

let database: TestDatabase;
/** Holds the engine open for the whole file: one engine a process. */
let holder: ReportStore;
let proxy: DbProxy;
let store: ReportStore;

beforeAll(async () => {
  database = await makeTestDatabase();
  holder = await openStore(database.spec, { ...OPTIONS, storeTimeoutMs: 10_000, stdout: process.stdout });
});

afterAll(() => database.remove(() => holder.close()));

beforeEach(async () => {
  proxy = await openDbProxy(await database.uri());
  store = await openMongoStore({ ...OPTIONS, uri: proxy.uri });
});

afterEach(async () => {
  await store.close();
  await proxy.close();
});

/** Writes meet this fate, and whatever else is asked passes: a database that answers a ping, and stores nothing. */
const writesMeet = (fate: Fate | ((documents: number) => Fate)) => () =>
  proxy.onCommand(({ name, documents }) => {
    if (name !== 'insert' && name !== 'update') return 'pass';
    return typeof fate === 'function' ? fate(documents) : fate;
  });
const fails = (code: number, codeName: string): Fate => ({
  answer: { ok: 0, code, codeName, errmsg: `${codeName} at db-7.internal:27017` },
});
const each = (documents: number, code: number): BSON.Document[] =>
  Array.from({ length: documents }, (_, index) => ({ index, code, errmsg: 'no space left on /var/lib/db' }));

const FAULTS: readonly { readonly name: string; readonly begin: () => void; readonly held?: 'lost' }[] = [
  { name: 'connections are reset before the write is sent', begin: writesMeet('reset') },
  { name: 'connections are reset when the write is done', begin: writesMeet('reset-after') },
  { name: 'the answer to a write never comes', begin: writesMeet('swallow-answer') },
  { name: 'nothing comes through', begin: () => proxy.hold() },
  { name: 'nothing comes through, and the connections are dead for good', begin: () => proxy.hold(), held: 'lost' },
  { name: 'it takes longer than the time limit', begin: () => proxy.delay(1_200) },
  { name: 'connections are refused', begin: () => proxy.refuse() },
  { name: 'the server is no longer the primary', begin: writesMeet(fails(10_107, 'NotWritablePrimary')) },
  { name: 'the server shuts down', begin: writesMeet(fails(11_600, 'InterruptedAtShutdown')) },
  { name: 'the disk is full', begin: writesMeet(fails(14_031, 'OutOfDiskSpace')) },
  {
    name: 'the disk is full, as it is said of each document',
    begin: writesMeet((documents) => ({ answer: { ok: 1, n: 0, writeErrors: each(documents, 14_031) } })),
  },
  {
    name: 'a majority does not confirm in time',
    begin: writesMeet((documents) => ({
      answer: {
        ok: 1,
        n: documents,
        writeConcernError: { code: 64, codeName: 'WriteConcernFailed', errmsg: 'waiting timed out' },
      },
    })),
  },
  {
    name: 'a majority does not confirm duplicates in time',
    begin: writesMeet((documents) => ({
      answer: {
        ok: 1,
        n: 0,
        writeErrors: each(documents, 11_000),
        writeConcernError: { code: 64, codeName: 'WriteConcernFailed', errmsg: 'waiting timed out' },
      },
    })),
  },
];

const put = (reports: readonly Report[]): Promise<readonly Outcome[]> =>
  store.put(reports.map((report) => ({ report, receivedAt: RECEIVED_AT })));
const countOf = async (reports: readonly Report[]): Promise<number> =>
  (await database.reports()).countDocuments({ clusterID: { $in: reports.map(({ clusterId }) => clusterId) } });

describe.each(FAULTS)('while $name', ({ begin, held }) => {
  test('no report counts as stored, whoever sent it learns nothing of the database, and afterwards it is stored once', async () => {
    const reports = Array.from({ length: 3 }, makeReport);
    begin();

    const failures = await put(reports);

    expect(failures.map(({ status }) => status)).toStrictEqual(['failed', 'failed', 'failed']);
    for (const failure of failures) {
      expect(failure).toMatchObject({
        error: { kind: 'unavailable', message: 'the database is away. Send it again later.', retryAfterMs: 5_000 },
      });
    }
    await expect(store.check()).rejects.toMatchObject({ kind: 'unavailable' });
    await proxy.heal(held);
    await expect
      .poll(
        () =>
          store.check().then(
            () => 'there',
            () => 'away',
          ),
        { timeout: 10_000 },
      )
      .toBe('there');
    await expect
      .poll(async () => (await put(reports)).filter(({ status }) => status === 'failed'), { timeout: 10_000 })
      .toStrictEqual([]);
    await expect(countOf(reports)).resolves.toBe(3);
  });
});

test('a database that stands still while nobody writes is found to be away', async () => {
  proxy.hold();

  await expect(store.check()).rejects.toMatchObject({ kind: 'unavailable' });
});

test('one connection that broke while nobody used it does not make a database away', async () => {
  proxy.reset();

  await expect(store.check()).resolves.toBeUndefined();
});

test('of some reports that are there already and some that are new, each is told what it is', async () => {
  const [known, fresh] = [makeReport(), makeReport()];
  await put([known]);

  const outcomes = await put([fresh, known]);

  expect(outcomes.map(({ status }) => status)).toStrictEqual(['stored', 'duplicate']);
});

test('a report that breaks a rule of the collection is refused alone, without the words of the server', async () => {
  proxy.onCommand(({ name }) =>
    name === 'insert'
      ? {
          answer: { ok: 1, n: 1, writeErrors: [{ index: 0, code: 121, errmsg: 'Document failed validation at db-7' }] },
        }
      : 'pass',
  );

  const outcomes = await put([makeReport(), makeReport()]);

  expect(outcomes).toMatchObject([
    { status: 'failed', error: { kind: 'internal', message: 'the database refused the report (code 121)' } },
    { status: 'stored' },
  ]);
});

test('reports of which the server confirms fewer than it was sent do not count as stored', async () => {
  writesMeet({ answer: { ok: 1, n: 1 } })();

  expect((await put([makeReport(), makeReport()])).map(({ status }) => status)).toStrictEqual(['failed', 'failed']);
});

test.skipIf(ON_SERVER)(
  'reports that the embedded engine has not brought to the disk do not count as stored, nor as duplicates',
  async () => {
    const report = makeReport();
    await put([report]);
    proxy.onCommand(({ name }) => (name === 'fsync' ? { answer: { ok: 0, code: 8, errmsg: 'no' } } : 'pass'));

    expect((await put([makeReport(), report])).map(({ status }) => status)).toStrictEqual(['failed', 'failed']);
  },
);

test.skipIf(ON_SERVER)(
  'every write to the embedded engine is followed by a write to the disk that began after it',
  async () => {
    const commands: string[] = [];
    proxy.onCommand(({ name }) => (commands.push(name), 'pass'));

    await Promise.all(Array.from({ length: 20 }, () => put([makeReport()])));

    expect(commands.lastIndexOf('fsync')).toBeGreaterThan(commands.lastIndexOf('insert'));
    expect(commands.filter((name) => name === 'fsync').length).toBeLessThanOrEqual(20);
  },
);

test('a database that takes no writes is a clear error at the start', async () => {
  writesMeet(fails(10_107, 'NotWritablePrimary'))();

  await expect(openMongoStore({ ...OPTIONS, uri: proxy.uri })).rejects.toThrow(
    /NotWritablePrimary.*may this user write/,
  );
});
