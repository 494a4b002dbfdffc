import { readFile } from 'node:fs/promises';
import { type BSON, type CollectionInfo, type Db, type Document, MongoClient } from 'mongodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { databaseInitCommand } from '../../../src/cli/database-init.ts';
import { quarantineListCommand } from '../../../src/cli/quarantine.ts';
import { type CollectionSpec, DATABASE_COLLECTIONS } from '../../../src/collector/store/collections.ts';
import { parseDatabase } from '../../../src/collector/store/database-spec.ts';
import { initDatabase, type InitOptions, type InitStep } from '../../../src/collector/store/init-database.ts';
import { openMongoStore } from '../../../src/collector/store/mongo-store.ts';
import { openStore } from '../../../src/collector/store/open.ts';
import { SCHEMA } from '../../../src/collector/store/schema-version.ts';
import type { ReportStore } from '../../../src/report/report-sink.ts';
import { makeTestDatabase, type TestDatabase } from '../../support/database.ts';
import { openDbProxy } from '../../support/db-proxy.ts';
import { withFiles } from '../../support/files.ts';
import { createKeptLog, type Line } from '../../support/log.ts';
import { loadRecorded, readRecorded } from '../../support/recorded-database.ts';
import { makeReport } from '../../support/reports.ts';
import { runCommand } from '../../support/run-command.ts';

const OPTIONS = { appName: 'spartakus-test', connectTimeoutMs: 5_000, storeTimeoutMs: 10_000 };
const RECEIVED_AT = new Date('2026-11-21T10:00:00Z');
const VALIDATION_FAILURE = 121;

let database: TestDatabase;
let holder: ReportStore;
let client: MongoClient;
/** Empty before each test. */
let db: Db;
let uri: string;

beforeAll(async () => {
  database = await makeTestDatabase();
  holder = await openStore(parseDatabase(database.spec), { ...OPTIONS, stdout: process.stdout });
  uri = (await database.uri()).replace(/\/[^/]*(\?|$)/, '/spartakus_init$1');
  client = await new MongoClient(uri).connect();
  db = client.db();
});

afterAll(() =>
  database.remove(async () => {
    await db.dropDatabase();
    await client.close();
    await holder.close();
  }),
);

beforeEach(() => db.dropDatabase());

const init = (options?: InitOptions): Promise<readonly InitStep[]> => initDatabase(db, options);

/** One that accepts everything for a collection without one. */
function validatorOf(name: string): Document {
  const specs: Readonly<Record<string, CollectionSpec>> = DATABASE_COLLECTIONS;
  return specs[name]?.validator ?? {};
}

interface ServerProxy {
  readonly uri: string;
  /** The commands that set a validator. */
  readonly validators: readonly Document[];
  /** Rejects these commands from now on, and no others. */
  deny(...names: readonly string[]): void;
  close(): Promise<void>;
}

/** A server with rights of users, and with collMod, which the embedded engine does not have. */
async function openServerProxy(): Promise<ServerProxy> {
  const proxy = await openDbProxy(uri);
  const validators: Document[] = [];
  let denied: readonly string[] = [];
  proxy.onCommand(({ name, body }) => {
    if (denied.includes(name))
      return { response: { ok: 0, code: 13, codeName: 'Unauthorized', errmsg: 'not authorized' } };
    if (name !== 'collMod') return 'pass';
    if (body['validator'] !== undefined) validators.push(body);
    return { response: { ok: 1 } };
  });
  return { uri: proxy.uri, validators, deny: (...names) => (denied = names), close: () => proxy.close() };
}

const resultsOf = (steps: readonly InitStep[]): ReadonlySet<string> => new Set(steps.map(({ result }) => result));

