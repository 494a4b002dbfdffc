import { BSON, type Db, MongoClient } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseDatabase } from '../../../src/collector/store/database-spec.ts';
import { encodeDocument } from '../../../src/collector/store/encoded-document.ts';
import { openMongoStore } from '../../../src/collector/store/mongo-store.ts';
import { openStore } from '../../../src/collector/store/open.ts';
import type { EncodedEntry, ReportEntry, ReportStore, StoreEntry } from '../../../src/report/report-sink.ts';
import { entryDocument, MAX_DOCUMENT_BYTES, toDocument } from '../../../src/report/stored-document.ts';
import { reportSinkContract } from '../../contract/report-sink.ts';
import { makeTestDatabase, type TestDatabase } from '../../support/database.ts';
import { openDbProxy } from '../../support/db-proxy.ts';
import { makeReport } from '../../support/reports.ts';
import { openTap } from '../../support/tap.ts';

const OPTIONS = { appName: 'spartakus-test', connectTimeoutMs: 5_000, storeTimeoutMs: 10_000 };
const RECEIVED_AT = new Date('2026-11-21T10:00:00.123Z');

let database: TestDatabase;
/** Keeps the engine open for the whole file: one engine per process. */
let holder: ReportStore;

beforeAll(async () => {
  database = await makeTestDatabase();
  holder = await openStore(parseDatabase(database.spec), { ...OPTIONS, stdout: process.stdout });
  // What the contract finds open before its tests includes this file's own connections.
  await (await database.reports()).countDocuments();
});

beforeEach(async () => {
  await (await database.reports()).deleteMany({});
});

afterAll(() => database.remove(() => holder.close()));

reportSinkContract(
  'the MongoDB store',
  async () => {
    const sink = await openMongoStore({ ...OPTIONS, uri: await database.uri() });
    return {
      sink,
      reject: (report) => {
        report.extensions = [
          { $typeName: 'spartakus.report.v1.Extension', name: 'large', value: 'x'.repeat(17 * 1024 * 1024) },
        ];
      },
      storedClusterIds: async () =>
        (await (await database.reports()).find().toArray()).map((document) => String(document['clusterID'])),
      close: () => sink.close(),
    };
  },
  { duplicates: true, rejections: ['permanent'] },
);

