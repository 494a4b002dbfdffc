import type { BSON } from 'mongodb';
import { beforeEach, describe, expect, test } from 'vitest';
import type { CollectionSpec } from '../../../src/collector/store/collections.ts';
import { initDatabase, type InitOptions, type InitStep } from '../../../src/collector/store/init-database.ts';
import { failureOf } from '../../support/failure.ts';
import { useFakeDatabase } from '../../support/fake-database.ts';
import { cursorOf, fails } from '../../support/fake-mongodb.ts';

const UNAUTHORIZED = fails(13, 'Unauthorized');
const VALIDATOR = { a: { $exists: true } };
const COLLECTIONS: Readonly<Record<string, CollectionSpec>> = {
  facts: {
    indexes: [
      { name: 'day', key: { day: 1 } },
      { name: 'late', key: { late: 1 } },
    ],
    validator: VALIDATOR,
    storage: 'memory_page_image_max=1MB',
  },
  plain: { indexes: [] },
};
const compressed = (options = ''): BSON.Document => ({
  storageEngine: { wiredTiger: { configString: `block_compressor=zstd${options}` } },
});

const fake = useFakeDatabase();

const init = (options: InitOptions = {}): Promise<readonly InitStep[]> =>
  initDatabase(fake.db, { schema: { version: 3, minVersion: 2 }, collections: COLLECTIONS, ...options });
const stored = (version: number, minVersion = 0): BSON.Document => cursorOf([{ _id: 'schema', version, minVersion }]);
const existing = (validator?: BSON.Document): BSON.Document =>
  cursorOf(
    ['facts', 'plain'].map((name) => ({
      name,
      type: 'collection',
      options: name === 'facts' && validator !== undefined ? { validator } : {},
    })),
  );
const indexes = (...names: string[]): BSON.Document => cursorOf(names.map((name) => ({ v: 2, name, key: { x: 1 } })));
const resultOf = (steps: readonly InitStep[], subject: string): unknown => {
  const { subject: _subject, ...result } = steps.find((each) => each.subject === subject) ?? { subject };
  return result;
};