test('creates everything once, and compressed', async () => {
  const [first, second] = [await init(), await init()];

  expect(resultsOf(first)).toStrictEqual(new Set(['created']));
  expect(first.map(({ subject }) => subject)).toContain('index reports.clusterID_receivedAt');
  expect(resultsOf(second)).toStrictEqual(new Set(['exists']));
  const found = await db.listCollections().toArray();
  const uncompressed = found.filter((each) => !JSON.stringify(each).includes('block_compressor=zstd'));
  expect(found.length).toBeGreaterThan(Object.keys(DATABASE_COLLECTIONS).length);
  expect(uncompressed.map(({ name }) => name)).toStrictEqual(['metadata']);
  const metadata = db.collection('metadata');
  await expect(metadata.findOne({}, { projection: { _id: 0 } })).resolves.toStrictEqual({ ...SCHEMA });
});

test('a dry run changes nothing, and says the same', async () => {
  const dry = await init({ dryRun: true });

  await expect(db.listCollections().toArray()).resolves.toStrictEqual([]);
  await expect(init()).resolves.toStrictEqual(dry);
});

test('several collectors may start on an empty database at the same time', async () => {
  const stores = await Promise.all(Array.from({ length: 4 }, () => openMongoStore({ ...OPTIONS, uri })));

  const put = stores.map((store) => store.put([{ report: makeReport(), receivedAt: RECEIVED_AT }]));
  await expect(Promise.all(put)).resolves.toStrictEqual(stores.map(() => [{ status: 'stored' }]));

  await Promise.all(stores.map((store) => store.close()));
  expect(resultsOf(await init())).toStrictEqual(new Set(['exists']));
});

test('validators reject what would never be deleted, counted, or found again', async () => {
  for (const name of ['reports', 'kubermaticRecords', 'statistics', 'statisticsState'])
    await db.createCollection(name, { validator: validatorOf(name) });

  const wrong: readonly (readonly [string, object])[] = [
    ['reports', {}],
    ['reports', { receivedAt: '2026-11-21' }],
    ['reports', { receivedAt: RECEIVED_AT, clusterID: 7 }],
    ['kubermaticRecords', { receivedAt: RECEIVED_AT, quarantined: false }],
    ['statistics', { _id: '21.11.2026' }],
    ['statisticsState', { watermark: '2026-11-21' }],
  ];
  for (const [name, document] of wrong)
    await expect(db.collection(name).insertOne({ ...document })).rejects.toMatchObject({ code: VALIDATION_FAILURE });
});

describe('a database that the version before has written', () => {
  test('is accepted by the validators, as it is and after changes of its documents', async () => {
    for (const { name, documents } of await readRecorded('before-versions.json')) {
      const collection = await db.createCollection(name, { validator: validatorOf(name) });
      await collection.insertMany([...documents]);
    }

    // Reports of before there were facts, and their release from quarantine.
    const reports = db.collection('reports');
    const stripped = await reports.updateMany({ facts: { $exists: true } }, { $unset: { facts: '' } });
    const released = await reports.updateMany({ quarantined: true }, { $unset: { quarantined: '' } });

    expect(stripped.modifiedCount).toBeGreaterThan(0);
    expect(released.modifiedCount).toBeGreaterThan(0);
  });

  test('gets what it lacks, and that version can start again: its indexes are the same', async () => {
    const recorded = await loadRecorded(db, 'before-versions.json');
    const steps = await init();
    for (const { name, indexes } of recorded)
      if (indexes.length > 0) await db.collection(name).createIndexes([...indexes]);

    expect(steps.filter(({ result }) => result !== 'exists').map(({ subject }) => subject)).toStrictEqual([
      `schema version ${SCHEMA.version}`,
      'collection statisticsTouched',
    ]);
    expect(resultsOf(await init())).toStrictEqual(new Set(['exists']));
  });
});

test('a TTL index on reports is reported, because statistics need what it deletes', async () => {
  await init();
  await db.collection('reports').createIndex({ receivedAt: 1 }, { name: 'expire', expireAfterSeconds: 60 });

  const wrong = (await init()).filter(({ result }) => result !== 'exists');

  expect(wrong).toMatchObject([{ subject: 'index reports.expire', result: 'failed' }]);
});

