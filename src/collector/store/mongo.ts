import {
  type Collection,
  type CreateIndexesOptions,
  type Db,
  MongoBulkWriteError,
  MongoClient,
  type MongoClientOptions,
  type WriteConcernSettings,
  type WriteError,
  BSON,
} from 'mongodb';
import type { Outcome, ReportStore, StoreEntry } from '../../report/report-sink.ts';
import { type DocumentKind, entryDocument, type StoredDocument } from '../../report/stored-document.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';
import { createPending } from '../../runtime/pending.ts';

export interface MongoStoreOptions {
  /** A mongodb:// or mongodb+srv:// address. Its path names the database; without one it is `spartakus`. */
  readonly uri: string;
  /** How the address is called in messages; the address itself, masked, where absent. */
  readonly name?: string;
  /** Told to the server, so that an administrator sees whose connections these are. */
  readonly appName: string;
  /** How long to look for a server that answers, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** How long one write may take, from the search for a server to its confirmation, in milliseconds. */
  readonly storeTimeoutMs: number;
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
/** The server refuses the document for what it is, by a rule that an administrator made for the collection. */
const DOCUMENT_VALIDATION_FAILURE = 121;
/** How long a database may take to say that it is there, in milliseconds. */
const PING_TIMEOUT_MS = 1_000;
/** How long a write may take that is made to see whether the database takes any, in milliseconds. */
const PROBE_TIMEOUT_MS = 3_000;
/** When a report that could not be stored is best sent again, in milliseconds. */
const RETRY_AFTER_MS = 5_000;

/** What is written to see whether the database takes writes: one document, over and over. */
interface Probe {
  readonly _id: 'collector';
  readonly writtenAt: Date;
}
const PROBES = 'probes';

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
    const probes = database.collection<Probe>(PROBES, { writeConcern: DURABLE });
    const store = new MongoStore(client, collections, probes, await createConfirm(client), options);
    await store.probe();
    return store;
  } catch (error) {
    await client.close();
    throw new SpartakusError(
      'unavailable',
      `--database ${name}: ${maskIn(messageOf(error), options.uri)}. Is the server running, the address right, and may this user write?`,
      { cause: error },
    );
  }
}

/** An index over many reports takes its time. That the driver heeds this option here is not in its types. */
const PATIENT: CreateIndexesOptions & { readonly socketTimeoutMS: number } = { socketTimeoutMS: 0 };

async function openCollection(database: Db, kind: DocumentKind): Promise<Collection<StoredDocument>> {
  const { collection: name, owner } = COLLECTIONS[kind];
  const collection = database.collection<StoredDocument>(name, { writeConcern: DURABLE });
  await collection.createIndexes(
    [
      { name: `${owner}_receivedAt`, key: { [owner]: 1, receivedAt: -1 } },
      { name: 'receivedAt', key: { receivedAt: -1 } },
    ],
    PATIENT,
  );
  return collection;
}

/**
 * What has to happen after a write that the server has confirmed. For a server, nothing. The embedded engine (0.1.1) confirms about one
 * write in ten before its journal is written, up to 100 ms too soon, write concern or not; whatever was written before `fsync` begins is
 * on the disk when it ends. Writes that come while one runs share the next.
 */
async function createConfirm(client: MongoClient): Promise<() => Promise<void>> {
  const admin = client.db('admin');
  const { modules } = await admin.command({ buildInfo: 1 });
  if (!Array.isArray(modules) || !modules.includes('embedded')) return () => Promise.resolve();
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    await running.catch(() => undefined);
    next = undefined;
    running = admin.command({ fsync: 1 }).then(() => undefined);
    await running;
  };
  return () => (next ??= run());
}

