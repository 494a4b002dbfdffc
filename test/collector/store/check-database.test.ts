import { getEventListeners } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkDirectory, checkServer, type CollectionCheck } from '../../../src/collector/store/check-database.ts';
import type { Engine } from '../../../src/collector/store/engine/start-engine.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { failureOf } from '../../support/failure.ts';
import { cursorOf, type FakeHandler, type FakeMongodb, fails, openFakeMongodb } from '../../support/fake-mongodb.ts';

const APP = 'spartakus-test';

let server: FakeMongodb;
let signal: AbortController;

beforeEach(async () => {
  server = await openFakeMongodb();
  signal = new AbortController();
  respond();
});
afterEach(() => server.close());

/** Two databases, of which one has two collections, besides those of the server itself. */
function respond(handler: FakeHandler = () => undefined): void {
  server.on(async (command, name) => {
    const response = await handler(command, name);
    if (response !== undefined) return response;
    if (name === 'listDatabases')
      return { ok: 1, databases: ['admin', 'config', 'local', 'two', 'one'].map((each) => ({ name: each })) };
    if (name === 'listCollections') {
      const names = command['$db'] === 'one' ? ['reports', 'clusters'] : ['reports'];
      return cursorOf(names.map((each) => ({ name: each, type: 'collection' })));
    }
    if (name === 'count') return { ok: 1, n: command['$db'] === 'one' ? 7 : 8 };
    if (name === 'validate') return { ok: 1, valid: true, nrecords: 9, nIndexes: 2 };
    return undefined;
  });
}

async function collect(checks: AsyncIterable<CollectionCheck>): Promise<readonly CollectionCheck[]> {
  const found: CollectionCheck[] = [];
  for await (const check of checks) found.push(check);
  return found;
}
const check = () => collect(checkServer(server.uri, { appName: APP, signal: signal.signal }));
const damagedIn = (found: readonly CollectionCheck[]) => found.filter(({ state }) => state === 'damaged');

describe('a server', () => {
  test('has each collection of each database checked whole, in the order of the names of collections', async () => {
    const of = (collection: string, documents: number): readonly CollectionCheck[] => [
      { state: 'reads', collection, documents },
      { state: 'valid', collection, documents: 9, indexes: 2 },
    ];

    await expect(check()).resolves.toStrictEqual(
      [of('one.clusters', 7), of('two.reports', 8), of('one.reports', 7)].flat(),
    );
    expect(server.sent('validate')).toMatchObject(
      ['clusters', 'reports', 'reports'].map((name) => ({ validate: name, full: true })),
    );
    expect(server.sent('listDatabases')).toMatchObject([{ nameOnly: true, $db: 'admin' }]);
    expect(getEventListeners(signal.signal, 'abort')).toStrictEqual([]);
    expect(server.sent('listCollections')[0]).toMatchObject({ filter: { type: 'collection' }, nameOnly: true });
    await expect.poll(() => server.connections()).toBe(0);
  });

  test('that does not count what it read is believed', async () => {
    respond((_command, name) => (name === 'validate' ? { ok: 1, valid: true } : undefined));

    expect((await check())[1]).toStrictEqual({ state: 'valid', collection: 'one.clusters', documents: 7, indexes: 0 });
  });

  test.each([
    ['errors, of which a part is shown', ['first', '{"t":"a line"}', 'x'.repeat(301)], `first; ${'x'.repeat(300)}`],
    ['lines of the log', ['{"t":"a line"}'], 'it is not valid'],
    ['nothing', undefined, 'it is not valid'],
  ])('with a damaged collection says what is wrong, and checks the others: %s', async (_what, errors, problem) => {
    respond(({ validate, $db }) =>
      validate === 'reports' && $db === 'one'
        ? { ok: 1, valid: false, ...(errors === undefined ? {} : { errors }) }
        : undefined,
    );

    const found = await check();

    expect(damagedIn(found)).toStrictEqual([{ state: 'damaged', collection: 'one.reports', problem }]);
    expect(found).toHaveLength(6);
  });

  test('that rejects to check a collection is asked for the others', async () => {
    respond(({ count }) => (count === 'clusters' ? fails(13, 'Unauthorized') : undefined));

    expect(damagedIn(await check())).toMatchObject([
      { collection: 'one.clusters', problem: expect.stringContaining('Unauthorized') as string },
    ]);
  });

  test('is not asked any more after the stop, which also ends the command that runs', async () => {
    respond((_command, name) => {
      if (name !== 'validate') return undefined;
      signal.abort();
      return 'no response';
    });

    await expect(check()).resolves.toStrictEqual([{ state: 'reads', collection: 'one.clusters', documents: 7 }]);
    expect(server.sent('validate')).toHaveLength(1);
    await expect.poll(() => server.connections()).toBe(0);
  });

  test('is checked without a limit of time for a command', async () => {
    respond(async (_command, name) => {
      if (name === 'validate') await new Promise((resolve) => void setTimeout(resolve, 20));
      return undefined;
    });

    expect(damagedIn(await check())).toStrictEqual([]);
  });
});