describe('a user without rights', () => {
  let proxy: ServerProxy;
  beforeEach(async () => {
    proxy = await openServerProxy();
  });
  afterEach(() => proxy.close());

  /** Starts a store as the user, and stores a report. */
  async function startAndStore(): Promise<readonly Line[]> {
    const log = createKeptLog();
    const store = await openMongoStore({ ...OPTIONS, uri: proxy.uri, logger: log.logger });
    await expect(store.put([{ report: makeReport(), receivedAt: RECEIVED_AT }])).resolves.toStrictEqual([
      { status: 'stored' },
    ]);
    await store.close();
    return log.lines;
  }

  test('with readWrite, a collector creates all but the validators of existing collections', async () => {
    await db.createCollection('reports');
    proxy.deny('collMod');

    await expect(startAndStore()).resolves.toMatchObject([
      { level: 'warn', fields: { missing: ['validator of reports: this user lacks the right'] } },
    ]);
    proxy.deny();
    const { code, stdout } = await runCommand(databaseInitCommand, [`--database=${proxy.uri}`]);

    expect([code, stdout]).toStrictEqual([0, expect.stringContaining('created  validator of reports\n')]);
    expect(proxy.validators).toMatchObject([
      { collMod: 'reports', validator: validatorOf('reports'), validationLevel: 'moderate' },
    ]);
    const [{ options } = {}] = await db.listCollections<CollectionInfo>({ name: 'kubermaticRecords' }).toArray();
    expect(options).toMatchObject({ validator: validatorOf('kubermaticRecords'), validationLevel: 'moderate' });
  });

  test('with rights for documents only, a collector serves what "database init" has created', async () => {
    proxy.deny('createIndexes');
    const args = [`--database=${proxy.uri}`];
    const incomplete = await runCommand(databaseInitCommand, args);
    proxy.deny();
    const complete = await runCommand(databaseInitCommand, args);

    expect([incomplete.code, complete.code]).toStrictEqual([1, 0]);
    expect(incomplete.stdout).toContain('created  collection reports: zstd, validator\n');
    expect(incomplete.stdout).toContain('DENIED   index reports.receivedAt\n');
    expect(incomplete.stdout).toContain('8 steps failed. Use a user with the roles readWrite and dbAdmin');
    proxy.deny('create', 'createIndexes', 'collMod');
    await expect(startAndStore()).resolves.toStrictEqual([]);
    proxy.deny('create', 'createIndexes', 'collMod', 'listCollections', 'listIndexes');
    await expect(startAndStore()).resolves.toMatchObject([{ level: 'warn' }]);
  });
});

describe('--sharded', () => {
  test('shards reports by a hash of their id, once', async () => {
    const proxy = await openDbProxy(uri);
    const sharded = new Set<string>();
    const commands: BSON.Document[] = [];
    proxy.onCommand(({ name, body }) => {
      if (name === 'hello') return { response: HELLO_OF_MONGOS };
      if (name === 'collStats' && sharded.has(`spartakus_init.${String(body['collStats'])}`))
        return { response: { ok: 1, sharded: true } };
      if (name !== 'enableSharding' && name !== 'shardCollection') return 'pass';
      if (name === 'shardCollection') {
        sharded.add(String(body['shardCollection']));
        commands.push(body);
      }
      return { response: { ok: 1 } };
    });
    const run = () => runCommand(databaseInitCommand, [`--database=${proxy.uri}`, '--sharded']);

    const [first, second] = [await run(), await run()];

    await proxy.close();
    expect([first.code, second.code]).toStrictEqual([0, 0]);
    expect(first.stdout).toContain('created  shard key {"_id":"hashed"} of reports\n');
    expect(second.stdout).toContain('exists   shard key {"_id":"hashed"} of kubermaticRecords\n');
    expect(commands).toMatchObject([
      { shardCollection: 'spartakus_init.reports', key: { _id: 'hashed' } },
      { shardCollection: 'spartakus_init.kubermaticRecords', key: { _id: 'hashed' } },
    ]);
    // The index that a collection with documents needs before.
    expect((await db.collection('reports').indexes()).map(({ name }) => name)).toContain('_id_hashed');
  });

  test('on a server that is no mongos is an error, and changes nothing', async () => {
    const { code, stdout, stderr } = await runCommand(databaseInitCommand, [`--database=${uri}`, '--sharded']);

    expect([code, stdout]).toStrictEqual([1, '']);
    expect(stderr).toContain('--sharded: the server is not a mongos');
    await expect(db.listCollections().toArray()).resolves.toStrictEqual([]);
  });
});

