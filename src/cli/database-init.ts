import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Db } from 'mongodb';
import { openEmbeddedStore } from '../collector/store/embedded.ts';
import { initDatabase, type InitStep } from '../collector/store/init-database.ts';
import { createCommand } from './command.ts';
import { countOf } from './count-of.ts';
import { group } from './flags.ts';
import type { Output } from './help.ts';
import { STORED_DATABASES, type StoredDatabase, storedDatabaseFlag, withDatabase } from './stored-database.ts';
import { SWITCH } from './values.ts';
import { PROGRAM_VERSION } from './version.ts';

const EMBEDDED_TIMEOUT_MS = 10_000;
/** Opening the database must not change it: the command prints each change. */
const KEEP_AS_IS = async (): Promise<void> => {};

export const databaseInitCommand = createCommand({
  name: 'database init',
  description:
    'Creates what the database of a collector needs and does not have: collections (compressed, with validators), indexes and the schema ' +
    'version, and prints a line for each. Collectors do the same when they start, where their user may; this command is for a user with ' +
    'more rights (readWrite and dbAdmin; with --sharded also clusterManager). It can be repeated, and collectors may run meanwhile. ' +
    'Exits with code 1 if something is missing in the end.',
  databases: STORED_DATABASES,
  flags: group('Database', {
    database: storedDatabaseFlag('created'),
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
  if (database.kind === 'embedded' && !dryRun && !existsSync(path.join(database.directory, 'WiredTiger'))) {
    const timeouts = { connectTimeoutMs: EMBEDDED_TIMEOUT_MS, storeTimeoutMs: EMBEDDED_TIMEOUT_MS };
    const appName = `spartakus-database-init/${PROGRAM_VERSION}`;
    const store = await openEmbeddedStore({ directory: database.directory, appName, ...timeouts, init });
    await store.close();
  } else await withDatabase(database, 'database-init', ({ db }) => init(db), KEEP_AS_IS);
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
