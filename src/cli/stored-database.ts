import { type Database, DATABASES, DEFAULT_DATABASE, parseDatabase } from '../collector/store/database-spec.ts';
import { type OpenDatabase, openDatabase } from '../collector/store/open-database.ts';
import { PROGRAM_VERSION } from './version.ts';

export type StoredDatabase = Exclude<Database, { readonly kind: 'stdout' }>;

/** The forms of --database that store reports. */
export const STORED_DATABASES = DATABASES.filter(({ example }) => example !== 'stdout');

const FLAG = { name: 'database', placeholder: 'SPEC', default: DEFAULT_DATABASE };

/** The --database of commands that use it beside the collector. */
export const SHARED_DATABASE_FLAG = {
  ...FLAG,
  help: 'The database of the collector, which may run meanwhile. --print-databases lists the supported forms.',
  parse: parseDatabase,
};

/** The --database of commands on the database itself. Its parser throws where nothing is stored that could be `done`. */
export function storedDatabaseFlag(done: 'checked' | 'created') {
  return {
    ...FLAG,
    help: "The collector's database. --print-databases lists the supported forms.",
    parse(spec: string): StoredDatabase {
      const database = parseDatabase(spec);
      if (database.kind === 'stdout') throw new Error(`stdout: stores nothing that could be ${done}`);
      return database;
    },
  };
}

/** Opens a database for the time of a task; throws as openDatabase, and as the task. */
export async function withDatabase<Result>(
  database: Database,
  command: string,
  task: (opened: OpenDatabase) => Promise<Result>,
  init?: () => Promise<void>,
): Promise<Result> {
  const opened = await openDatabase(database, `spartakus-${command}/${PROGRAM_VERSION}`, init);
  try {
    return await task(opened);
  } finally {
    await opened.close();
  }
}