describe('a directory', () => {
  /** What the process of each engine ends with; an engine runs until then. */
  let engines: PromiseWithResolvers<SpartakusError | undefined>[];
  let options: unknown[];
  let closed: number;
  let directory: string;

  beforeEach(async () => {
    [engines, options, closed] = [[], [], 0];
    directory = await mkdtemp(path.join(tmpdir(), 'spartakus-test-'));
    await writeFile(path.join(directory, 'WiredTiger'), 'WiredTiger\n');
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const start = (given: string, asked?: object): Promise<Engine> => {
    const exited = Promise.withResolvers<SpartakusError | undefined>();
    engines.push(exited);
    options.push(given, asked);
    return Promise.resolve({
      uri: server.uri,
      pid: 1,
      exited: exited.promise,
      close: () => {
        closed += 1;
        exited.resolve(undefined);
        return Promise.resolve();
      },
    });
  };
  const checkAll = () => collect(checkDirectory(directory, { appName: APP, signal: signal.signal, start }));

  test('is checked with one engine, which does not wait for that of a collector', async () => {
    const found = await checkAll();

    expect(found.map(({ state }) => state)).toStrictEqual(['reads', 'valid', 'reads', 'valid', 'reads', 'valid']);
    expect(options).toStrictEqual([directory, { lockTimeoutMs: 0, signal: signal.signal }]);
    expect(closed).toBe(1);
    expect(getEventListeners(signal.signal, 'abort')).toStrictEqual([]);
    await expect.poll(() => server.connections()).toBe(0);
  });

  test('whose engine ends at a collection has it reported, and the others are checked with a new engine', async () => {
    respond(({ validate }) => {
      if (validate !== 'clusters') return undefined;
      engines.at(-1)?.resolve(new SpartakusError('unavailable', 'a file is damaged (SIGABRT). Check it with x'));
      return 'reset';
    });

    const found = await checkAll();

    expect(damagedIn(found)).toStrictEqual([
      {
        state: 'damaged',
        collection: 'one.clusters',
        problem: 'a file is damaged (SIGABRT) while this collection was read',
      },
    ]);
    expect(found.filter(({ state }) => state === 'valid')).toHaveLength(2);
    expect([engines.length, closed]).toStrictEqual([2, 1]);
    await expect.poll(() => server.connections()).toBe(0);
  });

  test('whose engine rejects a command has that error reported, and goes on with the same engine', async () => {
    respond(({ validate }) => (validate === 'clusters' ? fails(1, 'InternalError') : undefined));

    expect(damagedIn(await checkAll())).toMatchObject([
      { problem: expect.stringContaining('InternalError') as string },
    ]);
    expect(engines).toHaveLength(1);
  });

  test('whose engine cannot be started is its error', async () => {
    const failure = new SpartakusError('unavailable', 'another process has it open');
    const failing = () => Promise.reject(failure);

    await expect(
      collect(checkDirectory(directory, { appName: APP, signal: signal.signal, start: failing })),
    ).rejects.toBe(failure);
  });

  test('is not checked any further after the stop, which closes the engine', async () => {
    respond((_command, name) => {
      if (name !== 'validate') return undefined;
      signal.abort();
      return 'no response';
    });

    await expect(checkAll()).resolves.toMatchObject([{ state: 'reads' }]);
    expect(server.sent('validate')).toHaveLength(1);
    expect(closed).toBeGreaterThan(0);
  });

  test('without a database, or with a damaged one, has no engine started', async () => {
    await rm(path.join(directory, 'WiredTiger'));
    await expect(failureOf(checkAll())).resolves.toMatchObject({
      kind: 'not-found',
      message: `there is no database in ${directory}`,
    });
    await writeFile(path.join(directory, 'collection-1.wt'), '');
    expect((await failureOf(checkAll())).message).toContain('is damaged: WiredTiger is missing');
    await rm(directory, { recursive: true });
    await expect(failureOf(checkAll())).resolves.toMatchObject({ kind: 'not-found' });

    expect(engines).toStrictEqual([]);
  });
});
