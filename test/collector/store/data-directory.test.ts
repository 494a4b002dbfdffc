import { chmod, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { inspectDataDirectory, rejectDamaged } from '../../../src/collector/store/data-directory.ts';
import { failureOf } from '../../support/failure.ts';
import { withFiles } from '../../support/files.ts';

/** The first bytes of every file of WiredTiger. */
const HEADER = Buffer.from([0x41, 0xd8, 1, 0, 1, 0, 0, 0]).toString('latin1');
const TURTLE =
  'WiredTiger version string\nWiredTiger 12.0.0\nfile:WiredTiger.wt\nallocation_size=4KB,checkpoint_lsn=(5,1355776)\n';

/** The files of a database with one collection, as the engine wrote them. */
const DATABASE = {
  WiredTiger: 'WiredTiger\n',
  'WiredTiger.lock': 'WiredTiger lock file\n',
  'WiredTiger.turtle': TURTLE,
  'WiredTiger.wt': '',
  'WiredTigerHS.wt': '',
  '_mdb_catalog.wt': '',
  'sizeStorer.wt': '',
  'collection-1.wt': '',
  'index-1.wt': '',
  'journal/WiredTigerLog.0000000005': '',
  'mongod.lock': '123\n',
};

async function inspectAfter(change: (dir: string) => Promise<unknown>): Promise<string | undefined> {
  let problem: string | undefined;
  await withFiles(DATABASE, async (dir) => {
    for (const name of Object.keys(DATABASE).filter((each) => each.endsWith('.wt')))
      await writeFile(path.join(dir, name), HEADER, 'latin1');
    await change(dir);
    problem = await inspectDataDirectory(dir);
  });
  return problem;
}

const removing =
  (...names: string[]) =>
  async (dir: string) => {
    for (const name of names) await rm(path.join(dir, name), { recursive: true });
  };
const emptying = (name: string) => (dir: string) => truncate(path.join(dir, name), 0);
const writing = (name: string, content: string) => (dir: string) => writeFile(path.join(dir, name), content);

const CATALOG = ['WiredTiger.turtle', 'WiredTiger.wt', 'WiredTigerHS.wt', '_mdb_catalog.wt', 'sizeStorer.wt'];

type Change = (dir: string) => Promise<unknown>;

test.each<[string, Change, string]>([
  ...['WiredTiger', ...CATALOG].map((name): [string, Change, string] => [
    `without ${name}`,
    removing(name),
    `${name} is missing`,
  ]),
  ...CATALOG.map((name): [string, Change, string] => [`with an empty ${name}`, emptying(name), `${name} is empty`]),
  [
    'with garbage in the turtle',
    writing('WiredTiger.turtle', 'garbage'),
    'WiredTiger.turtle is not a file of WiredTiger',
  ],
  [
    'with garbage in a collection',
    writing('collection-1.wt', 'garbage'),
    'collection-1.wt is not a file of WiredTiger',
  ],
  ['with one byte in an index', writing('index-1.wt', 'A'), 'index-1.wt is not a file of WiredTiger'],
  [
    'without the journal, after the engine was killed',
    removing('journal'),
    'the journal is missing (journal/WiredTigerLog.0000000005), and the engine was not closed after the last write',
  ],
  [
    'with an older journal only',
    async (dir: string) => {
      await removing('journal/WiredTigerLog.0000000005')(dir);
      await writing('journal/WiredTigerLog.0000000004', '')(dir);
    },
    'the journal is missing (journal/WiredTigerLog.0000000005), and the engine was not closed after the last write',
  ],
])('a database %s is damaged', async (_case, change, problem) => {
  await expect(inspectAfter(change)).resolves.toBe(problem);
});

const DATA = ['collection-1.wt', 'index-1.wt'];

test.each([
  ['that is complete', () => Promise.resolve()],
  // In the order in which the first start creates them.
  ['whose first start was killed before its turtle was written', removing(...CATALOG, ...DATA)],
  ['whose first start was killed while the catalog was created', removing('_mdb_catalog.wt', 'sizeStorer.wt', ...DATA)],
  ['whose first start was killed before the first collection', removing(...DATA)],
  ['whose engine was killed while it created a collection', emptying('collection-1.wt')],
  ['whose marker is empty', emptying('WiredTiger')],
  [
    'that was closed, and whose journal was removed',
    async (dir: string) => {
      await emptying('mongod.lock')(dir);
      await removing('journal')(dir);
    },
  ],
])('a database %s is not damaged', async (_case, change) => {
  await expect(inspectAfter(change)).resolves.toBeUndefined();
});

test('a directory that is missing, empty or has other files is no damaged database', async () => {
  await withFiles({ 'notes/notes.txt': '' }, async (dir) => {
    for (const name of ['notes', 'missing', '.'])
      await expect(inspectDataDirectory(path.join(dir, name))).resolves.toBeUndefined();
  });
});

test('a file instead of a directory is an error of the system', async () => {
  await withFiles({ file: '' }, async (dir) => {
    for (const name of ['file', 'file/below'])
      await expect(inspectDataDirectory(path.join(dir, name))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});

test.skipIf(process.getuid?.() === 0)('so is a directory that may not be read', async () => {
  await withFiles({}, async (dir) => {
    await chmod(dir, 0);
    await expect(inspectDataDirectory(dir)).rejects.toMatchObject({ code: 'EACCES' });
    await chmod(dir, 0o700);
  });
});

test('a damaged database is rejected with its directory and the ways out, and one that is not damaged is accepted', async () => {
  await withFiles({ 'WiredTiger.turtle': 'garbage' }, async (dir) => {
    await expect(failureOf(rejectDamaged(dir))).resolves.toMatchObject({
      kind: 'unavailable',
      message:
        `the database in ${dir} is damaged: WiredTiger.turtle is not a file of WiredTiger. Nothing was changed. Restore the directory ` +
        'from a backup, or start with an empty database in another directory: --database embedded:OTHER',
    });
    await expect(rejectDamaged(path.join(dir, 'missing'))).resolves.toBeUndefined();
  });
});

test('a newer journal than the last checkpoint needs is not damage, and files of other programs are not looked at', async () => {
  await expect(
    inspectAfter(async (dir) => {
      await removing('journal/WiredTigerLog.0000000005')(dir);
      await writing('journal/WiredTigerLog.0000000017', '')(dir);
      await writing('journal/WiredTigerPreplog.0000000001', '')(dir);
      await writing('notes.wt.txt', 'garbage')(dir);
    }),
  ).resolves.toBeUndefined();
});

test('files whose names only contain those of data do not need a catalog', async () => {
  await withFiles({ 'my-collection-1.wt': '', 'collection-1.wt.bak': '', 'collection-.wt': '' }, async (dir) => {
    await expect(inspectDataDirectory(dir)).resolves.toBeUndefined();
  });
});

test('the first of several damaged files is named', async () => {
  await expect(
    inspectAfter(async (dir) => {
      for (const name of ['index-1.wt', 'collection-1.wt']) await writing(name, 'garbage')(dir);
    }),
  ).resolves.toBe('collection-1.wt is not a file of WiredTiger');
});

test('the whole number of the journal that the checkpoint needs is read', async () => {
  const turtle = TURTLE.replace('(5,', '(17,');

  await expect(inspectAfter(writing('WiredTiger.turtle', turtle))).resolves.toContain(
    'journal/WiredTigerLog.0000000017)',
  );
});

test.each<[string, Change]>([
  ['without the lock of an engine', removing('mongod.lock', 'journal')],
  [
    'whose checkpoint needs no journal',
    async (dir) => {
      await removing('journal')(dir);
      await writing('WiredTiger.turtle', TURTLE.replace('checkpoint_lsn=(5,1355776)', ''))(dir);
    },
  ],
  [
    'whose first start was killed while its turtle was written',
    async (dir) => {
      await removing(...DATA)(dir);
      await emptying('WiredTiger.turtle')(dir);
    },
  ],
])('a database %s is not damaged', async (_case, change) => {
  await expect(inspectAfter(change)).resolves.toBeUndefined();
});
