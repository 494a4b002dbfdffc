import { type BSON, type Db, MongoClient } from 'mongodb';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLike, initForCollector } from '../../../src/collector/store/init-database.ts';
import { cursorOf, type FakeMongodb, fails, openFakeMongodb } from '../../support/fake-mongodb.ts';
import { createKeptLog } from '../../support/log.ts';

const UNAUTHORIZED = fails(13, 'Unauthorized');
const VALIDATOR = { a: { $exists: true } };
const COMPRESSED = { storageEngine: { wiredTiger: { configString: 'block_compressor=zstd' } } };

let server: FakeMongodb;
let client: MongoClient;
let db: Db;
/** The response to commands by name, in place of that of an empty database. */
let responses: Record<string, BSON.Document | ((command: BSON.Document) => BSON.Document | undefined)>;

beforeEach(async () => {
  server = await openFakeMongodb();
  client = new MongoClient(server.uri);
  db = client.db();
  responses = {};
  server.on((command, name) => {
    const response = responses[name];
    return typeof response === 'function' ? (response(command) as BSON.Document | undefined) : response;
  });
});
afterEach(async () => {
  await client.close();
  await server.close();
});

describe('at the start of a collector', () => {
  test('what it may not create is logged once, and what failed with its reason', async () => {
    const log = createKeptLog();
    responses['create'] = ({ create }) => (create === 'clusters' ? fails(2, 'BadValue') : undefined);
    responses['createIndexes'] = ({ createIndexes }) => (createIndexes === 'reports' ? UNAUTHORIZED : undefined);

    await initForCollector(db, log.logger);

    expect(log.lines).toHaveLength(1);
    expect(log.lines[0]).toMatchObject({
      level: 'warn',
      message: expect.stringContaining('run "spartakus database init" as another user') as string,
      fields: {
        missing: expect.arrayContaining([
          'collection clusters: BadValue at db-7.internal:27017',
          'index reports.receivedAt: this user lacks the right',
        ]) as string[],
      },
    });
  });

  test('nothing is logged where nothing is missing, and no logger is needed', async () => {
    const log = createKeptLog();

    await initForCollector(db, log.logger);
    responses['create'] = UNAUTHORIZED;
    await initForCollector(db);

    expect(log.lines).toStrictEqual([]);
  });
});

describe('a collection like another one', () => {
  test('has its validator, and is compressed', async () => {
    responses['listCollections'] = cursorOf([
      { name: 'statistics', type: 'collection', options: { validator: VALIDATOR } },
    ]);

    await createLike(db, 'statisticsNext', 'statistics');

    expect(server.sent('listCollections')).toMatchObject([{ filter: { type: 'collection', name: 'statistics' } }]);
    expect(server.sent('create')).toMatchObject([{ create: 'statisticsNext', validator: VALIDATOR, ...COMPRESSED }]);
  });

  test('that does not exist has no validator', async () => {
    await createLike(db, 'statisticsNext', 'statistics');

    expect(server.sent('create')).toMatchObject([{ create: 'statisticsNext', ...COMPRESSED }]);
    expect(server.sent('create')[0]).not.toHaveProperty('validator');
  });

  test('is created by its first document where the user may only insert', async () => {
    responses['listCollections'] = UNAUTHORIZED;
    responses['create'] = UNAUTHORIZED;

    await expect(createLike(db, 'statisticsNext', 'statistics')).resolves.toBeUndefined();
  });
});
