import { BSON, type Db } from 'mongodb';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type DatabaseStore,
  type MongoStoreOptions,
  openMongoStore,
} from '../../../src/collector/store/mongo-store.ts';
import { SCHEMA } from '../../../src/collector/store/schema-version.ts';
import type { EncodedEntry, StoreEntry } from '../../../src/report/report-sink.ts';
import { entryDocument, MAX_DOCUMENT_BYTES } from '../../../src/report/stored-document.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { failureOf } from '../../support/failure.ts';
import { cursorOf, type FakeMongodb, fails, openFakeMongodb } from '../../support/fake-mongodb.ts';
import { createKeptLog } from '../../support/log.ts';
import { makeReport } from '../../support/reports.ts';

const RECEIVED_AT = new Date('2026-11-21T10:00:00.123Z');
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

let server: FakeMongodb;
let store: DatabaseStore;

const openOn = (uri: string, options: Partial<MongoStoreOptions> = {}): Promise<DatabaseStore> =>
  openMongoStore({
    appName: 'spartakus-test',
    connectTimeoutMs: 2_000,
    storeTimeoutMs: 10_000,
    init: () => Promise.resolve(),
    uri,
    ...options,
  });

beforeEach(async () => {
  server = await openFakeMongodb();
  store = await openOn(server.uri);
});

afterEach(async () => {
  await store.close();
  await server.close();
});

const entryOf = (): StoreEntry => ({ report: makeReport(), receivedAt: RECEIVED_AT });
function encodedOf(kind: 'report' | 'kubermaticRecord' = 'report'): EncodedEntry {
  const { reportId, clusterId } = makeReport();
  const fields = new Uint8Array(BSON.serialize({ clusterID: clusterId }));
  return { encodedDocument: { kind, clusterId, reportId, fields, droppedFields: 0 }, receivedAt: RECEIVED_AT };
}
const statusOf = async (...entries: StoreEntry[]): Promise<readonly string[]> =>
  (await store.put(entries)).map((outcome) => (outcome.status === 'failed' ? outcome.error.kind : outcome.status));

