import { access, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openEmbeddedStore } from '../../../src/collector/store/embedded.ts';
import type { Engine } from '../../../src/collector/store/engine/start-engine.ts';
import type { DatabaseStore } from '../../../src/collector/store/mongo-store.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { failureOf } from '../../support/failure.ts';
import { type FakeMongodb, fails, openFakeMongodb } from '../../support/fake-mongodb.ts';
import { withFiles } from '../../support/files.ts';
import { createKeptLog, type KeptLog } from '../../support/log.ts';
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts';
import { putOne } from '../../support/put-one.ts';

type Options = Parameters<typeof openEmbeddedStore>[0];

/** An engine whose database is a fake server, and that ends when the test says. */
interface FakeEngine extends Engine {
  readonly directory: string;
  readonly socketDirectory: string;
  readonly closes: readonly string[];
  fail(): void;
}

let server: FakeMongodb;
let clock: ManualClock;
let log: KeptLog;
let engines: FakeEngine[];
/** What the next start rejects with. */
let startError: Error | undefined;

beforeEach(async () => {
  server = await openFakeMongodb();
  clock = createManualClock(new Date('2026-11-21T10:00:00Z'));
  log = createKeptLog();
  engines = [];
  startError = undefined;
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
});

const start: NonNullable<Options['start']> = async (directory, options) => {
  if (startError !== undefined) throw startError;
  const { promise, resolve } = Promise.withResolvers<SpartakusError | undefined>();
  const closes: string[] = [];
  // As the engine: without it, the database is gone.
  for (const name of ['WiredTiger', 'WiredTiger.wt']) await writeFile(path.join(directory, name), '');
  const engine: FakeEngine = {
    uri: server.uri,
    pid: engines.length + 1,
    exited: promise,
    directory,
    socketDirectory: options?.socketDirectory ?? '',
    closes,
    fail: () => resolve(new SpartakusError('unavailable', 'the engine failed')),
    close: async () => {
      closes.push(...(await readdir(directory)));
      resolve(undefined);
    },
  };
  engines.push(engine);
  return engine;
};

/** Calls `use` with the path of a database that does not exist yet, and a directory for temporary files. */
async function withDirectories(use: (directory: string, temporary: string) => Promise<void>): Promise<void> {
  await withFiles({ 'tmp/x': '' }, async (dir) => {
    vi.stubEnv('TMPDIR', path.join(dir, 'tmp'));
    await use(path.join(dir, 'data'), path.join(dir, 'tmp'));
  });
}

const openIn = (directory: string, options: Partial<Options> = {}): Promise<DatabaseStore> =>
  openEmbeddedStore({
    directory,
    appName: 'spartakus-test',
    connectTimeoutMs: 2_000,
    storeTimeoutMs: 10_000,
    init: () => Promise.resolve(),
    clock,
    random: () => 0,
    logger: log.logger,
    diskReserveBytes: 0,
    start,
    ...options,
  });

