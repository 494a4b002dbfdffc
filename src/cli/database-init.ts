import { access } from 'node:fs/promises';
import path from 'node:path';
import type { Db } from 'mongodb';
import { type Database, DATABASES, DEFAULT_DATABASE, parseDatabase } from '../collector/store/database-spec.ts';
import { openEmbeddedStore } from '../collector/store/embedded.ts';
import { initDatabase, type InitStep } from '../collector/store/init-database.ts';
import { openDatabase } from '../collector/store/open-database.ts';
import { createCommand } from './command.ts';
import { countOf } from './count-of.ts';
import { group } from './flags.ts';
import type { Output } from './help.ts';
import { SWITCH } from './values.ts';
import { PROGRAM_VERSION } from './version.ts';

const APP_NAME = `spartakus-database-init/${PROGRAM_VERSION}`;
const EMBEDDED_TIMEOUT_MS = 10_000;

export const databaseInitCommand = createCommand({
  name: 'database init',
  description:
    'Creates what the database of a collector needs and does not have: collections (compressed, with validators), indexes and the schema ' +
    'version, and prints a line for each. Collectors do the same when they start, where their user may; this command is for a user with ' +
    'more rights (readWrite and dbAdmin; with --sharded also clusterManager). It can be repeated, and collectors may run meanwhile. ' +
    'Exits with code 1 if something is missing in the end.',
  databases: DATABASES.filter(({ example }) => example !== 'stdout'),
  flags: group('Database', {
    database: {
      name: 'database',
      placeholder: 'SPEC',
      default: DEFAULT_DATABASE,
      help: "The collector's database. --print-databases lists the supported forms.",
      parse: parseStored,
    },
    sharded: {
      name: 'sharded',
      variables: [],
      ...SWITCH,
      help: 'Also distribute the reports over the shards of a sharded cluster, by a hash of their id. It cannot be undone.',
    },
    dryRun: { name: 'dry-run', variables: [], ...SWITCH, help: 'Only print what would be created.' },
  }),
  async run({ database, sharded, dryRun }, { stdout }) {
    let changed = 0;
    let missing = 0;
    const init = async (db: Db): Promise<void> => {
      for (const step of await initDatabase(db, { sharded, dryRun })) {
        if (step.result === 'created' || step.result === 'changed') changed += 1;
        if (step.result === 'denied' || step.result === 'failed') missing += 1;
        stdout.write(describe(step, dryRun));
      }
    };
    await openForInit(database, dryRun, init);
    summarise(stdout, { changed, missing, dryRun });
    return missing === 0 || dryRun ? 0 : 1;
  },
});

/** A directory without a database of the embedded engine gets one, except in a dry run. */
async function openForInit(database: StoredDatabase, dryRun: boolean, init: (db: Db) => Promise<void>): Promise<void> {
  if (database.kind === 'embedded' && !dryRun && !(await hasDatabase(database.directory))) {
    const timeouts = { connectTimeoutMs: EMBEDDED_TIMEOUT_MS, storeTimeoutMs: EMBEDDED_TIMEOUT_MS };
    const store = await openEmbeddedStore({ directory: database.directory, appName: APP_NAME, ...timeouts, init });
    await store.close();
    return;
  }
  const { db, close } = await openDatabase(database, APP_NAME, async () => {});
  try {
    await init(db);
  } finally {
    await close();
  }
}

async function hasDatabase(directory: string): Promise<boolean> {
  return await access(path.join(directory, 'WiredTiger')).then(
    () => true,
    () => false,
  );
}

function describe({ subject, result, detail }: InitStep, dryRun: boolean): string {
  const words = {
    exists: 'exists',
    created: dryRun ? 'would create' : 'created',
    changed: dryRun ? 'would change' : 'changed',
    denied: 'DENIED',
    failed: 'FAIL',
  };
  const width = dryRun ? words.created.length : words.created.length + 1;
  return `${words[result].padEnd(width)} ${subject}${detail === undefined ? '' : `: ${detail}`}\n`;
}

function summarise(
  stdout: Output,
  { changed, missing, dryRun }: { readonly changed: number; readonly missing: number; readonly dryRun: boolean },
): void {
  if (missing > 0)
    stdout.write(
      `${countOf(missing, 'step')} failed. Use a user with the roles readWrite and dbAdmin on this database, and with --sharded ` +
        'clusterManager.\n',
    );
  else if (changed === 0) stdout.write('The database has everything that it needs.\n');
  else if (dryRun) stdout.write(`Nothing was changed; ${countOf(changed, 'step')} would be done.\n`);
  else stdout.write(`The database is ready; ${countOf(changed, 'step')} were done.\n`);
}

type StoredDatabase = Exclude<Database, { readonly kind: 'stdout' }>;

function parseStored(spec: string): StoredDatabase {
  const database = parseDatabase(spec);
  if (database.kind === 'stdout') throw new Error('stdout: stores nothing that could be created');
  return database;
}