describe('a put', () => {
  test('inserts the documents of a kind with one command, in any order, and each encoded one with its own', async () => {
    await expect(statusOf(entryOf(), encodedOf(), entryOf(), encodedOf('kubermaticRecord'))).resolves.toStrictEqual(
      Array(4).fill('stored'),
    );

    const inserts = server
      .sent('insert')
      .map(({ insert, ordered, documents, writeConcern }) => ({
        insert: insert as string,
        ordered: ordered as boolean,
        count: (documents as unknown[]).length,
        writeConcern: writeConcern as unknown,
      }));
    const durable = { ordered: false, writeConcern: { w: 'majority', j: true, wtimeout: 8_000 } };
    expect(inserts.toSorted((one, other) => one.insert.localeCompare(other.insert) || other.count - one.count)).toEqual(
      [
        { insert: 'kubermaticRecords', count: 1, ...durable },
        { insert: 'reports', count: 2, ...durable },
        { insert: 'reports', count: 1, ...durable },
      ],
    );
  });

  test('inserts the document of each report', async () => {
    const [first, second] = [makeReport(), makeReport()];

    await store.put([first, second].map((report) => ({ report, receivedAt: RECEIVED_AT })));

    expect(server.sent('insert')[0]?.['documents']).toMatchObject([
      { _id: first.reportId, clusterID: first.clusterId, receivedAt: RECEIVED_AT },
      { _id: second.reportId, clusterID: second.clusterId, receivedAt: RECEIVED_AT },
    ]);
  });

  test('of a document of one byte more than the largest size sends nothing', async () => {
    const report = makeReport();
    const extension = { $typeName: 'spartakus.report.v1.Extension' as const, name: 'large', value: 'x' };
    report.extensions = [extension];
    const bytes = BSON.calculateObjectSize(entryDocument({ report, receivedAt: RECEIVED_AT }).document);
    extension.value = 'x'.repeat(2 + MAX_DOCUMENT_BYTES - bytes);

    await expect(statusOf({ report, receivedAt: RECEIVED_AT })).resolves.toStrictEqual(['too-large']);
    expect(server.sent('insert')).toStrictEqual([]);
  });

  test('of nothing sends nothing', async () => {
    await expect(store.put([])).resolves.toStrictEqual([]);

    expect(server.sent('insert')).toStrictEqual([]);
  });

  test('of an encoded document says what the server said of it, and is not the outcome of its neighbour', async () => {
    const duplicate = { ok: 1, n: 0, writeErrors: [{ index: 0, code: 11_000, errmsg: 'E11000 duplicate key' }] };
    const [first, second] = [encodedOf(), encodedOf()];
    const { reportId } = first.encodedDocument;
    server.on((command, name) => {
      if (name !== 'insert') return undefined;
      const [document] = command['documents'] as [BSON.Document];
      return document['_id'] === reportId ? duplicate : undefined;
    });

    await expect(statusOf(second, first, entryOf())).resolves.toStrictEqual(['stored', 'duplicate', 'stored']);
  });

  test('of an encoded document that is too large is rejected without a command', async () => {
    const entry = encodedOf();
    const large = { ...entry, encodedDocument: { ...entry.encodedDocument, fields: new Uint8Array(16 * 1024 * 1024) } };

    const [outcome] = await store.put([large]);

    expect(outcome).toMatchObject({
      error: {
        kind: 'too-large',
        message: expect.stringMatching(/^the report takes \d+ bytes in the database.*limit is 16777216$/) as string,
      },
    });
    expect(server.sent('insert')).toStrictEqual([]);
  });

  test.each([true, false])(
    'frees the memory of an encoded document when it is stored or not (%s)',
    async (isStored) => {
      if (!isStored) server.on((_command, name) => (name === 'insert' ? fails(14_031, 'OutOfDiskSpace') : undefined));
      const entry = encodedOf();
      // With room for what the collector adds, the document is made in this buffer.
      const bytes = new Uint8Array(10_000);
      const fields = bytes.subarray(5_000, 5_000 + entry.encodedDocument.fields.length);
      fields.set(entry.encodedDocument.fields);

      await store.put([{ ...entry, encodedDocument: { ...entry.encodedDocument, fields } }]);
      await settle();

      expect(bytes.buffer.byteLength).toBe(0);
    },
  );

  test.each([
    ['rejects the command', () => fails(14_031, 'OutOfDiskSpace')],
    ['acknowledges fewer documents', () => ({ ok: 1, n: 1 })],
  ])('fails as retryable where the server %s', async (_what, respond) => {
    server.on((_command, name) => (name === 'insert' ? respond() : undefined));

    const outcomes = await store.put([entryOf(), entryOf()]);

    expect(outcomes).toMatchObject(
      Array.from({ length: 2 }, () => ({
        status: 'failed',
        error: { kind: 'unavailable', message: 'the database is unavailable. Retry later.', retryAfterMs: 5_000 },
      })),
    );
  });

  test('says in the cause how many documents the server acknowledged', async () => {
    server.on((_command, name) => (name === 'insert' ? { ok: 1, n: 1 } : undefined));

    await expect(store.put([entryOf(), entryOf()])).resolves.toMatchObject([
      { error: { cause: { message: 'the server acknowledged 1 of 2 documents' } } },
      {},
    ]);
  });

  test('fails in time where the server does not respond', async () => {
    await store.close();
    store = await openOn(server.uri, { storeTimeoutMs: 400 });
    server.on((_command, name) => (name === 'insert' ? 'no response' : undefined));

    const [outcome] = await store.put([entryOf()]);

    expect(outcome).toMatchObject({ error: { kind: 'unavailable' } });
  });
});

