import { once } from 'node:events';
import { access, readFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import type { Db } from 'mongodb';
import { SpartakusError } from '../../runtime/errors.ts';
import type { Database } from './database-spec.ts';
import { openEmbeddedStore } from './embedded.ts';
import { URI_FILE } from './engine/engine-errors.ts';
import type { startEngine } from './engine/start-engine.ts';
import {
  createMongoClient,
  databaseName,
  describeError,
  type MongoClientOptions,
  statisticsReadPreference,
} from './mongo-client.ts';
import type { MongoStoreOptions } from './mongo-store.ts';
import { requireServable } from './schema-version.ts';

/** The database of a collector, for commands that change what is stored. */
export interface OpenDatabase {
  readonly db: Db;
  /** For figures only: reads may be of a secondary, and some minutes old. */
  readonly figuresDb: Db;
  readonly close: () => Promise<void>;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** For one command, which may read everything. */
const COMMAND_TIMEOUT_MS = 600_000;

/**
 * Connects to a database, beside collectors that use it. The embedded engine is opened where no collector has it open; a directory without
 * a database is not changed.
 *
 * @param init for the embedded engine: as in MongoStoreOptions
 * @throws SpartakusError `invalid` where there is no such database, or it is newer than this program; `unavailable` where it cannot be opened
 */
export async function openDatabase(
  database: Database,
  appName: string,
  init?: MongoStoreOptions['init'],
  start?: typeof startEngine,
): Promise<OpenDatabase> {
  switch (database.kind) {
    case 'stdout':
      throw new SpartakusError('invalid', '--database stdout: stores nothing: name a database', {
        field: '--database',
      });
    case 'server':
      return connect({ appName, uri: database.uri });
    case 'embedded':
      return openEmbedded(database.directory, appName, { init, start });
  }
}

async function openEmbedded(
  directory: string,
  appName: string,
  { init, start }: { readonly init: MongoStoreOptions['init']; readonly start: typeof startEngine | undefined },
): Promise<OpenDatabase> {
  const name = `embedded:${directory}`;
  await access(path.join(directory, 'WiredTiger')).catch((cause: unknown) => {
    throw new SpartakusError('invalid', `--database ${name}: there is no database in this directory`, {
      cause,
      field: '--database',
    });
  });
  const connectToRunning = async (): Promise<OpenDatabase> => {
    const uri = await readFile(path.join(directory, URI_FILE), 'utf8');
    return connect({ appName, name, uri: uri.trim() });
  };
  if (await isRunning(path.join(directory, URI_FILE))) return connectToRunning();
  const engine = await openEmbeddedStore({
    directory,
    appName,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    storeTimeoutMs: CONNECT_TIMEOUT_MS,
    ...(init === undefined ? {} : { init }),
    ...(start === undefined ? {} : { start }),
  });
  try {
    const { close, ...opened } = await connectToRunning();
    return {
      ...opened,
      close: async () => {
        await close();
        await engine.close();
      },
    };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** Whether an engine listens; the file with its Unix socket may be that of a collector that was killed. */
async function isRunning(uriFile: string): Promise<boolean> {
  const uri = await readFile(uriFile, 'utf8').catch(() => '');
  const socketPath = decodeURIComponent(/^mongodb:\/\/([^/?]+)/.exec(uri)?.[1] ?? '');
  if (socketPath === '') return false;
  const socket = net.connect(socketPath);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function connect(target: Pick<MongoClientOptions, 'uri' | 'name' | 'appName'>): Promise<OpenDatabase> {
  const client = createMongoClient({
    ...target,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    storeTimeoutMs: COMMAND_TIMEOUT_MS,
  });
  try {
    await client.connect();
    const name = databaseName(target.uri);
    const db = client.db(name);
    await requireServable(db);
    const figuresDb = client.db(name, { readPreference: statisticsReadPreference(target.uri) });
    return { db, figuresDb, close: () => client.close() };
  } catch (error) {
    await client.close();
    if (error instanceof SpartakusError)
      throw new SpartakusError(error.kind, `--database ${describeError(target, error)}`, { cause: error });
    throw new SpartakusError(
      'unavailable',
      `--database ${describeError(target, error)}. Is the server running, and the address right?`,
      { cause: error },
    );
  }
}