describe('an empty database', () => {
  const CREATED = [
    { subject: 'schema version 3', result: 'created' },
    { subject: 'collection facts', result: 'created', detail: 'zstd, validator' },
    { subject: 'index facts.day', result: 'created' },
    { subject: 'index facts.late', result: 'created' },
    { subject: 'collection plain', result: 'created', detail: 'zstd' },
  ];

  test('gets the version first, then each collection and its indexes in one command', async () => {
    fake.responses['listIndexes'] = fails(26, 'NamespaceNotFound');

    await expect(init()).resolves.toStrictEqual(CREATED);

    const changes = fake.server.commands.filter(
      (command) => 'update' in command || 'create' in command || 'createIndexes' in command,
    );
    expect(changes).toMatchObject([
      {
        update: 'metadata',
        updates: [{ q: { _id: 'schema' }, u: { $max: { version: 3, minVersion: 2 } }, upsert: true }],
      },
      {
        create: 'facts',
        ...compressed(',memory_page_image_max=1MB'),
        validator: VALIDATOR,
        validationLevel: 'moderate',
        validationAction: 'error',
      },
      { createIndexes: 'facts', indexes: COLLECTIONS['facts']?.indexes },
      { create: 'plain', ...compressed() },
    ]);
    expect(changes.at(-1)).not.toHaveProperty('validationLevel');
    expect(fake.server.sent('listCollections')).toMatchObject([{ filter: { type: 'collection' } }]);
    expect(fake.server.sent('find')).toMatchObject([{ find: 'metadata', filter: { _id: 'schema' } }]);
  });

  test('is not changed by a dry run, which says the same', async () => {
    await expect(init({ dryRun: true })).resolves.toStrictEqual(CREATED);

    for (const name of ['update', 'create', 'createIndexes']) expect(fake.server.sent(name)).toStrictEqual([]);
    expect(fake.server.sent('collMod')).toMatchObject([{ collMod: 'metadata' }]);
  });

  test('of an engine without collMod gets no validators, since no later version could change them', async () => {
    fake.responses['collMod'] = fails(59, 'CommandNotFound');

    expect(resultOf(await init(), 'collection facts')).toStrictEqual({ result: 'created', detail: 'zstd' });
    expect(fake.server.sent('create')[0]).not.toHaveProperty('validator');
  });

  test('gets validators with a user who may not change them later', async () => {
    fake.responses['collMod'] = UNAUTHORIZED;

    expect(resultOf(await init(), 'collection facts')).toMatchObject({ detail: 'zstd, validator' });
  });

  test('of another storage engine than WiredTiger is not compressed', async () => {
    fake.responses['create'] = (command) => ('storageEngine' in command ? fails(72, 'InvalidOptions') : undefined);

    const steps = await init();

    expect(resultOf(steps, 'collection facts')).toStrictEqual({
      result: 'created',
      detail: 'not compressed, because it is not WiredTiger, validator',
    });
    expect(fake.server.sent('create')[1]).toMatchObject({ create: 'facts', validator: VALIDATOR });
  });

  test.each([
    ['with compression', () => fails(48, 'NamespaceExists')],
    [
      'without compression',
      (command: BSON.Document) =>
        'storageEngine' in command ? fails(72, 'InvalidOptions') : fails(48, 'NamespaceExists'),
    ],
  ])('that another collector fills at the same time has what exists (%s)', async (_what, create) => {
    fake.responses['create'] = create;

    expect(resultOf(await init(), 'collection plain')).toStrictEqual({ result: 'exists' });
  });

  test.each([
    ['lacks the right', UNAUTHORIZED, { result: 'denied' }],
    ['is wrong', fails(2, 'BadValue'), { result: 'failed', detail: 'BadValue at db-7.internal:27017' }],
  ])('whose server rejects a collection, since the user %s, gets the rest', async (_what, response, result) => {
    fake.responses['create'] = ({ create }) => (create === 'facts' ? response : undefined);

    const steps = await init();

    expect(resultOf(steps, 'collection facts')).toStrictEqual(result);
    expect(resultOf(steps, 'collection plain')).toMatchObject({ result: 'created' });
  });

  test('whose uncompressed collections are rejected as well gets the rest', async () => {
    fake.responses['create'] = (command) => ('storageEngine' in command ? fails(72, 'InvalidOptions') : UNAUTHORIZED);

    expect(resultOf(await init(), 'collection plain')).toStrictEqual({ result: 'denied' });
  });
});

describe('indexes', () => {
  beforeEach(() => void (fake.responses['listCollections'] = existing(VALIDATOR)));

  test('that exist by their names are left, and the missing ones are created', async () => {
    fake.responses['listIndexes'] = indexes('_id_', 'day');

    const steps = await init();

    expect(resultOf(steps, 'index facts.day')).toStrictEqual({ result: 'exists' });
    expect(resultOf(steps, 'index facts.late')).toStrictEqual({ result: 'created' });
    expect(fake.server.sent('createIndexes')).toMatchObject([{ indexes: [{ name: 'late' }] }]);
  });

  test('that all exist need no command', async () => {
    fake.responses['listIndexes'] = indexes('day', 'late');

    expect(resultOf(await init(), 'index facts.late')).toStrictEqual({ result: 'exists' });
    expect(fake.server.sent('createIndexes')).toStrictEqual([]);
    expect(fake.server.sent('listIndexes')).toHaveLength(1);
  });

  test('that the user may not list are created nevertheless, which changes none that exists', async () => {
    fake.responses['listIndexes'] = UNAUTHORIZED;

    expect(resultOf(await init(), 'index facts.day')).toStrictEqual({ result: 'created' });
  });

  test.each([
    ['lacks the right', UNAUTHORIZED, { result: 'denied' }],
    [
      'has another of the same name',
      fails(85, 'IndexOptionsConflict'),
      { result: 'failed', detail: 'IndexOptionsConflict at db-7.internal:27017' },
    ],
    [
      'has another of the same keys',
      fails(86, 'IndexKeySpecsConflict'),
      { result: 'failed', detail: 'IndexKeySpecsConflict at db-7.internal:27017' },
    ],
  ])('that the server rejects, since the user %s, are a result', async (_what, response, result) => {
    fake.responses['createIndexes'] = response;

    expect(resultOf(await init(), 'index facts.day')).toStrictEqual(result);
  });

  test('that the server has no space for are an error', async () => {
    fake.responses['createIndexes'] = fails(14_031, 'OutOfDiskSpace');

    await expect(init()).rejects.toMatchObject({ codeName: 'OutOfDiskSpace' });
  });

  test('that delete reports are reported', async () => {
    const ttl = { v: 2, name: 'expire', key: { day: 1 }, expireAfterSeconds: 60 };
    fake.responses['listIndexes'] = cursorOf([...['day', 'late'].map((name) => ({ v: 2, name, key: { x: 1 } })), ttl]);

    const steps = await init();

    expect(steps.filter(({ result }) => result === 'failed')).toStrictEqual([
      {
        subject: 'index facts.expire',
        result: 'failed',
        detail: expect.stringContaining('drop it') as unknown as string,
      },
    ]);
  });

  test('may be built for longer than other commands', async () => {
    await fake.reconnect({ socketTimeoutMS: 100 });
    fake.server.on(async (_command, name) => {
      if (name === 'createIndexes') await new Promise((resolve) => void setTimeout(resolve, 300));
      return undefined;
    });

    expect(resultOf(await init(), 'index facts.day')).toStrictEqual({ result: 'created' });
  });
});

