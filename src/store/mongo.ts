import {
  type Collection,
  type Db,
  MongoBulkWriteError,
  MongoClient,
  type MongoClientOptions,
  MongoServerError,
  type WriteConcernSettings,
  BSON,
} from 'mongodb';

import { type DocumentKind, entryDocument, type StoredDocument } from '../report/document.ts';
import { messageOf, SpartakusError } from '../report/errors.ts';
import { maskUrl } from '../report/mask.ts';
import { createPending } from '../report/pending.ts';
import type { Outcome, ReportStore, StoreEntry } from '../report/ports.ts';

export interface MongoStoreOptions {
  /** A mongodb:// or mongodb+srv:// address. Its path names the database; without one it is `spartakus`. */
  readonly uri: string;
  /** How the address is called in messages; the address itself, masked, where absent. */
  readonly name?: string;
  /** Told to the server, so that an administrator sees whose connections these are. */
  readonly appName: string;
  /** How long to look for a server that answers, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Closed after the client: the engine, where it lives in this process. */
  readonly closeEngine?: () => Promise<void>;
}

const DEFAULT_DATABASE = 'spartakus';

/**
 * What "stored" promises: on the disk of a majority, whatever the address asks for.
 * https://www.mongodb.com/docs/manual/reference/write-concern/
 */
const DURABLE: WriteConcernSettings = { w: 'majority', journal: true };

/**
 * Where each kind is kept, and what tells whose it is. The indexes are what the queries of the README and the statistics need:
 * documents of one cluster or client, newest first, and documents of a span of time.
 */
const COLLECTIONS: Readonly<Record<DocumentKind, { readonly collection: string; readonly owner: string }>> = {
  report: { collection: 'reports', owner: 'clusterID' },
  kubermaticRecord: { collection: 'kubermaticRecords', owner: 'clientUUID' },
};

/** MongoDB's bound of a document, in bytes: https://www.mongodb.com/docs/manual/reference/limits/ */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
const DUPLICATE_KEY = 11000;
/** How long a database may take to say that it is there, in milliseconds. */
const PING_TIMEOUT_MS = 1_000;

/**
 * Connects, makes the indexes, and answers a store whose reports are documents of the collection `reports`, and whose records of
 * Kubermatic's are documents of `kubermaticRecords`.
 *
 * @throws SpartakusError: `invalid` where the address cannot be read, `unavailable` where no server answers or it refuses; the
 * message masks the password
 */
export async function openMongoStore(options: MongoStoreOptions): Promise<ReportStore> {
  const name = options.name ?? maskUrl(options.uri);
  const client = createClient(options, name);
  try {
    await client.connect();
    const database = client.db(databaseName(options.uri));
    const collections = {
      report: await openCollection(database, 'report'),
      kubermaticRecord: await openCollection(database, 'kubermaticRecord'),
    };
    return new MongoStore(client, collections, options.closeEngine);
  } catch (error) {
    await client.close();
    throw new SpartakusError(
      'unavailable',
      `--database ${name}: ${maskIn(messageOf(error), options.uri)}. Is the server running, the address right, and may this user write?`,
      { cause: error },
    );
  }
}

async function openCollection(database: Db, kind: DocumentKind): Promise<Collection<StoredDocument>> {
  const { collection: name, owner } = COLLECTIONS[kind];
  const collection = database.collection<StoredDocument>(name, { writeConcern: DURABLE });
  await collection.createIndexes([
    { name: `${owner}_receivedAt`, key: { [owner]: 1, receivedAt: -1 } },
    { name: 'receivedAt', key: { receivedAt: -1 } },
  ]);
  return collection;
}

function createClient(options: MongoStoreOptions, name: string): MongoClient {
  const clientOptions: MongoClientOptions = {
    appName: options.appName,
    serverSelectionTimeoutMS: options.connectTimeoutMs,
    connectTimeoutMS: options.connectTimeoutMs,
    writeConcern: DURABLE,
  };
  try {
    return new MongoClient(options.uri, clientOptions);
  } catch (error) {
    throw new SpartakusError('invalid', `--database ${name}: ${maskIn(messageOf(error), options.uri)}`, { cause: error });
  }
}

