import type { BSON } from 'mongodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Report } from '../../../gen/spartakus/report/v1/report_pb.js';
import { openMongoStore } from '../../../src/collector/store/mongo-store.ts';
import { openStore } from '../../../src/collector/store/open.ts';
import type { Outcome, ReportStore } from '../../../src/report/report-sink.ts';
import { makeTestDatabase, type TestDatabase } from '../../support/database.ts';
import { type DbProxy, type CommandAction, openDbProxy } from '../../support/db-proxy.ts';
import { makeReport } from '../../support/reports.ts';

const OPTIONS = { appName: 'spartakus-test', connectTimeoutMs: 2_000, storeTimeoutMs: 800 };
const RECEIVED_AT = new Date('2026-11-21T10:00:00.123Z');

let database: TestDatabase;
/** Keeps the engine open for the whole file: one engine per process. */
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

/** Applies an action to writes only: the database answers pings and stores nothing. */
const onWrites = (action: CommandAction | ((documents: number) => CommandAction)) => () =>
  proxy.onCommand(({ name, documents }) => {
    if (name !== 'insert' && name !== 'update') return 'pass';
    return typeof action === 'function' ? action(documents) : action;
  });
const fails = (code: number, codeName: string): CommandAction => ({
  response: { ok: 0, code, codeName, errmsg: `${codeName} at db-7.internal:27017` },
});
const each = (documents: number, code: number): BSON.Document[] =>
  Array.from({ length: documents }, (_, index) => ({ index, code, errmsg: 'no space left on /var/lib/db' }));

const FAULTS: readonly { readonly name: string; readonly begin: () => void; readonly held?: 'lost' }[] = [
  { name: 'connections are reset before the write is sent', begin: onWrites('reset') },
  { name: 'connections are reset after the write is done', begin: onWrites('reset-after') },
  { name: 'the response to a write is lost', begin: onWrites('drop-response') },
  { name: 'no bytes pass', begin: () => proxy.hold() },
  { name: 'no bytes pass, and the connections stay dead', begin: () => proxy.hold(), held: 'lost' },
  { name: 'responses exceed the time limit', begin: () => proxy.delay(1_200) },
  { name: 'connections are rejected', begin: () => proxy.reject() },
  { name: 'the server is no longer the primary', begin: onWrites(fails(10_107, 'NotWritablePrimary')) },
  { name: 'the server shuts down', begin: onWrites(fails(11_600, 'InterruptedAtShutdown')) },
  { name: 'the disk is full', begin: onWrites(fails(14_031, 'OutOfDiskSpace')) },
  {
    name: 'the disk is full, by the error of each document',
    begin: onWrites((documents) => ({ response: { ok: 1, n: 0, writeErrors: each(documents, 14_031) } })),
  },
  {
    name: 'a majority does not acknowledge in time',
    begin: onWrites((documents) => ({
      response: {
        ok: 1,
        n: documents,
        writeConcernError: { code: 64, codeName: 'WriteConcernFailed', errmsg: 'waiting timed out' },
      },
    })),
  },
  {
    name: 'a majority does not acknowledge duplicates in time',
    begin: onWrites((documents) => ({
      response: {
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
  test('no report counts as stored, errors do not describe the database, and afterwards reports are stored once', async () => {
    const reports = Array.from({ length: 3 }, makeReport);
    begin();

    const failures = await put(reports);

    expect(failures.map(({ status }) => status)).toStrictEqual(['failed', 'failed', 'failed']);
    for (const failure of failures) {
      expect(failure).toMatchObject({
        error: { kind: 'unavailable', message: 'the database is unavailable. Retry later.', retryAfterMs: 5_000 },
      });
    }
    await expect(store.check()).rejects.toMatchObject({ kind: 'unavailable' });
    await proxy.heal(held);
    await expect
      .poll(
        () =>
          store.check().then(
            () => 'available',
            () => 'unavailable',
          ),
        { timeout: 10_000 },
      )
      .toBe('available');
    await expect
      .poll(async () => (await put(reports)).filter(({ status }) => status === 'failed'), { timeout: 10_000 })
      .toStrictEqual([]);
    await expect(countOf(reports)).resolves.toBe(3);
  });
});

test('a database that does not respond is unavailable, without any write', async () => {
  proxy.hold();

  await expect(store.check()).rejects.toMatchObject({ kind: 'unavailable' });
});

test('a connection that was reset while idle does not make a database unavailable', async () => {
  proxy.reset();

  await expect(store.check()).resolves.toBeUndefined();
});

test('stored and new reports of one put each have their own outcome', async () => {
  const [known, fresh] = [makeReport(), makeReport()];
  await put([known]);

  const outcomes = await put([fresh, known]);

  expect(outcomes.map(({ status }) => status)).toStrictEqual(['stored', 'duplicate']);
});

test('a report that fails the validation of the collection is rejected alone, and the message of the server is not sent', async () => {
  proxy.onCommand(({ name }) =>
    name === 'insert'
      ? {
          response: {
            ok: 1,
            n: 1,
            writeErrors: [{ index: 0, code: 121, errmsg: 'Document failed validation at db-7' }],
          },
        }
      : 'pass',
  );

  const outcomes = await put([makeReport(), makeReport()]);

  expect(outcomes).toMatchObject([
    { status: 'failed', error: { kind: 'internal', message: 'the database rejected the report (code 121)' } },
    { status: 'stored' },
  ]);
});

test('if the server acknowledges fewer reports than it was sent, none counts as stored', async () => {
  onWrites({ response: { ok: 1, n: 1 } })();

  expect((await put([makeReport(), makeReport()])).map(({ status }) => status)).toStrictEqual(['failed', 'failed']);
});

test('a database that rejects writes is an error at the start', async () => {
  onWrites(fails(10_107, 'NotWritablePrimary'))();

  await expect(openMongoStore({ ...OPTIONS, uri: proxy.uri })).rejects.toThrow(
    /NotWritablePrimary.*may this user write/,
  );
});