describe('the validator of a collection that exists', () => {
  beforeEach(() => void (fake.responses['listIndexes'] = indexes('day', 'late')));

  test.each<[string, BSON.Document | undefined, string]>([
    ['is created where there is none', undefined, 'created'],
    ['is changed where it is another one', { b: 1 }, 'changed'],
  ])('%s, for the documents that obey it', async (_what, before, result) => {
    fake.responses['listCollections'] = existing(before);

    const steps = await init();

    expect(steps.slice(1, 3)).toStrictEqual([
      { subject: 'collection facts', result: 'exists' },
      { subject: 'validator of facts', result },
    ]);
    expect(fake.server.sent('collMod').slice(1)).toMatchObject([
      { collMod: 'facts', validator: VALIDATOR, validationLevel: 'moderate' },
    ]);
    expect(steps.map(({ subject }) => subject)).not.toContain('validator of plain');
    expect(fake.server.sent('create')).toStrictEqual([]);
  });

  test('is not changed by a dry run', async () => {
    fake.responses['listCollections'] = existing({ b: 1 });

    expect(resultOf(await init({ dryRun: true }), 'validator of facts')).toStrictEqual({ result: 'changed' });
    expect(fake.server.sent('collMod')).toHaveLength(1);
  });

  test.each<[string, BSON.Document, number]>([
    ['the same one', VALIDATOR, 3],
    ['that of a newer version', { later: 1 }, 4],
  ])('stays where it is %s', async (_what, validator, version) => {
    fake.responses['listCollections'] = existing(validator);
    fake.responses['find'] = stored(version);

    expect(resultOf(await init(), 'validator of facts')).toStrictEqual({ result: 'exists' });
    expect(fake.server.sent('collMod')).toHaveLength(1);
  });

  test('of the same version is changed where it differs', async () => {
    fake.responses['listCollections'] = existing({ b: 1 });
    fake.responses['find'] = stored(3);

    expect(resultOf(await init(), 'validator of facts')).toStrictEqual({ result: 'changed' });
  });
});

describe('the schema version', () => {
  test.each<[string, BSON.Document | undefined, InitStep]>([
    ['is raised', stored(1), { subject: 'schema version 3', result: 'changed', detail: 'it was 1' }],
    ['stays', stored(3), { subject: 'schema version 3', result: 'exists' }],
    ['of a newer program stays', stored(5), { subject: 'schema version 5', result: 'exists' }],
    ['is written where the user may not read it', UNAUTHORIZED, { subject: 'schema version 3', result: 'created' }],
  ])('%s', async (_what, found, step) => {
    fake.responses['find'] = found as BSON.Document;

    expect((await init())[0]).toStrictEqual(step);
    expect(fake.server.sent('update')).toHaveLength(step.result === 'exists' ? 0 : 1);
  });

  test('that needs a newer program is an error, before anything is changed', async () => {
    fake.responses['find'] = stored(5, 4);

    await expect(failureOf(init())).resolves.toMatchObject({
      kind: 'invalid',
      field: '--database',
      message: expect.stringMatching(
        /schema version 5, which needs .* schema version 4 or later; this one has 3\./,
      ) as string,
    });
    expect(fake.server.commands).toHaveLength(1);
  });
});

