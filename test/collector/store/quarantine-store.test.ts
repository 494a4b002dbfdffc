import { type Collection, type Db, MongoClient } from 'mongodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  createQuarantineStore,
  type QuarantinedCluster,
  type QuarantineSelection,
} from '../../../src/collector/store/quarantine-store.ts';
import type { StoredDocument } from '../../../src/report/stored-document.ts';
import { makeTestDatabase, type TestDatabase } from '../../support/database.ts';
import { cursorOf, type FakeMongodb, openFakeMongodb } from '../../support/fake-mongodb.ts';

const GOES_ON = new AbortController().signal;

let database: TestDatabase;
let client: MongoClient;
let db: Db;
let reports: Collection<StoredDocument>;
let records: Collection<StoredDocument>;

beforeAll(async () => {
  database = await makeTestDatabase();
  client = await new MongoClient(await database.uri()).connect();
  db = client.db();
  reports = db.collection('reports');
  records = db.collection('kubermaticRecords');
});
afterAll(() => database.remove(() => client.close()));

const at = (day: number): Date => new Date(Date.UTC(2026, 10, day, 12));

/** A report that was received on a day of November, in quarantine unless it says otherwise. */
const documentOf = (id: string, day: number, fields: object = {}, idField = 'clusterID'): StoredDocument => ({
  _id: `${id}-${day}`,
  [idField]: id,
  receivedAt: at(day),
  quarantined: true,
  ...fields,
});

beforeEach(async () => {
  await Promise.all([reports.deleteMany({}), records.deleteMany({})]);
  const { quarantined: _mark, ...counted } = documentOf('counted', 1);
  await reports.insertMany([
    documentOf('few', 9, { facts: { day: '2026-11-08' } }),
    documentOf('many', 5, { receivedFrom: '192.0.2.5:1', facts: { day: '2026-11-04' } }),
    documentOf('many', 7, { receivedFrom: '192.0.2.7:1', facts: { day: '2026-11-07' } }),
    documentOf('many', 3, { receivedFrom: '192.0.2.3:1' }),
    counted,
  ]);
  await records.insertMany([
    documentOf('client', 6, { receivedFrom: 7 }, 'clientUUID'),
    documentOf('other', 6, {}, 'clientUUID'),
  ]);
});

const left = async (): Promise<readonly string[]> => {
  const found = [reports, records].map((each) => each.find({ quarantined: true }).sort({ _id: 1 }).toArray());
  return (await Promise.all(found)).flat().map(({ _id }) => _id);
};

async function collect<Value>(values: AsyncIterable<Value>): Promise<readonly Value[]> {
  const found: Value[] = [];
  for await (const value of values) found.push(value);
  return found;
}

describe('the list', () => {
  const list = (selection: QuarantineSelection): Promise<readonly QuarantinedCluster[]> =>
    collect(createQuarantineStore(db).list(selection));

  test('has each cluster and client with its reports, their times, and the address of the last', async () => {
    await expect(list({})).resolves.toStrictEqual([
      {
        clusterId: 'many',
        kind: 'report',
        reports: 3,
        firstReceivedAt: at(3),
        lastReceivedAt: at(7),
        receivedFrom: '192.0.2.7:1',
      },
      { clusterId: 'few', kind: 'report', reports: 1, firstReceivedAt: at(9), lastReceivedAt: at(9) },
      { clusterId: 'client', kind: 'kubermatic', reports: 1, firstReceivedAt: at(6), lastReceivedAt: at(6) },
      { clusterId: 'other', kind: 'kubermatic', reports: 1, firstReceivedAt: at(6), lastReceivedAt: at(6) },
    ]);
  });

  test('has clusters with the same number of reports in the order of their ids', async () => {
    await reports.deleteMany({});
    await reports.insertMany(['c', 'a', 'b'].map((id) => documentOf(id, 1)));

    expect((await list({})).slice(0, 3).map(({ clusterId }) => clusterId)).toStrictEqual(['a', 'b', 'c']);
  });

  test('has what is selected by id and by time of receipt', async () => {
    const selected = await list({ clusterIds: ['many', 'client', 'counted'], since: at(5) });

    expect(selected.map(({ clusterId, reports: count }) => [clusterId, count])).toStrictEqual([
      ['many', 2],
      ['client', 1],
    ]);
  });
});

test.each<[QuarantineSelection, number]>([
  [{}, 6],
  [{ clusterIds: ['many', 'other', 'counted'] }, 4],
  [{ since: at(6) }, 4],
  [{ clusterIds: [] }, 0],
])('the reports of both kinds are counted: %j', async (selection, count) => {
  await expect(createQuarantineStore(db).count(selection)).resolves.toBe(count);
});