describe('a lookup of known clusters', () => {
  const pipelineOf = (idField: string, ids: readonly string[]) => [
    { $match: { [idField]: { $in: ids } } },
    { $sort: { [idField]: 1, receivedAt: -1 } },
    { $group: { _id: `$${idField}`, quarantined: { $first: '$quarantined' } } },
  ];

  test('asks once for all ids of a tick, in both collections and with a limit of time', async () => {
    server.on(({ aggregate }) => {
      if (aggregate === 'reports') return cursorOf([{ _id: 'a', quarantined: null }]);
      if (aggregate === 'kubermaticRecords') return cursorOf([{ _id: 'b', quarantined: null }]);
      return undefined;
    });

    const known = await Promise.all(['a', 'b', 'c'].map((id) => store.hasReportsFrom(id)));

    expect(known).toStrictEqual([true, true, false]);
    expect(server.sent('aggregate')).toMatchObject([
      { aggregate: 'reports', maxTimeMS: 10_000, pipeline: pipelineOf('clusterID', ['a', 'b', 'c']) },
      { aggregate: 'kubermaticRecords', maxTimeMS: 10_000, pipeline: pipelineOf('clientUUID', ['a', 'b', 'c']) },
    ]);
  });

  test('asks again in a later tick, and a cluster in quarantine is not known', async () => {
    server.on(({ aggregate }) => (aggregate === 'reports' ? cursorOf([{ _id: 'a', quarantined: true }]) : undefined));

    await expect(store.hasReportsFrom('a')).resolves.toBe(false);
    await expect(store.hasReportsFrom('b')).resolves.toBe(false);

    expect(server.sent('aggregate')).toHaveLength(4);
  });

  test('that fails is retryable, and says why in the cause', async () => {
    server.on((_command, name) => (name === 'aggregate' ? fails(50, 'MaxTimeMSExpired') : undefined));

    await expect(store.hasReportsFrom('a')).rejects.toMatchObject({
      kind: 'unavailable',
      retryAfterMs: 5_000,
      cause: { codeName: 'MaxTimeMSExpired' },
    });
  });
});

describe('a check', () => {
  const updates = (): number => server.sent('update').length;

  test('pings, and reads the version of the schema, while writes succeed', async () => {
    const before = updates();

    await store.check();

    expect([server.sent('ping').length, updates()]).toStrictEqual([1, before]);
    expect(server.sent('find')).toMatchObject([{ find: 'metadata', filter: { _id: 'schema' } }]);
  });

  test('writes after a report could not be stored, and pings again after that write', async () => {
    server.on((_command, name) => (name === 'insert' ? fails(14_031, 'OutOfDiskSpace') : undefined));
    const before = updates();
    await store.put([entryOf()]);

    await store.check();
    expect([server.sent('ping').length, updates()]).toStrictEqual([0, before + 1]);
    await store.check();

    expect([server.sent('ping').length, updates()]).toStrictEqual([1, before + 1]);
    expect(server.sent('update').at(-1)).toMatchObject({
      update: 'probes',
      updates: [{ q: { _id: 'collector' }, u: { $set: { writtenAt: expect.any(Date) as Date } }, upsert: true }],
    });
  });

  test('writes after one of several reports could not be stored, whatever was put since without a report', async () => {
    server.on((_command, name) =>
      name === 'insert' ? { ok: 1, n: 1, writeErrors: [{ index: 1, code: 14_031, errmsg: 'full' }] } : undefined,
    );
    const before = updates();
    await expect(statusOf(entryOf(), entryOf())).resolves.toStrictEqual(['stored', 'unavailable']);
    await store.put([]);

    await store.check();

    expect([server.sent('ping').length, updates()]).toStrictEqual([0, before + 1]);
  });

  test('writes where a ping has no response within a second', async () => {
    server.on((_command, name) => (name === 'ping' ? 'no response' : undefined));
    const before = updates();

    await store.check();

    expect(updates()).toBe(before + 1);
  });

  test('does not write after a report that is rejected alone', async () => {
    server.on((_command, name) =>
      name === 'insert' ? { ok: 1, n: 0, writeErrors: [{ index: 0, code: 121, errmsg: 'invalid' }] } : undefined,
    );
    const before = updates();
    await store.put([entryOf()]);

    await store.check();

    expect([server.sent('ping').length, updates()]).toStrictEqual([1, before]);
  });

  test('writes where the server rejects a ping, and writes again while that fails', async () => {
    server.on((_command, name) => (name === 'ping' || name === 'update' ? fails(14_031, 'OutOfDiskSpace') : undefined));
    const before = updates();

    await expect(store.check()).rejects.toMatchObject({ kind: 'unavailable', cause: { codeName: 'OutOfDiskSpace' } });
    await expect(store.check()).rejects.toMatchObject({ kind: 'unavailable' });

    expect([server.sent('ping').length, updates()]).toStrictEqual([1, before + 2]);
  });

  test('whose write fails succeeds nevertheless where a report was stored meanwhile', async () => {
    server.on(async (_command, name) => {
      if (name === 'ping') return fails(1, 'InternalError');
      if (name !== 'update') return undefined;
      await store.put([entryOf()]);
      return fails(1, 'InternalError');
    });

    await expect(store.check()).resolves.toBeUndefined();
  });

  test('fails where the schema is too new, and where the store is closed', async () => {
    const { version } = SCHEMA;
    server.on((_command, name) =>
      name === 'find' ? cursorOf([{ _id: 'schema', version: version + 2, minVersion: version + 1 }]) : undefined,
    );
    await expect(store.check()).rejects.toMatchObject({
      kind: 'unavailable',
      cause: { message: expect.stringContaining('needs a program of schema version') as string },
    });

    await store.close();

    await expect(store.check()).rejects.toMatchObject({ kind: 'unavailable', cause: 'it is closed' });
  });

  test('succeeds where the schema version cannot be read', async () => {
    server.on((_command, name) => (name === 'find' ? fails(1, 'InternalError') : undefined));

    await expect(store.check()).resolves.toBeUndefined();
  });
});