describe('--sharded', () => {
  const SHARDED = { facts: { indexes: [], shardKey: { _id: 'hashed', day: 1 } }, plain: { indexes: [] } };
  const shard = (options: InitOptions = {}): Promise<readonly InitStep[]> =>
    init({ sharded: true, collections: SHARDED, ...options });
  const subject = 'shard key {"_id":"hashed","day":1} of facts';
  beforeEach(() => void (fake.responses['hello'] = { ok: 1, msg: 'isdbgrid' }));
  beforeEach(() => fake.server.describe({ msg: 'isdbgrid' }));

  test('shards a collection with a key, which needs an index of it before', async () => {
    fake.responses['collStats'] = fails(26, 'NamespaceNotFound');

    const steps = await shard();

    expect(steps.slice(2)).toMatchObject([{ subject, result: 'created' }, { subject: 'collection plain' }]);
    expect(steps).toHaveLength(4);
    const { commands } = fake.server;
    const changes = commands.slice(commands.findIndex((command) => 'enableSharding' in command));
    expect(changes.slice(0, 3)).toMatchObject([
      { enableSharding: 'spartakus', $db: 'admin' },
      { createIndexes: 'facts', indexes: [{ name: '_id_hashed_day_1', key: { _id: 'hashed', day: 1 } }] },
      { shardCollection: 'spartakus.facts', key: { _id: 'hashed', day: 1 }, $db: 'admin' },
    ]);
  });

  test('leaves a collection that is sharded', async () => {
    fake.responses['collStats'] = { ok: 1, sharded: true };

    expect(resultOf(await shard(), subject)).toStrictEqual({ result: 'exists' });
    expect(fake.server.sent('shardCollection')).toStrictEqual([]);
  });

  test('changes nothing in a dry run', async () => {
    fake.responses['collStats'] = { ok: 1 };

    expect(resultOf(await shard({ dryRun: true }), subject)).toStrictEqual({ result: 'created' });
    expect(fake.server.sent('enableSharding')).toStrictEqual([]);
  });

  test('reports what the server rejects', async () => {
    fake.responses['collStats'] = UNAUTHORIZED;

    expect(resultOf(await shard(), subject)).toStrictEqual({ result: 'denied' });
  });

  test('without the flag shards nothing', async () => {
    expect(resultOf(await shard({ sharded: false }), subject)).toStrictEqual({});
    expect(fake.server.sent('collStats')).toStrictEqual([]);
  });

  test('is an error of the flag where the server is no router', async () => {
    fake.server.describe({ msg: '' });

    await expect(failureOf(shard())).resolves.toMatchObject({
      kind: 'invalid',
      field: '--sharded',
      message: expect.stringContaining('not a mongos') as string,
    });
    expect(fake.server.sent('create')).toStrictEqual([]);
  });
});

describe('a server that is not available', () => {
  test.each(['find', 'collMod', 'listCollections', 'update', 'create', 'listIndexes'])(
    'is an error, not a result (%s)',
    async (name) => {
      fake.server.on((_command, each) => (each === name ? 'reset' : undefined));

      await expect(init()).rejects.toMatchObject({ name: expect.stringMatching(/Network|Bulk/) as string });
    },
  );

  test.each(['listCollections', 'listIndexes', 'find'])('is an error where it fails (%s)', async (name) => {
    fake.responses[name] = fails(1, 'InternalError');

    await expect(init()).rejects.toMatchObject({ codeName: 'InternalError' });
  });

  test('is an error where the primary steps down', async () => {
    fake.responses['create'] = fails(10_107, 'NotWritablePrimary', ['RetryableWriteError']);

    await expect(init()).rejects.toMatchObject({ codeName: 'NotWritablePrimary' });
  });
});