/** https://www.mongodb.com/docs/manual/reference/command/hello/ */
const HELLO_OF_MONGOS = {
  ok: 1,
  isWritablePrimary: true,
  msg: 'isdbgrid',
  maxBsonObjectSize: 16_777_216,
  maxMessageSizeBytes: 48_000_000,
  maxWriteBatchSize: 100_000,
  minWireVersion: 0,
  maxWireVersion: 21,
  readOnly: false,
};

describe('the schema version', () => {
  const write = (document: object) => db.collection('metadata').insertOne({ _id: 'schema' as never, ...document });

  test('a collector serves a database of the next version, and leaves its rules as they are', async () => {
    await db.createCollection('reports', { validator: { receivedAt: { $exists: true } } });
    await write({ version: SCHEMA.version + 1, minVersion: SCHEMA.version });
    const proxy = await openServerProxy();

    await (await openMongoStore({ ...OPTIONS, uri: proxy.uri })).close();
    await proxy.close();

    expect(proxy.validators).toStrictEqual([]);
    await expect(db.collection('metadata').findOne()).resolves.toMatchObject({ version: SCHEMA.version + 1 });
  });

  test('nothing starts on a database that is too new, or changes it', async () => {
    await write({ version: SCHEMA.version + 2, minVersion: SCHEMA.version + 1 });
    const message = new RegExp(
      `^--database .*spartakus_init.*: the database has schema version ${SCHEMA.version + 2}, which needs a program of schema version ` +
        `${SCHEMA.version + 1} or later; this one has ${SCHEMA.version}\\. Use the release that `,
    );

    await expect(openMongoStore({ ...OPTIONS, uri })).rejects.toThrow(message);
    const said = await runCommand(quarantineListCommand, [`--database=${uri}`]);
    expect(said.code).toBe(1);
    expect(said.stderr.replace('spartakus quarantine list: ', '')).toMatch(message);
    expect((await db.listCollections().toArray()).map(({ name }) => name)).toStrictEqual(['metadata']);
  });

  test('leaves the version before able to serve, so that an upgrade can be rolling', () => {
    expect(SCHEMA.minVersion).toBeLessThan(SCHEMA.version);
  });
});

test('a directory of the embedded engine gets a database, except in a dry run', async () => {
  await withFiles({}, async (directory) => {
    const spec = `--database=embedded:${directory}`;

    const dry = await runCommand(databaseInitCommand, [spec, '--dry-run']);
    const first = await runCommand(databaseInitCommand, [spec]);
    const second = await runCommand(databaseInitCommand, [spec]);

    expect([dry.code, dry.stderr]).toStrictEqual([
      1,
      expect.stringContaining('there is no database in this directory'),
    ]);
    expect([first.code, first.stdout]).toStrictEqual([0, expect.stringContaining('created  schema version')]);
    expect([second.code, second.stdout]).toStrictEqual([
      0,
      expect.stringContaining('The database has everything that it needs.'),
    ]);
    await expect(readFile(`${directory}/WiredTiger`, 'utf8')).resolves.toContain('WiredTiger');
  });
});
