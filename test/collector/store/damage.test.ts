import { chmod, open, readFile, rm, truncate } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { databaseCheckCommand } from '../../../src/cli/database-check.ts';
import { checkDirectory } from '../../../src/collector/store/check-database.ts';
import { openStore } from '../../../src/collector/store/open.ts';
import { type ClosedDatabase, findFile, makeClosedDatabase } from '../../support/damaged-database.ts';
import { runCommand } from '../../support/run-command.ts';

const REPORTS = 2_000;
let database: ClosedDatabase;

beforeAll(async () => {
  database = await makeClosedDatabase(REPORTS);
});

afterAll(() => database.remove());

type Damage = (directory: string) => Promise<unknown>;

const removing =
  (name: string): Damage =>
  (directory) =>
    rm(path.join(directory, name));
const emptying =
  (name: string): Damage =>
  (directory) =>
    truncate(path.join(directory, name), 0);

/** Overwrites a part in the middle of the largest file with such a name. */
const overwriting =
  (name: string, position: number): Damage =>
  async (directory) => {
    const handle = await open(await findFile(path.join(directory, path.dirname(name)), path.basename(name)), 'r+');
    const { size } = await handle.stat();
    const start = Math.floor((size * position) / 4_096) * 4_096;
    await handle.write(Buffer.alloc(Math.min(40_960, size - start), 'damage'), 0, null, start);
    await handle.close();
  };

/** Opens the database as a collector does; the message of the error. */
async function openingFails(directory: string): Promise<string> {
  const opening = openStore(
    { kind: 'embedded', directory },
    { appName: 'spartakus-test', storeTimeoutMs: 10_000, stdout: process.stdout },
  );
  return await opening.then(
    async (store) => {
      await store.close();
      return 'it opened';
    },
    (error: unknown) => (error as Error).message,
  );
}

const check = (directory: string) => runCommand(databaseCheckCommand, [`--database=embedded:${directory}`]);

const RESTORE =
  'Nothing was changed. Restore the directory from a backup, or start with an empty database in another directory';

test.each<[string, Damage, string]>([
  ['without WiredTiger.turtle', removing('WiredTiger.turtle'), `WiredTiger.turtle is missing. ${RESTORE}`],
  ['with an empty WiredTiger.turtle', emptying('WiredTiger.turtle'), `WiredTiger.turtle is empty. ${RESTORE}`],
  ['without WiredTiger.wt', removing('WiredTiger.wt'), `WiredTiger.wt is missing. ${RESTORE}`],
  ['without the catalog', removing('_mdb_catalog.wt'), `_mdb_catalog.wt is missing. ${RESTORE}`],
  ['with an empty catalog', emptying('_mdb_catalog.wt'), `_mdb_catalog.wt is empty. ${RESTORE}`],
  ['without sizeStorer.wt', removing('sizeStorer.wt'), `sizeStorer.wt is missing. ${RESTORE}`],
  [
    'with the start of a collection overwritten',
    overwriting('collection', 0),
    `.wt is not a file of WiredTiger. ${RESTORE}`,
  ],
  [
    'with a part of WiredTiger.wt overwritten',
    overwriting('WiredTiger.wt', 0.2),
    'is damaged or cannot be read (its process ended with ',
  ],
  [
    'with a damaged journal',
    overwriting('journal/WiredTigerLog', 0),
    'is damaged or cannot be read (its process ended with ',
  ],
])('a database %s is an error that says what to do', async (_case, damage, message) => {
  await database.withCopy(async (directory) => {
    await damage(directory);

    const said = await openingFails(directory);

    expect(said).toContain(message);
    expect(said).toMatch(new RegExp(`^--database embedded:${directory}: .*${directory}`));
  });
});

test('a file instead of a directory is named', async () => {
  await database.withCopy(async (directory) => {
    const file = path.join(directory, 'WiredTiger');

    await expect(openingFails(file)).resolves.toMatch(
      /ENOTDIR: not a directory, .*Name a directory that this user may write/,
    );
  });
});

test.skipIf(process.getuid?.() === 0)('a directory without permission is named', async () => {
  await database.withCopy(async (directory) => {
    await chmod(directory, 0);
    await expect(openingFails(directory)).resolves.toContain('EACCES: permission denied');
    await chmod(directory, 0o700);
  });
});