/** The database that an address names in its path. The driver would fall back to `test`. */
function databaseName(uri: string): string {
  const path = /^mongodb(?:\+srv)?:\/\/[^/?]*\/([^?]*)/.exec(uri)?.[1] ?? '';
  return path === '' ? DEFAULT_DATABASE : decodeURIComponent(path);
}

/** A driver's message, in case it quotes the address or its password. */
function maskIn(message: string, uri: string): string {
  const password = /^[^:]+:\/\/[^:/?]*:([^@/?]+)@/.exec(uri)?.[1];
  const masked = message.replaceAll(uri, maskUrl(uri));
  return password === undefined ? masked : masked.replaceAll(password, '***').replaceAll(decodeURIComponent(password), '***');
}

type Collections = Readonly<Record<DocumentKind, Collection<StoredDocument>>>;

class MongoStore implements ReportStore {
  readonly #client: MongoClient;
  readonly #collections: Collections;
  readonly #closeEngine: (() => Promise<void>) | undefined;
  readonly #pending = createPending();
  #closed: Promise<void> | undefined;

  constructor(client: MongoClient, collections: Collections, closeEngine: (() => Promise<void>) | undefined) {
    this.#client = client;
    this.#collections = collections;
    this.#closeEngine = closeEngine;
  }

  put(entries: readonly StoreEntry[]): Promise<readonly Outcome[]> {
    if (this.#closed !== undefined) return Promise.resolve(entries.map(() => failed('unavailable', 'the database is closed')));
    return this.#pending.add(this.#put(entries));
  }

  async #put(entries: readonly StoreEntry[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = entries.map(() => ({ status: 'stored' }));
    /** What is sent of each kind, and where it stands among the entries: documents that are too large are not sent. */
    const batches: Record<DocumentKind, { readonly position: number; readonly document: StoredDocument }[]> = { report: [], kubermaticRecord: [] };
    for (const [position, entry] of entries.entries()) {
      const { kind, document } = entryDocument(entry);
      const bytes = BSON.calculateObjectSize(document);
      if (bytes > MAX_DOCUMENT_BYTES) {
        outcomes[position] = failed('too-large', `the report takes ${bytes} bytes in the database, whose limit is ${MAX_DOCUMENT_BYTES}`);
      } else {
        batches[kind].push({ position, document });
      }
    }
    const insert = async (kind: DocumentKind): Promise<void> => {
      const batch = batches[kind];
      if (batch.length === 0) return;
      try {
        await this.#collections[kind].insertMany(batch.map(({ document }) => document), { ordered: false });
      } catch (error) {
        const failures = outcomesOf(error, batch.length);
        batch.forEach(({ position }, index) => (outcomes[position] = failures[index] as Outcome));
      }
    };
    await Promise.all([insert('report'), insert('kubermaticRecord')]);
    return outcomes;
  }

  async isReady(): Promise<boolean> {
    if (this.#closed !== undefined) return false;
    try {
      await this.#collections.report.db.command({ ping: 1 }, { timeoutMS: PING_TIMEOUT_MS });
      return true;
    } catch {
      return false;
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#pending.settled();
    await this.#client.close();
    await this.#closeEngine?.();
  }
}

/**
 * What a failed bulk write says of each of its documents. A duplicate is a success: the server waits for the write concern of
 * what is there already before it answers. Whatever is not certain is a failure that may be tried again.
 */
function outcomesOf(error: unknown, count: number): Outcome[] {
  if (!(error instanceof MongoBulkWriteError) || error.result.getWriteConcernError() !== undefined) {
    return Array.from({ length: count }, () => storeFailure(error));
  }
  const outcomes: Outcome[] = Array.from({ length: count }, () => ({ status: 'stored' }));
  for (const writeError of [error.writeErrors].flat()) {
    outcomes[writeError.index] =
      writeError.code === DUPLICATE_KEY
        ? { status: 'duplicate' }
        : failed('internal', `the database refused the report: ${writeError.errmsg ?? `code ${writeError.code}`}`);
  }
  return outcomes;
}

function storeFailure(error: unknown): Outcome {
  const code = error instanceof MongoServerError ? ` (code ${error.code})` : '';
  return failed('unavailable', `the database could not store the report${code}: ${messageOf(error)}`, error);
}

function failed(kind: 'too-large' | 'unavailable' | 'internal', message: string, cause?: unknown): Outcome {
  return { status: 'failed', error: new SpartakusError(kind, message, { cause }) };
}
