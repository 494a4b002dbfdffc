import { access, mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Engine } from '../../../src/collector/store/engine/start-engine.ts';
import { openDatabase } from '../../../src/collector/store/open-database.ts';
import { openStore } from '../../../src/collector/store/open.ts';
import { failureOf } from '../../support/failure.ts';
import { cursorOf, type FakeMongodb, fails, openFakeMongodb } from '../../support/fake-mongodb.ts';
import { withFiles } from '../../support/files.ts';
import { putOne } from '../../support/put-one.ts';

const APP = 'spartakus-test';

let server: FakeMongodb;
beforeEach(async () => {
  server = await openFakeMongodb();
});
afterEach(() => server.close());

const at = (uri: string) => ({ kind: 'server', uri }) as const;

describe('a server', () => {
  test('is connected to, with a handle for changes and one for figures', async () => {
    const { db, figuresDb, close } = await openDatabase(at(server.uri), APP);

    expect([db.databaseName, figuresDb.databaseName]).toStrictEqual(['spartakus', 'spartakus']);
    expect(figuresDb.readPreference?.mode).toBe('secondaryPreferred');
    expect(db.readPreference?.mode ?? 'primary').toBe('primary');
    expect(server.sent('find')).toMatchObject([{ find: 'metadata' }]);
    await close();
    await expect.poll(() => server.connections()).toBe(0);
  });

  test('that is newer than this program is not opened', async () => {
    server.on(() => cursorOf([{ _id: 'schema', version: 9, minVersion: 8 }]));

    await expect(openDatabase(at(server.uri), APP)).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringMatching(/^--database mongodb:\S+: the database has schema version 9/) as string,
      cause: { kind: 'invalid' },
    });
    await expect.poll(() => server.connections()).toBe(0);
  });

  test('that rejects commands is an error that says what to check', async () => {
    server.on(() => fails(18, 'AuthenticationFailed'));

    await expect(openDatabase(at(server.uri), APP)).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(
        /^--database mongodb:\S+: AuthenticationFailed .*Is the server running, and the address right\?$/,
      ) as string,
      cause: { codeName: 'AuthenticationFailed' },
    });
    await expect.poll(() => server.connections()).toBe(0);
  });
});

test('stdout stores nothing that a command could change', async () => {
  await expect(failureOf(openDatabase({ kind: 'stdout' }, APP))).resolves.toMatchObject({
    kind: 'invalid',
    field: '--database',
    message: '--database stdout: stores nothing: name a database',
  });
});

describe('a directory', () => {
  let engines: { isClosed: boolean }[];
  beforeEach(() => void (engines = []));

  /** An engine whose database is the fake server. */
  const start = (): Promise<Engine> => {
    const state = { isClosed: false };
    const { promise, resolve } = Promise.withResolvers<undefined>();
    engines.push(state);
    return Promise.resolve({
      uri: server.uri,
      pid: 1,
      exited: promise,
      close: () => {
        state.isClosed = true;
        resolve(undefined);
        return Promise.resolve();
      },
    });
  };
  const openIn = (directory: string) =>
    openDatabase({ kind: 'embedded', directory }, APP, () => Promise.resolve(), start);
  const withDatabase = (use: (directory: string) => Promise<void>): Promise<void> =>
    withFiles({ WiredTiger: 'WiredTiger\n' }, use);

  test('without a database is an error of the flag, and is not changed', async () => {
    await withFiles({ 'other/x': '' }, async (dir) => {
      const directory = path.join(dir, 'other');

      await expect(failureOf(openIn(directory))).resolves.toMatchObject({
        kind: 'invalid',
        field: '--database',
        message: `--database embedded:${directory}: there is no database in this directory`,
        cause: { code: 'ENOENT' },
      });
      await expect(readdir(directory)).resolves.toStrictEqual(['x']);
    });
  });

  test('that a collector has open is used by its connection, beside the collector', async () => {
    await withDatabase(async (directory) => {
      await mkdir(path.join(directory, 'a socket'));
      const running = await openFakeMongodb(path.join(directory, 'a socket', 'mongodb.sock'));
      await writeFile(path.join(directory, 'mongodb-uri'), `${running.uri}\n`);

      const { db, close } = await openIn(directory);
      await db.command({ ping: 1 });
      await close();

      expect(running.sent('ping')).toHaveLength(1);
      expect(engines).toStrictEqual([]);
      await expect(access(path.join(directory, 'mongodb-uri'))).resolves.toBeUndefined();
      await running.close();
    });
  });

  test.each<[string, string | undefined]>([
    ['no file with a connection string', undefined],
    ['a file that is no connection string', 'x'],
    ['the connection string of a collector that was killed', 'mongodb://%2Fabsent%2Fmongodb.sock/spartakus'],
  ])('with %s has its engine started, and closed again', async (_what, content) => {
    await withDatabase(async (directory) => {
      if (content !== undefined) await writeFile(path.join(directory, 'mongodb-uri'), content);

      const { db, close } = await openIn(directory);
      await db.command({ ping: 1 });

      expect(server.sent('ping')).toHaveLength(1);
      expect(engines).toStrictEqual([{ isClosed: false }]);
      await close();
      expect(engines).toStrictEqual([{ isClosed: true }]);
      await expect.poll(() => server.connections()).toBe(0);
    });
  });

  test('whose database cannot be used has its engine closed', async () => {
    await withDatabase(async (directory) => {
      server.on((_command, name) => (name === 'find' ? fails(1, 'InternalError') : undefined));

      const { message } = await failureOf(openIn(directory));

      expect(message).toContain(`--database embedded:${directory}: InternalError`);
      expect(engines).toStrictEqual([{ isClosed: true }]);
    });
  });
});

describe('a store', () => {
  const options = { appName: APP, storeTimeoutMs: 10_000 };

  test('of a server stores reports there', async () => {
    const store = await openStore(at(server.uri), { ...options, stdout: new PassThrough() });

    await expect(putOne(store)).resolves.toStrictEqual({ status: 'stored' });
    expect(server.sent('insert')).toHaveLength(1);
    await store.close();
  });

  test('of a directory that cannot be used is an error with its name', async () => {
    await withFiles({ file: '' }, async (dir) => {
      const directory = path.join(dir, 'file');

      const { message } = await failureOf(
        openStore({ kind: 'embedded', directory }, { ...options, stdout: new PassThrough() }),
      );

      expect(message).toMatch(new RegExp(`^--database embedded:${directory}: ENOTDIR`));
    });
  });

  test('of stdout prints reports', async () => {
    const stdout = new PassThrough();
    const store = await openStore({ kind: 'stdout' }, { ...options, stdout });

    await expect(putOne(store)).resolves.toStrictEqual({ status: 'stored' });
    expect(String(stdout.read())).toContain('"clusterID"');
  });
});