describe('spartakus database check', () => {
  test('counts the documents of a database without damage', async () => {
    await database.withCopy(async (directory) => {
      await expect(check(directory)).resolves.toStrictEqual({
        code: 0,
        stdout: [
          'ok    spartakus.clusters: 0 documents, 1 index',
          'ok    spartakus.kubermaticRecords: 0 documents, 5 indexes',
          'ok    spartakus.metadata: 1 document, 1 index',
          'ok    spartakus.probes: 1 document, 1 index',
          'ok    spartakus.reports: 2,000 documents, 5 indexes',
          'ok    spartakus.statistics: 0 documents, 1 index',
          'ok    spartakus.statisticsBase: 0 documents, 1 index',
          'ok    spartakus.statisticsState: 0 documents, 1 index',
          'ok    spartakus.statisticsTouched: 0 documents, 1 index',
          'No damage was found in 9 collections.\n',
        ].join('\n'),
        stderr: '',
      });
    });
  });

  test('names the collection at which the engine ends, and goes on with the next one', async () => {
    await database.withCopy(async (directory) => {
      // The root page of its tree.
      await overwriting('collection', 0.97)(directory);

      const { code, stdout } = await check(directory);

      expect(code).toBe(1);
      expect(stdout.split('\n').slice(3)).toStrictEqual([
        expect.stringMatching(/^ok {4}spartakus\.probes: 1 document/),
        expect.stringMatching(
          /^FAIL {2}spartakus\.reports: the engine failed: a file of the database in \S+ is damaged or cannot be read \(its process ended with [^)]+\) while this collection was read$/,
        ),
        expect.stringMatching(/^ok {4}spartakus\.statistics: 0 documents/),
        ...Array<unknown>(3).fill(expect.stringMatching(/^ok {4}spartakus\.statistics[A-Z]/)),
        '1 of 9 collections is damaged. Restore the database from a backup, or rebuild what can be read: docs/operations.md, "Damage".',
        '',
      ]);
    });
  });

  test('describes damaged documents in one line, without their content', async () => {
    await database.withCopy(async (directory) => {
      await overwriting('collection', 0.5)(directory);

      const { code, stdout } = await check(directory);

      expect([code, stdout]).toStrictEqual([
        1,
        expect.stringMatching(/\nFAIL {2}spartakus\.reports: [^\n{]{10,400}\n(ok .*\n){4}1 of 9 /),
      ]);
    });
  });

  test('names a damaged index', async () => {
    await database.withCopy(async (directory) => {
      await rm(await findFile(directory, 'index'));

      const { code, stdout } = await check(directory);

      expect([code, stdout]).toStrictEqual([
        1,
        expect.stringMatching(/FAIL {2}spartakus\.reports: .*Found errors in \w+/),
      ]);
    });
  });

  test('refuses a database that a collector has open, and one that is missing, empty or damaged', async () => {
    await database.withCopy(async (directory) => {
      const store = await openStore(
        { kind: 'embedded', directory },
        { appName: 'spartakus-test', storeTimeoutMs: 10_000, stdout: process.stdout },
      );
      const locked = await check(directory);
      await store.close();
      const missing = await check(path.join(directory, 'missing'));
      await removing('WiredTiger.turtle')(directory);
      const damaged = await check(directory);

      expect(locked).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('mongodb-uri') as unknown });
      expect(missing.stderr).toBe(`spartakus database check: there is no database in ${directory}/missing\n`);
      expect(damaged.stderr).toContain('WiredTiger.turtle is missing');
    });
  });

  test('reads the database of a running collector by its connection string', async () => {
    await database.withCopy(async (directory) => {
      const store = await openStore(
        { kind: 'embedded', directory },
        { appName: 'spartakus-test', storeTimeoutMs: 10_000, stdout: process.stdout },
      );
      const uri = (await readFile(path.join(directory, 'mongodb-uri'), 'utf8')).trim();

      const { code, stdout } = await runCommand(databaseCheckCommand, [`--database=${uri}`]);
      await store.close();

      expect([code, stdout]).toStrictEqual([0, expect.stringContaining('ok    spartakus.reports: 2,000 documents')]);
    });
  });

  test('a check that is interrupted ends at once, and reports no damage', async () => {
    await database.withCopy(async (directory) => {
      const stop = new AbortController();
      const states: string[] = [];

      for await (const { state, collection } of checkDirectory(directory, { appName: 'test', signal: stop.signal })) {
        states.push(`${state} ${collection}`);
        stop.abort();
      }

      expect(states).toStrictEqual(['reads spartakus.clusters']);
    });
  });

  test('stdout is a usage error', async () => {
    const { code, stderr } = await runCommand(databaseCheckCommand, ['--database=stdout']);

    expect([code, stderr]).toStrictEqual([2, expect.stringContaining('stdout: stores nothing that could be checked')]);
  });
});