describe('the release', () => {
  test('removes the mark of what is selected, and yields how many of each kind', async () => {
    const released = createQuarantineStore(db).release({ clusterIds: ['many', 'client'] }, GOES_ON);

    await expect(collect(released)).resolves.toStrictEqual([3, 1]);
    await expect(left()).resolves.toStrictEqual(['few-9', 'other-6']);
    const { quarantined: _mark, ...unmarked } = documentOf('few', 9, { facts: { day: '2026-11-08' } });
    await collect(createQuarantineStore(db).release({ clusterIds: ['few'] }, GOES_ON));
    await expect(reports.findOne({ _id: 'few-9' })).resolves.toStrictEqual(unmarked);
  });

  test('tells the first day of a batch before and after it, by the day of receipt where a report says none', async () => {
    const days: unknown[] = [];
    const store = createQuarantineStore(db, {
      onRelease: async (day) => void days.push(day, await reports.countDocuments({ quarantined: true })),
    });

    await collect(store.release({ clusterIds: ['many', 'few'] }, GOES_ON));

    expect(days).toStrictEqual(['2026-11-03', 4, '2026-11-03', 0]);
  });
});

describe('the drop', () => {
  test('deletes what is selected and in quarantine, and yields how many of each kind', async () => {
    const dropped = createQuarantineStore(db).drop({ clusterIds: ['few', 'counted', 'other'] }, GOES_ON);

    await expect(collect(dropped)).resolves.toStrictEqual([1, 1]);
    await expect(left()).resolves.toStrictEqual(['many-3', 'many-5', 'many-7', 'client-6']);
    await expect(reports.countDocuments({ clusterID: 'counted' })).resolves.toBe(1);
  });
});

describe('reports of a server', () => {
  let fake: FakeMongodb;
  let fakeClient: MongoClient;
  /** How many reports each collection has in quarantine when they are counted. */
  let counted: number;
  /** How many the server finds for each batch; by default as many as it is asked for. */
  let found: number | undefined;

  beforeEach(async () => {
    [counted, found] = [1, undefined];
    fake = await openFakeMongodb();
    fakeClient = new MongoClient(fake.uri);
    fake.on(({ pipeline, limit, deletes, updates }, name) => {
      if (name === 'find')
        return cursorOf(Array.from({ length: found ?? (limit as number) }, (_, index) => ({ _id: String(index) })));
      if (name === 'aggregate') return cursorOf(JSON.stringify(pipeline).includes('$sum') ? [{ n: counted }] : []);
      const [{ q } = { q: undefined }] =
        ((deletes ?? updates) as { q: { _id: { $in: unknown[] } } }[] | undefined) ?? [];
      const n = q?._id.$in.length;
      return n === undefined ? undefined : { ok: 1, n, nModified: n };
    });
  });
  afterEach(async () => {
    await fakeClient.close();
    await fake.close();
  });
  const limits = (): readonly unknown[] =>
    fake.sent('find').map(({ find, limit }) => [find as string, limit as number]);

  test('are changed in batches, without those that arrive meanwhile, so that a flood does not keep a command running', async () => {
    counted = 1_002;

    await expect(collect(createQuarantineStore(fakeClient.db()).release({}, GOES_ON))).resolves.toStrictEqual([
      1_000, 2, 1_000, 2,
    ]);
    expect(limits()).toStrictEqual([
      ['reports', 1_000],
      ['reports', 2],
      ['kubermaticRecords', 1_000],
      ['kubermaticRecords', 2],
    ]);
  });

  test('are left after the stop, which is heard between two batches', async () => {
    counted = 1_002;
    const stop = new AbortController();
    const dropped: number[] = [];
    for await (const count of createQuarantineStore(fakeClient.db()).drop({}, stop.signal)) {
      dropped.push(count);
      stop.abort();
    }

    expect([dropped, limits()]).toStrictEqual([[1_000], [['reports', 1_000]]]);
  });

  test('are not deleted where another program released them meanwhile, and the deletion is durable', async () => {
    await createQuarantineStore(fakeClient.db()).drop({}, GOES_ON).next();

    expect(fake.sent('find')).toMatchObject([{ projection: { _id: 1 } }]);
    expect(fake.sent('delete')).toMatchObject([
      {
        delete: 'reports',
        deletes: [{ q: { _id: { $in: ['0'] }, quarantined: true }, limit: 0 }],
        writeConcern: { w: 'majority', j: true },
      },
    ]);
  });

  test('are not released again, and their day is not told', async () => {
    const days: string[] = [];
    const onRelease = (day: string): Promise<void> => Promise.resolve(void days.push(day));
    await createQuarantineStore(fakeClient.db(), { onRelease }).release({}, GOES_ON).next();

    expect(fake.sent('update')).toMatchObject([
      { updates: [{ q: { _id: { $in: ['0'] }, quarantined: true }, multi: true }] },
    ]);
    expect(days).toStrictEqual([]);
  });

  test('that are all gone end the work on their kind', async () => {
    [counted, found] = [5, 0];

    await expect(collect(createQuarantineStore(fakeClient.db()).drop({}, GOES_ON))).resolves.toStrictEqual([]);
    expect(limits()).toStrictEqual([
      ['reports', 5],
      ['kubermaticRecords', 5],
    ]);
    expect(fake.sent('delete')).toStrictEqual([]);
  });
});