describe('the MongoDB store', () => {
  test('stores the document of a report', async () => {
    const report = makeReport();

    await holder.put([{ report, receivedAt: RECEIVED_AT }]);

    await expect((await database.reports()).find().toArray()).resolves.toStrictEqual([toDocument(report, RECEIVED_AT)]);
  });

  test('creates the indexes of its queries', async () => {
    const indexes = await (await database.reports()).indexes();

    expect(indexes.map(({ key }) => key as unknown)).toStrictEqual([
      { _id: 1 },
      { clusterID: 1, receivedAt: -1 },
      { receivedAt: -1 },
      { quarantined: 1, receivedAt: 1 },
      { 'facts.late': 1 },
    ]);
  });

  test('a cluster is known by its newest report, without reading all of those in quarantine', async () => {
    const report = makeReport();
    const put = (count: number, quarantined?: true) =>
      holder.put(
        Array.from({ length: count }, (_, index) => ({
          report: { ...makeReport(), clusterId: report.clusterId },
          quarantined,
          receivedAt: new Date(RECEIVED_AT.getTime() + index),
        })),
      );

    await put(50, true);
    await expect(holder.hasReportsFrom(report.clusterId)).resolves.toBe(false);
    await holder.put([{ report, receivedAt: new Date(RECEIVED_AT.getTime() + 60_000) }]);
    const known = Promise.all([report.clusterId, 'unknown'].map((id) => holder.hasReportsFrom(id)));
    await expect(known).resolves.toStrictEqual([true, false]);
    const plan = (await database.reports()).aggregate([
      { $match: { clusterID: { $in: [report.clusterId] } } },
      { $sort: { clusterID: 1, receivedAt: -1 } },
      { $group: { _id: '$clusterID', quarantined: { $first: '$quarantined' } } },
    ]);
    expect(JSON.stringify(await plan.explain())).toContain('"DISTINCT_SCAN"');
    const listed = (await database.reports()).find({ quarantined: true });
    expect(JSON.stringify(await listed.explain())).toContain('"indexName":"quarantined_receivedAt"');
  });

  test('compresses new collections, reports in large pages, and leaves existing ones as they are', async () => {
    const uri = await database.uri();
    const client = await new MongoClient(uri).connect();
    const other = client.db('spartakus_existing');
    await other.createCollection('reports');
    const named = uri.replace(/\/[^/]*(\?|$)/, '/spartakus_existing$1');
    await (await openMongoStore({ ...OPTIONS, uri: named })).close();

    const optionsOf = async (db: Db, name: string): Promise<Record<string, string>> => {
      const creation = { $project: { text: '$storageStats.wiredTiger.creationString' } };
      const [stats] = await db
        .collection(name)
        .aggregate([{ $collStats: { storageStats: {} } }, creation])
        .toArray();
      const pairs = [...String(stats?.['text']).matchAll(/(\w+)=(\w*)/g)];
      return Object.fromEntries(pairs.map(([, key = '', value = '']) => [key, value]));
    };
    const large = { block_compressor: 'zstd', memory_page_image_max: '512KB' };

    await expect(optionsOf(await database.db(), 'reports')).resolves.toMatchObject(large);
    await expect(optionsOf(await database.db(), 'kubermaticRecords')).resolves.toMatchObject(large);
    await expect(optionsOf(other, 'kubermaticRecords')).resolves.toMatchObject(large);
    await expect(optionsOf(other, 'clusters')).resolves.toMatchObject({ ...large, memory_page_image_max: '0' });
    await expect(optionsOf(other, 'reports')).resolves.not.toHaveProperty('block_compressor', 'zstd');
    await other.dropDatabase();
    await client.close();
  });

  test.each([
    { code: 13, codeName: 'Unauthorized', errmsg: 'not authorized to execute create' },
    { code: 72, codeName: 'InvalidOptions', errmsg: 'wiredTiger is not a registered storage engine' },
  ])('stores reports on a server that does not create compressed collections ($codeName)', async (error) => {
    const uri = (await database.uri()).replace(/\/[^/]*(\?|$)/, '/spartakus_uncompressed$1');
    const proxy = await openDbProxy(uri);
    proxy.onCommand(({ name }) => (name === 'create' ? { response: { ok: 0, ...error } } : 'pass'));
    const sink = await openMongoStore({ ...OPTIONS, uri: proxy.uri });

    await expect(sink.put([{ report: makeReport(), receivedAt: RECEIVED_AT }])).resolves.toStrictEqual([
      { status: 'stored' },
    ]);

    await sink.close();
    await proxy.close();
    const client = await new MongoClient(uri).connect();
    await client.db('spartakus_uncompressed').dropDatabase();
    await client.close();
  });

  test.each([
    { query: 'retryWrites=false', wtimeout: 8_000 },
    { query: 'w=majority&journal=true&wtimeoutMS=700', wtimeout: 700 },
  ])(
    'uses the write concern majority with journal, and ends the wait for it in time ($query)',
    async ({ query, wtimeout }) => {
      const tap = await openTap(await database.uri());
      const sink = await openMongoStore({ ...OPTIONS, uri: tap.uri(query) });

      await sink.put([{ report: makeReport(), receivedAt: RECEIVED_AT }]);
      await sink.close();
      const insert = tap.sent().subarray(tap.sent().lastIndexOf('insert\0'));
      await tap.close();

      // Inside the command, where the document's own length and end are cut off.
      const concern = BSON.serialize({ writeConcern: { w: 'majority', wtimeout, j: true } });
      expect(insert.includes(concern.subarray(4, -1))).toBe(true);
    },
  );

  test('is in the database that the connection string names, so that a shell finds the reports', async () => {
    const report = makeReport();
    await holder.put([{ report, receivedAt: RECEIVED_AT }]);
    const client = await new MongoClient(await database.uri()).connect();

    const collections = await client.db().listCollections().toArray();
    await client.close();

    expect(collections.map(({ name }) => name)).toContain('reports');
    await expect((await database.db()).collection('reports').distinct('clusterID')).resolves.toStrictEqual([
      report.clusterId,
    ]);
  });

  test('is the same database for a second collector that uses the connection string of the first', async () => {
    const store = await openStore(parseDatabase(await database.uri()), { ...OPTIONS, stdout: process.stdout });
    const report = makeReport();

    await store.put([{ report, receivedAt: RECEIVED_AT }]);
    await store.close();

    await expect((await database.reports()).distinct('clusterID')).resolves.toStrictEqual([report.clusterId]);
  });

  test('uses the database in the path of the connection string', async () => {
    const uri = await database.uri();
    const named = uri.replace(/\/[^/]*(\?|$)/, '/spartakus_other_name$1');
    const sink = await openMongoStore({ ...OPTIONS, uri: named });
    const report = makeReport();
    await sink.put([{ report, receivedAt: RECEIVED_AT }]);
    await sink.close();
    const client = await new MongoClient(named).connect();

    const other = client.db('spartakus_other_name');
    await expect(other.collection('reports').countDocuments({ clusterID: report.clusterId })).resolves.toBe(1);
    await other.dropDatabase();
    await client.close();
  });

  test('a report that is too large for a document is rejected by its size, and the others are stored', async () => {
    const large = makeReport();
    large.extensions = [
      { $typeName: 'spartakus.report.v1.Extension', name: 'large', value: 'x'.repeat(16 * 1024 * 1024) },
    ];

    const outcomes = await holder.put(
      [makeReport(), large, makeReport()].map((report) => ({ report, receivedAt: RECEIVED_AT })),
    );

    expect(outcomes.map(({ status }) => status)).toStrictEqual(['stored', 'failed', 'stored']);
    expect(outcomes[1]).toMatchObject({
      error: { kind: 'too-large', message: expect.stringContaining('16777216') as string },
    });
  });

  describe('a document of the largest size is stored, and one byte more is rejected for good', () => {
    const entryOf = (documentBytes: number): StoreEntry => {
      const report = makeReport();
      const large: ReportEntry = { report, receivedAt: RECEIVED_AT };
      const sizeOf = (): number => BSON.calculateObjectSize(entryDocument(large).document);
      report.extensions = [{ $typeName: 'spartakus.report.v1.Extension', name: 'large', value: 'x' }];
      report.extensions[0]!.value = 'x'.repeat(1 + documentBytes - sizeOf());
      return large;
    };
    const encodedOf = (documentBytes: number): StoreEntry => {
      const { reportId, clusterId } = makeReport();
      const make = (text: string): EncodedEntry => {
        const fields = BSON.serialize({ clusterID: clusterId, text });
        return {
          encodedDocument: { kind: 'report', clusterId, reportId, fields, droppedFields: 0 },
          receivedAt: RECEIVED_AT,
        };
      };
      return make('x'.repeat(documentBytes - encodeDocument(make('')).length));
    };

    test.each([
      ['encoded with its batch', entryOf],
      ['encoded in a thread', encodedOf],
    ])('%s', async (_what, make) => {
      const outcomes = await holder.put([make(MAX_DOCUMENT_BYTES), make(MAX_DOCUMENT_BYTES + 1)]);

      expect(outcomes).toMatchObject([{ status: 'stored' }, { status: 'failed', error: { kind: 'too-large' } }]);
    });
  });

  test('a server that cannot be reached is an error without the password', async () => {
    const opening = openMongoStore({ ...OPTIONS, connectTimeoutMs: 200, uri: 'mongodb://admin:hunter2@127.0.0.1:1/x' });

    await expect(opening).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(opening).rejects.toThrow(
      /mongodb:\/\/admin:\*\*\*@127\.0\.0\.1:1\/x: .*ECONNREFUSED.*Is the server running/,
    );
    await expect(opening).rejects.not.toThrow(/hunter2/);
  });

  test.each([
    'mongodb://admin:hunter2@',
    'mongodb://admin:hunter2@host:notaport/x',
    'mongodb://admin:hunter2@host/?w=0&nonsense=1',
  ])('an invalid connection string (%s) is an error without the password', async (uri) => {
    const opening = openMongoStore({ ...OPTIONS, uri });

    await expect(opening).rejects.toMatchObject({ kind: 'invalid' });
    await expect(opening).rejects.not.toThrow(/hunter2/);
  });

  test('after close, a put fails as retryable, and does not throw', async () => {
    const sink = await openMongoStore({ ...OPTIONS, uri: await database.uri() });
    await sink.close();

    await expect(sink.put([{ report: makeReport(), receivedAt: RECEIVED_AT }])).resolves.toMatchObject([
      { status: 'failed', error: { kind: 'unavailable', retryable: true } },
    ]);
  });
});