function createClient(options: MongoStoreOptions, name: string): MongoClient {
  const clientOptions: MongoClientOptions = {
    appName: options.appName,
    serverSelectionTimeoutMS: options.connectTimeoutMs,
    connectTimeoutMS: options.connectTimeoutMs,
    // A connection on which nothing comes any more would be kept for ever.
    socketTimeoutMS: options.storeTimeoutMs,
    waitQueueTimeoutMS: options.storeTimeoutMs,
    writeConcern: DURABLE,
  };
  try {
    return new MongoClient(options.uri, clientOptions);
  } catch (error) {
    throw new SpartakusError('invalid', `--database ${name}: ${maskIn(messageOf(error), options.uri)}`, {
      cause: error,
    });
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
  return password === undefined
    ? masked
    : masked.replaceAll(password, '***').replaceAll(decodeURIComponent(password), '***');
}

type Collections = Readonly<Record<DocumentKind, Collection<StoredDocument>>>;

class MongoStore implements ReportStore {
  readonly #client: MongoClient;
  readonly #collections: Collections;
  readonly #probes: Collection<Probe>;
  readonly #confirm: () => Promise<void>;
  readonly #options: Pick<MongoStoreOptions, 'storeTimeoutMs' | 'closeEngine'>;
  readonly #pending = createPending();
  /** How many writes were confirmed. */
  #writes = 0;
  /** Whether the last thing that was asked of the database failed. */
  #inDoubt = false;
  #closed: Promise<void> | undefined;

  constructor(
    client: MongoClient,
    collections: Collections,
    probes: Collection<Probe>,
    confirm: () => Promise<void>,
    options: Pick<MongoStoreOptions, 'storeTimeoutMs' | 'closeEngine'>,
  ) {
    this.#client = client;
    this.#collections = collections;
    this.#probes = probes;
    this.#confirm = confirm;
    this.#options = options;
  }

  put(entries: readonly StoreEntry[]): Promise<readonly Outcome[]> {
    if (this.#closed !== undefined) return Promise.resolve(entries.map(() => failed(unavailable('it is closed'))));
    return this.#pending.add(this.#put(entries));
  }

  async #put(entries: readonly StoreEntry[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = entries.map(() => ({ status: 'stored' }));
    /** What is sent of each kind, and where it stands among the entries: documents that are too large are not sent. */
    const batches: Record<DocumentKind, { readonly position: number; readonly document: StoredDocument }[]> = {
      report: [],
      kubermaticRecord: [],
    };
    for (const [position, entry] of entries.entries()) {
      const { kind, document } = entryDocument(entry);
      const bytes = BSON.calculateObjectSize(document);
      if (bytes > MAX_DOCUMENT_BYTES) {
        outcomes[position] = failed(
          new SpartakusError(
            'too-large',
            `the report takes ${bytes} bytes in the database, whose limit is ${MAX_DOCUMENT_BYTES}`,
          ),
        );
      } else {
        batches[kind].push({ position, document });
      }
    }
    const insert = async (kind: DocumentKind): Promise<void> => {
      const batch = batches[kind];
      if (batch.length === 0) return;
      const results = await this.#insert(
        this.#collections[kind],
        batch.map(({ document }) => document),
      );
      batch.forEach(({ position }, index) => (outcomes[position] = results[index] as Outcome));
    };
    await Promise.all([insert('report'), insert('kubermaticRecord')]);
    return outcomes;
  }

  async #insert(collection: Collection<StoredDocument>, documents: StoredDocument[]): Promise<readonly Outcome[]> {
    try {
      const outcomes = await within(this.#options.storeTimeoutMs, this.#write(collection, documents));
      this.#settle(!outcomes.some((outcome) => outcome.status === 'failed' && outcome.error.kind === 'unavailable'));
      return outcomes;
    } catch (error) {
      this.#settle(false);
      return documents.map(() => failed(unavailable(error)));
    }
  }

  async #write(collection: Collection<StoredDocument>, documents: StoredDocument[]): Promise<readonly Outcome[]> {
    const outcomes = await collection.insertMany(documents, { ordered: false }).then(
      ({ insertedCount }): readonly Outcome[] => {
        if (insertedCount !== documents.length)
          throw new Error(`the server confirms ${insertedCount} of ${documents.length} documents`);
        return documents.map(() => ({ status: 'stored' }));
      },
      (error: unknown) => outcomesOf(error, documents.length),
    );
    if (outcomes.some(({ status }) => status !== 'failed')) await this.#confirm();
    return outcomes;
  }

  async knows(owner: string): Promise<boolean> {
    const ask = (kind: DocumentKind): Promise<unknown> =>
      this.#collections[kind].findOne(
        { [COLLECTIONS[kind].owner]: owner, quarantined: { $exists: false } },
        { projection: { _id: 1 } },
      );
    try {
      const found = await within(this.#options.storeTimeoutMs, Promise.all([ask('report'), ask('kubermaticRecord')]));
      return found.some((document) => document !== null);
    } catch (error) {
      throw unavailable(error);
    }
  }

  /**
   * A ping says enough of a database that has just worked. Once it has failed, only a write says that it takes writes again: a disk
   * that is full and a server that is no longer the primary answer a ping.
   */
  async check(): Promise<void> {
    if (this.#closed !== undefined) throw unavailable('it is closed');
    const writes = this.#writes;
    if (!this.#inDoubt && (await this.#ping())) return;
    try {
      await this.probe();
    } catch (error) {
      // A report that was stored meanwhile says more than a check that took too long.
      if (this.#writes > writes) return;
      throw unavailable(error);
    }
  }

  async #ping(): Promise<boolean> {
    try {
      await within(Math.min(PING_TIMEOUT_MS, this.#options.storeTimeoutMs), this.#client.db().command({ ping: 1 }));
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Writes something durably.
   *
   * @throws the driver's error
   */
  async probe(): Promise<void> {
    const write = this.#probes.updateOne({ _id: 'collector' }, { $set: { writtenAt: new Date() } }, { upsert: true });
    try {
      await within(Math.min(PROBE_TIMEOUT_MS, this.#options.storeTimeoutMs), write);
      this.#settle(true);
    } catch (error) {
      this.#settle(false);
      throw error;
    }
  }

  #settle(written: boolean): void {
    this.#inDoubt = !written;
    if (written) this.#writes += 1;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#pending.settled();
    await this.#client.close();
    await this.#options.closeEngine?.();
  }
}

/**
 * What a failed bulk write says of each of its documents. Only what the server confirms counts: the driver throws the same class of
 * error, without a word on any document, where the connection broke. A duplicate is a success: the server waits for the write
 * concern of what is there already before it answers.
 */
function outcomesOf(error: unknown, count: number): Outcome[] {
  const all = (outcome: () => Outcome): Outcome[] => Array.from({ length: count }, outcome);
  const writeErrors = error instanceof MongoBulkWriteError ? [error.writeErrors].flat() : [];
  const confirmed =
    error instanceof MongoBulkWriteError &&
    error.result.getWriteConcernError() === undefined &&
    error.insertedCount + writeErrors.length === count;
  if (!confirmed) return all(() => failed(unavailable(error)));
  const outcomes = all(() => ({ status: 'stored' }));
  for (const writeError of writeErrors) outcomes[writeError.index] = refusalOf(writeError);
  return outcomes;
}

function refusalOf({ code, errmsg }: WriteError): Outcome {
  if (code === DUPLICATE_KEY) return { status: 'duplicate' };
  const cause = new Error(`${errmsg ?? 'no reason given'} (code ${code})`);
  if (code !== DOCUMENT_VALIDATION_FAILURE) return failed(unavailable(cause));
  return failed(new SpartakusError('internal', `the database refused the report (code ${code})`, { cause }));
}

/**
 * What a promise resolves with, or an error after `ms` milliseconds. The driver has a limit for each step and none for the whole
 * (its `timeoutMS` does nothing); what it has begun goes on until one of those ends it.
 */
function within<Value>(ms: number, promise: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
    void promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** The cause, which may hold addresses, is for the log; the message is for whoever sent the report. */
function unavailable(cause: unknown): SpartakusError {
  return new SpartakusError('unavailable', 'the database is away. Send it again later.', {
    retryAfterMs: RETRY_AFTER_MS,
    cause,
  });
}

function failed(error: SpartakusError): Outcome {
  return { status: 'failed', error };
}
