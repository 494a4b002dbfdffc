import { access, chmod, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Db } from 'mongodb';
import type { ReportStore } from '../../report/report-sink.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { makeDirectory } from '../../runtime/make-directory.ts';
import { rejectDamaged } from './data-directory.ts';
import { openDiskReserve } from './disk-reserve.ts';
import { URI_FILE } from './engine/engine-errors.ts';
import { createSocketDirectory, removeOldSocketDirectories } from './engine/socket-directory.ts';
import { type Engine, startEngine } from './engine/start-engine.ts';
import { type SupervisedEngine, superviseEngine } from './engine/supervise-engine.ts';
import { type DatabaseStore, type MongoStoreOptions, openMongoStore } from './mongo-store.ts';
import { failed } from './write-outcomes.ts';

interface EmbeddedStoreOptions extends Pick<
  MongoStoreOptions,
  'appName' | 'connectTimeoutMs' | 'storeTimeoutMs' | 'init'
> {
  /** Created where it is missing. */
  readonly directory: string;
  /** See disk-reserve.ts. */
  readonly diskReserveBytes?: number | undefined;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly logger?: Logger;
  readonly start?: typeof startEngine;
}

/** By default, no index is created while less than 500 MB of the disk are free, not even of an empty collection. */
const PARAMETERS = { indexBuildMinAvailableDiskSpaceMB: 0 };
/** A connection breaks some milliseconds before the process ends, and its reason is known. */
const EXIT_TIMEOUT_MS = 1_000;

const NO_LOGGER: Logger = { debug: noLog, info: noLog, warn: noLog, error: noLog };

/**
 * Opens MongoDB's embedded engine: one process per directory, which is started again when it ends. The connection string is written to
 * `mongodb-uri` in the directory: `mongosh "$(cat spartakus-data/mongodb-uri)"` opens the database.
 *
 * @throws SpartakusError where it cannot be opened
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<DatabaseStore> {
  const directory = path.resolve(options.directory);
  const name = `embedded:${options.directory}`;
  try {
    await rejectDamaged(directory);
    await makePrivate(directory);
    return await openOn(directory, name, options);
  } catch (error) {
    if (error instanceof SpartakusError && error.message.startsWith('--database')) throw error;
    const { kind, message } =
      error instanceof SpartakusError
        ? error
        : {
            kind: 'unavailable' as const,
            message: `${messageOf(error)}. Name a directory that this user may write to, on a disk with free space.`,
          };
    throw new SpartakusError(kind, `--database ${name}: ${message}`, { cause: error });
  }
}

async function openOn(directory: string, name: string, options: EmbeddedStoreOptions): Promise<DatabaseStore> {
  const { clock = systemClock, random = Math.random, logger = NO_LOGGER, start = startEngine } = options;
  const socketDirectory = await createSocketDirectory(directory);
  const resources = new AsyncDisposableStack();
  resources.defer(() => rm(socketDirectory, { recursive: true, force: true }));
  try {
    const first = await start(directory, { socketDirectory });
    let closeEngine = (): Promise<void> => first.close();
    resources.defer(() => closeEngine());
    await removeOldSocketDirectories(directory, socketDirectory);
    const uriFile = path.join(directory, URI_FILE);
    // Before the engine closes: the file may then be that of the next collector.
    resources.defer(() => rm(uriFile, { force: true }));
    await writeFile(uriFile, `${first.uri}\n`, { mode: 0o600 });
    const mongoOptions = { ...options, uri: first.uri, name, parameters: PARAMETERS };
    const store = await openMongoStore(mongoOptions).catch(async (error: unknown) => {
      throw (await Promise.race([first.exited, clock.sleep(EXIT_TIMEOUT_MS)])) ?? error;
    });
    resources.defer(() => store.close());
    logger.info({ pid: first.pid }, "MongoDB's embedded engine runs.");
    const restart = async (signal: AbortSignal): Promise<Engine> => {
      await requireDatabase(directory);
      await rejectDamaged(directory);
      return await start(directory, { socketDirectory, signal });
    };
    const engine = superviseEngine(first, { start: restart, clock, random, logger });
    closeEngine = () => engine.close();
    const embedded = new EmbeddedStore(engine, store, () => resources.disposeAsync());
    const reserved = await openDiskReserve(embedded, { directory, reserveBytes: options.diskReserveBytes, clock });
    const database = (): Db => {
      // The engine aborts on a full disk.
      if (reserved.disk?.()?.isExhausted === true)
        throw new SpartakusError('unavailable', 'the disk of the database is full');
      return embedded.database();
    };
    return { ...reserved, database };
  } catch (error) {
    await resources.disposeAsync();
    throw error;
  }
}

/** Without its files, such as after a volume was unmounted, the engine would create an empty database. */
async function requireDatabase(directory: string): Promise<void> {
  const file = path.join(directory, 'WiredTiger.wt');
  await access(file).catch((error: unknown) => {
    const message = `the database is gone: ${messageOf(error)}. Mount or restore ${directory}, or restart the collector`;
    throw new SpartakusError('unavailable', `${message} to begin with an empty database.`, { cause: error });
  });
}

/** Without its engine, everything fails at once instead of after a timeout. */
class EmbeddedStore implements DatabaseStore {
  readonly #engine: SupervisedEngine;
  readonly #store: DatabaseStore;
  readonly #close: () => Promise<void>;

  constructor(engine: SupervisedEngine, store: DatabaseStore, close: () => Promise<void>) {
    this.#engine = engine;
    this.#store = store;
    this.#close = close;
  }

  put: ReportStore['put'] = async (entries) =>
    await this.#engine
      .use(() => this.#store.put(entries))
      .catch((error: unknown) => entries.map(() => failed(SpartakusError.from(error))));

  hasReportsFrom: ReportStore['hasReportsFrom'] = (id) => this.#engine.use(() => this.#store.hasReportsFrom(id));

  check: ReportStore['check'] = () => this.#engine.use(() => this.#store.check());

  database(): Db {
    return this.#store.database();
  }

  close(): Promise<void> {
    return this.#close();
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

function noLog(): void {}