test('opens the engine on the directory, with a private file that says where it is, and tidies up at the end', async () => {
  await withDirectories(async (directory, temporary) => {
    await mkdir(directory);
    const store = await openIn(path.relative(process.cwd(), directory));
    const uriFile = path.join(directory, 'mongodb-uri');

    await expect(readFile(uriFile, 'utf8')).resolves.toBe(`${server.uri}\n`);
    expect((await stat(uriFile)).mode & 0o777).toBe(0o600);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect(engines[0]?.directory).toBe(directory);
    expect(path.dirname(engines[0]?.socketDirectory ?? '')).toBe(temporary);
    expect(server.sent('setParameter')).toMatchObject([{ indexBuildMinAvailableDiskSpaceMB: 0 }]);
    expect(log.lines).toStrictEqual([
      { level: 'info', fields: { pid: 1 }, message: "MongoDB's embedded engine runs." },
    ]);
    await expect(putOne(store)).resolves.toStrictEqual({ status: 'stored' });
    await expect(store.hasReportsFrom('a')).resolves.toBe(false);
    await expect(store.check()).resolves.toBeUndefined();
    expect(store.database().databaseName).toBe('spartakus');

    await store.close();

    // The file is gone before the engine closes: it may then be that of the next collector.
    expect(engines[0]?.closes).not.toContain('mongodb-uri');
    await expect(access(uriFile)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(readdir(temporary)).resolves.toStrictEqual(['x']);
    await expect.poll(() => server.connections()).toBe(0);
  });
});

test('closes also where its files were removed meanwhile', async () => {
  await withDirectories(async (directory) => {
    const store = await openIn(directory);
    await rm(path.join(directory, 'mongodb-uri'));
    await rm(engines[0]?.socketDirectory ?? '', { recursive: true });

    await expect(store.close()).resolves.toBeUndefined();
    expect(engines[0]?.closes).not.toStrictEqual([]);
  });
});

test('removes the socket directories of engines that were killed', async () => {
  await withDirectories(async (directory, temporary) => {
    await (await openIn(directory)).close();
    const old = path.join(temporary, `${path.basename(engines[0]?.socketDirectory ?? '').slice(0, -6)}killed`);
    await mkdir(old);

    await (await openIn(directory)).close();

    await expect(readdir(temporary)).resolves.toStrictEqual(['x']);
  });
});

describe('while the engine does not run', () => {
  test('everything fails at once as retryable, and succeeds when it runs again', async () => {
    await withDirectories(async (directory) => {
      const store = await openIn(directory);
      engines[0]?.fail();
      const pauseMs = await clock.asleep().then(() => clock.asleep());
      const inserts = server.sent('insert').length;

      await expect(store.put([])).resolves.toStrictEqual([]);
      await expect(putOne(store)).resolves.toMatchObject({
        status: 'failed',
        error: { kind: 'unavailable', retryAfterMs: 5_000, cause: { message: 'the engine failed' } },
      });
      await expect(store.hasReportsFrom('a')).rejects.toMatchObject({ kind: 'unavailable' });
      expect(server.sent('insert')).toHaveLength(inserts);

      clock.advance(pauseMs);
      await expect.poll(() => putOne(store)).toStrictEqual({ status: 'stored' });
      expect(engines.map(({ socketDirectory }) => socketDirectory)).toStrictEqual(
        Array(2).fill(engines[0]?.socketDirectory),
      );
      await store.close();
      expect(engines[1]?.closes).not.toStrictEqual([]);
    });
  });

  test('it is not started on a directory without the database, such as after a volume was unmounted', async () => {
    await withDirectories(async (directory) => {
      const store = await openIn(directory);
      await clock.asleep();
      await rename(directory, `${directory}-unmounted`);
      engines[0]?.fail();
      clock.advance(await clock.asleep());
      await clock.asleep();

      expect(log.messages('error').at(-1)).toMatch(
        /the database is gone: ENOENT.*Mount or restore \S+\/data, or restart the collector to begin with an empty database\.$/,
      );
      expect(engines).toHaveLength(1);
      await rename(`${directory}-unmounted`, directory);
      await store.close();
    });
  });

  test('it is not started on a damaged directory', async () => {
    await withDirectories(async (directory) => {
      const store = await openIn(directory);
      await clock.asleep();
      await writeFile(path.join(directory, 'WiredTiger.turtle'), 'garbage');
      engines[0]?.fail();
      clock.advance(await clock.asleep());
      await clock.asleep();

      expect(log.messages('error').at(-1)).toContain('is damaged: WiredTiger.turtle is not a file of WiredTiger');
      expect(engines).toHaveLength(1);
      await store.close();
    });
  });
});

test('the disk is measured, and its reserve rejects reports and statistics', async () => {
  await withDirectories(async (directory) => {
    const reserveBytes = 2 ** 60;
    const store = await openIn(directory, { diskReserveBytes: reserveBytes });

    expect(store.disk?.()).toMatchObject({ reserveBytes, isExhausted: true });
    await expect(putOne(store)).resolves.toMatchObject({ error: { kind: 'unavailable' } });
    expect(() => store.database()).toThrow('the disk of the database is full');
    await store.close();
  });
});

describe('an engine that cannot be opened', () => {
  const expectTidied = async (directory: string, temporary: string): Promise<void> => {
    await expect(readdir(temporary)).resolves.toStrictEqual(['x']);
    await expect(access(path.join(directory, 'mongodb-uri'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect.poll(() => server.connections()).toBe(0);
  };

  test('is an error with the name of the directory as it was given', async () => {
    await withDirectories(async (directory, temporary) => {
      startError = new SpartakusError('invalid', 'the file is wrong');
      const relative = path.relative(process.cwd(), directory);

      await expect(openIn(relative)).rejects.toMatchObject({
        kind: 'invalid',
        message: `--database embedded:${relative}: the file is wrong`,
        cause: startError,
      });
      await expectTidied(directory, temporary);
    });
  });

  test('for a reason of the system says what to do', async () => {
    await withDirectories(async (directory, temporary) => {
      startError = new Error('ENOSPC: no space left');

      const { kind, message } = await failureOf(openIn(directory));

      expect(kind).toBe('unavailable');
      expect(message).toBe(
        `--database embedded:${directory}: ENOSPC: no space left. Name a directory that this user may write to, on a disk with free space.`,
      );
      await expectTidied(directory, temporary);
    });
  });

  test('because its directory is damaged is not started', async () => {
    await withDirectories(async (directory) => {
      await mkdir(directory);
      await writeFile(path.join(directory, 'WiredTiger.turtle'), 'garbage');

      const { message } = await failureOf(openIn(directory));

      expect(message).toContain(`--database embedded:${directory}: the database in ${directory} is damaged`);
      expect(engines).toStrictEqual([]);
    });
  });

  test('because its database rejects commands is an error of the database', async () => {
    await withDirectories(async (directory, temporary) => {
      server.on((_command, name) => (name === 'setParameter' ? fails(1, 'InternalError') : undefined));
      const failure = failureOf(openIn(directory));
      clock.advance(await clock.asleep());

      const { message } = await failure;

      expect(message).toMatch(/^--database embedded:\S+\/data: InternalError .*may this user write\?$/);
      expect(engines[0]?.closes).not.toStrictEqual([]);
      await expectTidied(directory, temporary);
    });
  });

  test('because its process ended says why', async () => {
    await withDirectories(async (directory, temporary) => {
      server.on((_command, name) => {
        if (name !== 'setParameter') return undefined;
        engines[0]?.fail();
        return 'reset';
      });

      const { message } = await failureOf(openIn(directory));

      expect(message).toBe(`--database embedded:${directory}: the engine failed`);
      await expectTidied(directory, temporary);
    });
  });
});
