import { describe, expect, test } from 'vitest';
import { createLike, initForCollector } from '../../../src/collector/store/init-database.ts';
import { useFakeDatabase } from '../../support/fake-database.ts';
import { cursorOf, fails } from '../../support/fake-mongodb.ts';
import { createKeptLog } from '../../support/log.ts';

const UNAUTHORIZED = fails(13, 'Unauthorized');
const VALIDATOR = { a: { $exists: true } };
const COMPRESSED = { storageEngine: { wiredTiger: { configString: 'block_compressor=zstd' } } };

const fake = useFakeDatabase();

describe('at the start of a collector', () => {
  test('what it may not create is logged once, and what failed with its reason', async () => {
    const log = createKeptLog();
    fake.responses['create'] = ({ create }) => (create === 'clusters' ? fails(2, 'BadValue') : undefined);
    fake.responses['createIndexes'] = ({ createIndexes }) => (createIndexes === 'reports' ? UNAUTHORIZED : undefined);

    await initForCollector(fake.db, log.logger);

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

    await initForCollector(fake.db, log.logger);
    fake.responses['create'] = UNAUTHORIZED;
    await initForCollector(fake.db);

    expect(log.lines).toStrictEqual([]);
  });
});

describe('a collection like another one', () => {
  test('has its validator, and is compressed', async () => {
    fake.responses['listCollections'] = cursorOf([
      { name: 'statistics', type: 'collection', options: { validator: VALIDATOR } },
    ]);

    await createLike(fake.db, 'statisticsNext', 'statistics');

    expect(fake.server.sent('listCollections')).toMatchObject([{ filter: { type: 'collection', name: 'statistics' } }]);
    expect(fake.server.sent('create')).toMatchObject([
      { create: 'statisticsNext', validator: VALIDATOR, ...COMPRESSED },
    ]);
  });

  test('that does not exist has no validator', async () => {
    await createLike(fake.db, 'statisticsNext', 'statistics');

    expect(fake.server.sent('create')).toMatchObject([{ create: 'statisticsNext', ...COMPRESSED }]);
    expect(fake.server.sent('create')[0]).not.toHaveProperty('validator');
  });

  test('is created by its first document where the user may only insert', async () => {
    fake.responses['listCollections'] = UNAUTHORIZED;
    fake.responses['create'] = UNAUTHORIZED;

    await expect(createLike(fake.db, 'statisticsNext', 'statistics')).resolves.toBeUndefined();
  });
});