describe('opening', () => {
  test('sets the parameters of the server, initialises the database of the connection string, and makes a write', async () => {
    const { logger } = createKeptLog();
    const initialised: unknown[] = [];
    const opened = await openOn(server.uri.replace('/spartakus?', '/other?'), {
      parameters: { indexBuildMinAvailableDiskSpaceMB: 0 },
      logger,
      init: (db: Db, given) => Promise.resolve(void initialised.push(db.databaseName, given)),
    });
    const commands = server.commands.slice(1).map((command) => [command['$db'] as string, Object.keys(command)[0]]);

    expect(initialised).toStrictEqual(['other', logger]);
    expect(commands).toStrictEqual([
      ['admin', 'setParameter'],
      ['other', 'update'],
    ]);
    expect(server.sent('setParameter')).toMatchObject([{ setParameter: 1, indexBuildMinAvailableDiskSpaceMB: 0 }]);
    expect([opened.database().databaseName, opened.figuresDatabase?.().databaseName]).toStrictEqual(['other', 'other']);
    expect(opened.database().readPreference?.mode ?? 'primary').toBe('primary');
    expect(opened.figuresDatabase?.().readPreference?.mode).toBe('secondaryPreferred');
    await opened.close();
  });

  test('sets no parameter by default', () => {
    expect(server.sent('setParameter')).toStrictEqual([]);
  });

  test.each([
    [
      'the database rejects it',
      () => Promise.reject(new Error('no such thing')),
      'unavailable',
      /^--database mongodb:.*: no such thing\. Is the server running, the address right, and may this user write\?$/,
    ],
    [
      'it is an error of this program',
      () => Promise.reject(new SpartakusError('invalid', 'too new')),
      'invalid',
      /^--database mongodb:\S+: too new$/,
    ],
  ])('closes its connections where %s', async (_what, init, kind, message) => {
    await store.close();

    const failure = await failureOf(openOn(server.uri, { init }));

    expect(failure.kind).toBe(kind);
    expect(failure.message).toMatch(message);
    expect(failure.cause).toBeInstanceOf(Error);
    await expect.poll(() => server.connections()).toBe(0);
  });
});

test('close waits for reports that are being stored, closes the connections, and may be repeated', async () => {
  const stored = Promise.withResolvers<BSON.Document>();
  server.on((_command, name) => (name === 'insert' ? stored.promise : undefined));
  const put = store.put([entryOf()]);
  await expect.poll(() => server.sent('insert')).toHaveLength(1);

  const closed = Promise.all([store.close(), store.close()]);
  stored.resolve({ ok: 1, n: 1 });

  await expect(put).resolves.toStrictEqual([{ status: 'stored' }]);
  await closed;
  await expect.poll(() => server.connections()).toBe(0);
  await expect(store.put([entryOf(), entryOf()])).resolves.toMatchObject(
    Array.from({ length: 2 }, () => ({ error: { kind: 'unavailable', cause: 'it is closed' } })),
  );
});
