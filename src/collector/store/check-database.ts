import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Db, MongoClient } from 'mongodb';
import { ignoreMissing } from '../../runtime/atomic-file.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import { rejectDamaged } from './data-directory.ts';
import { type Engine, startEngine } from './engine/start-engine.ts';
import { createMongoClient } from './mongo-client.ts';

/** A collection before it is read, and the result. */
export type CollectionCheck =
  | { readonly state: 'reads'; readonly collection: string; readonly documents: number | undefined }
  | { readonly state: 'valid'; readonly collection: string; readonly documents: number; readonly indexes: number }
  | { readonly state: 'damaged'; readonly collection: string; readonly problem: string };

interface CheckOptions {
  readonly appName: string;
  readonly signal: AbortSignal;
  readonly start?: typeof startEngine;
}

/** https://www.mongodb.com/docs/manual/reference/command/validate/ */
interface Validation {
  readonly valid: boolean;
  readonly errors?: readonly string[];
  readonly nrecords?: number;
  readonly nIndexes?: number;
}

const DATABASES_OF_SERVERS = new Set(['admin', 'config', 'local']);
const CONNECT_TIMEOUT_MS = 5_000;
/** How long a process takes to end after its connections are broken. */
const EXIT_TIMEOUT_MS = 5_000;
const MAX_ERROR_LENGTH = 300;

/**
 * Reads every document and index entry of every collection. Where the engine ends because a collection is damaged, it is started again for
 * the next one. No collector may have the directory open.
 *
 * @throws SpartakusError where there is no database, or it cannot be opened
 */
export async function* checkDirectory(
  directory: string,
  { appName, signal, start = startEngine }: CheckOptions,
): AsyncGenerator<CollectionCheck> {
  await rejectDamaged(directory);
  const names = await ignoreMissing(() => readdir(directory));
  if (names?.includes('WiredTiger') !== true)
    throw new SpartakusError('not-found', `there is no database in ${path.resolve(directory)}`);
  let opened: { readonly engine: Engine; readonly client: MongoClient } | undefined;
  const open = async (): Promise<{ readonly engine: Engine; readonly client: MongoClient }> => {
    const engine = await start(directory, { lockTimeoutMs: 0, signal });
    opened = { engine, client: createClient(engine.uri, appName) };
    return opened;
  };
  const close = async (): Promise<void> => {
    await opened?.client.close(true);
    await opened?.engine.close();
  };
  // Ends the command that runs, which may take hours.
  const interrupt = (): void => void close();
  signal.addEventListener('abort', interrupt);
  try {
    await open();
    const read = async <Value>(operation: (client: MongoClient) => Promise<Value>): Promise<Value> => {
      const { engine, client } = opened ?? (await open());
      try {
        return await operation(client);
      } catch (error) {
        // The connection breaks before the process ends.
        const ended = isConnectionError(error)
          ? await Promise.race([engine.exited, sleep(EXIT_TIMEOUT_MS, undefined, { ref: false })])
          : undefined;
        if (ended === undefined) throw error;
        await client.close();
        opened = undefined;
        // Without the advice to run this command.
        throw new SpartakusError(ended.kind, `${ended.message.split('. ', 1)[0]} while this collection was read`, {
          cause: error,
        });
      }
    };
    for (const [database, collection] of await read(listCollections)) {
      if (signal.aborted) return;
      const run: Run = (operation) => read((client) => operation(client.db(database), collection));
      yield* checkCollection(`${database}.${collection}`, signal, run);
    }
  } finally {
    signal.removeEventListener('abort', interrupt);
    await close();
  }
}

/** As {@link checkDirectory}, on a server or a running engine; writes to a collection wait while it is read. */
export async function* checkServer(uri: string, { appName, signal }: CheckOptions): AsyncGenerator<CollectionCheck> {
  const client = createClient(uri, appName);
  const interrupt = (): void => void client.close(true);
  signal.addEventListener('abort', interrupt);
  try {
    for (const [database, collection] of await listCollections(client)) {
      if (signal.aborted) return;
      const run: Run = (operation) => operation(client.db(database), collection);
      yield* checkCollection(`${database}.${collection}`, signal, run);
    }
  } finally {
    signal.removeEventListener('abort', interrupt);
    await client.close();
  }
}

type Run = <Value>(operation: (db: Db, name: string) => Promise<Value>) => Promise<Value>;

async function* checkCollection(collection: string, signal: AbortSignal, run: Run): AsyncGenerator<CollectionCheck> {
  try {
    const documents = await run((db, name) => db.collection(name).estimatedDocumentCount());
    yield { state: 'reads', collection, documents };
    const { valid, errors, nrecords, nIndexes } = await run(
      async (db, name) => (await db.command({ validate: name, full: true })) as unknown as Validation,
    );
    if (valid) yield { state: 'valid', collection, documents: nrecords ?? documents, indexes: nIndexes ?? 0 };
    else yield { state: 'damaged', collection, problem: explainErrors(errors) };
  } catch (error) {
    if (!signal.aborted) yield { state: 'damaged', collection, problem: messageOf(error) };
  }
}

/** Without the lines of WiredTiger's log (JSON), which contain parts of documents. */
function explainErrors(errors: readonly string[] = []): string {
  const found = errors.filter((error) => !error.startsWith('{')).map((error) => error.slice(0, MAX_ERROR_LENGTH));
  return found.join('; ') || 'it is not valid';
}

/** Without a limit for a command: a large collection takes hours. */
function createClient(uri: string, appName: string): MongoClient {
  return createMongoClient({ uri, appName, connectTimeoutMs: CONNECT_TIMEOUT_MS, storeTimeoutMs: 0 });
}

async function listCollections(client: MongoClient): Promise<readonly (readonly [string, string])[]> {
  const { databases } = await client.db().admin().listDatabases({ nameOnly: true });
  const found: (readonly [string, string])[] = [];
  for (const { name } of databases.filter((each) => !DATABASES_OF_SERVERS.has(each.name))) {
    const collections = await client.db(name).listCollections({ type: 'collection' }, { nameOnly: true }).toArray();
    found.push(...collections.map((each) => [name, each.name] as const));
  }
  return found.toSorted(([, one], [, other]) => one.localeCompare(other));
}

function isConnectionError(error: unknown): boolean {
  return error instanceof Error && /Network|ServerSelection|PoolCleared/.test(error.name);
}
