import {
  type ClientSession,
  type Collection,
  type Db,
  type MongoClient,
  ServerType,
  type TopologyDescription,
  TopologyType,
} from 'mongodb';
import { BsonWriter } from '../../report/bson-writer.ts';
import type { EncodedEntry, Outcome, ReportStore, StoreEntry } from '../../report/report-sink.ts';
import {
  type DocumentKind,
  MAX_DOCUMENT_BYTES,
  type StoredDocument,
  writeDocument,
} from '../../report/stored-document.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { createPending } from '../../runtime/pending.ts';
import type { CollectionName } from './collections.ts';
import { encodeDocument, insertEncoded } from './encoded-document.ts';
import { initForCollector } from './init-database.ts';
import {
  createMongoClient,
  databaseName,
  describeError,
  type MongoClientOptions,
  statisticsReadPreference,
} from './mongo-client.ts';
import { requireServable } from './schema-version.ts';
import { failed, isInterrupted, isUnavailable, unavailable } from './write-outcomes.ts';

/** A store on MongoDB, for what is computed from its reports. */
export interface DatabaseStore extends ReportStore {
  /** The current handle. */
  database(): Db;
  /** For figures only: reads may be of a secondary, and some minutes old. Absent where there is one server. */
  figuresDatabase?(): Db;
}

export interface MongoStoreOptions extends MongoClientOptions {
  /** Server parameters to set before the collections are created. */
  readonly parameters?: Readonly<Record<string, number>>;
  readonly logger?: Logger;
  /** Creates what the database needs; by default all that is missing. */
  readonly init?: (db: Db, logger?: Logger) => Promise<void>;
}

export const COLLECTIONS: Readonly<Record<DocumentKind, { readonly name: CollectionName; readonly idField: string }>> =
  {
    report: { name: 'reports', idField: 'clusterID' },
    kubermaticRecord: { name: 'kubermaticRecords', idField: 'clientUUID' },
  };

/** Servers that recognise a write that is sent again; between two primaries, only secondaries are known. */
const RETRYING: ReadonlySet<string> = new Set([
  ServerType.RSPrimary,
  ServerType.RSSecondary,
  ServerType.Mongos,
  ServerType.LoadBalancer,
]);
const WRITABLE: ReadonlySet<string> = new Set([
  ServerType.RSPrimary,
  ServerType.Mongos,
  ServerType.Standalone,
  ServerType.LoadBalancer,
]);

/** The documents of one command; those of a batch may take more than estimated. A server accepts 48,000,000 bytes. */
const MAX_COMMAND_BYTES = 24 * 1024 * 1024;

/** The documents of one `insert` command, with the indexes of their entries. */
interface Batch {
  readonly kind: DocumentKind;
  readonly writer: BsonWriter;
  readonly indexes: number[];
}

/** Per document of a batch; its buffer grows where they are larger. */
const MAX_EXPECTED_BYTES = 8_192;
const PING_TIMEOUT_MS = 1_000;
const TEST_WRITE_TIMEOUT_MS = 3_000;
/** The first may use a connection that broke, the second may not know that its server ended, and a step-down may follow another. */
const MAX_ATTEMPTS = 4;

/**
 * Connects, creates the collections and indexes, and makes a test write.
 *
 * @throws SpartakusError: `invalid` where the connection string cannot be parsed, or the database is newer than this program; `unavailable`
 * where no server answers or it rejects a command; the message masks the password
 */
export async function openMongoStore(options: MongoStoreOptions): Promise<DatabaseStore> {
  const client = createMongoClient(options);
  const store = new MongoStore(client, options);
  try {
    await client.connect();
    const { parameters, init = initForCollector, logger } = options;
    if (parameters !== undefined) await client.db('admin').command({ setParameter: 1, ...parameters });
    await init(store.database(), logger);
    await store.testWrite();
    return store;
  } catch (error) {
    await client.close();
    if (error instanceof SpartakusError)
      throw new SpartakusError(error.kind, `--database ${describeError(options, error)}`, { cause: error });
    throw new SpartakusError(
      'unavailable',
      `--database ${describeError(options, error)}. Is the server running, the address right, and may this user write?`,
      { cause: error },
    );
  }
}

class MongoStore implements DatabaseStore {
  readonly #client: MongoClient;
  readonly #options: MongoClientOptions;
  readonly #database: Db;
  readonly #figuresDatabase: Db;
  readonly #pending = createPending();
  /** As the driver sees the servers now. */
  #topology: TopologyDescription | undefined;
  #writes = 0;
  /** About what each document of the last batch took. */
  #documentBytes = 1_024;
  #lastFailed = false;
  #lookup: { readonly ids: string[]; readonly known: Promise<ReadonlySet<string>> } | undefined;
  #closed: Promise<void> | undefined;

  constructor(client: MongoClient, options: MongoClientOptions) {
    this.#client = client;
    this.#options = options;
    client.on('topologyDescriptionChanged', ({ newDescription }) => (this.#topology = newDescription));
    const name = databaseName(options.uri);
    this.#database = client.db(name);
    this.#figuresDatabase = client.db(name, { readPreference: statisticsReadPreference(options.uri) });
  }

  #collection(kind: DocumentKind): Collection<StoredDocument> {
    return this.#database.collection<StoredDocument>(COLLECTIONS[kind].name);
  }

  database(): Db {
    return this.#database;
  }

  figuresDatabase(): Db {
    return this.#figuresDatabase;
  }

  put(entries: readonly StoreEntry[]): Promise<readonly Outcome[]> {
    if (this.#closed !== undefined) return Promise.resolve(entries.map(() => failed(unavailable('it is closed'))));
    return this.#pending.add(this.#put(entries));
  }

  async #put(entries: readonly StoreEntry[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    const batches: Batch[] = [];
    const current: Partial<Record<DocumentKind, Batch>> = {};
    const encoded: Promise<void>[] = [];
    for (const [index, entry] of entries.entries()) {
      if ('encodedDocument' in entry) {
        encoded.push(this.#putEncoded(entry).then((outcome) => void (outcomes[index] = outcome)));
        continue;
      }
      const kind = 'report' in entry ? 'report' : 'kubermaticRecord';
      let batch = current[kind];
      if (batch === undefined || batch.writer.used > MAX_COMMAND_BYTES) {
        batch = { kind, writer: new BsonWriter(this.#documentBytes * (entries.length - index)), indexes: [] };
        current[kind] = batch;
        batches.push(batch);
      }
      const { writer, indexes } = batch;
      const start = writer.used;
      writeDocument(writer, entry);
      const bytes = writer.used - start;
      if (bytes > MAX_DOCUMENT_BYTES) {
        writer.truncate(start);
        outcomes[index] = failed(tooLarge(bytes));
      } else {
        indexes.push(index);
      }
    }
    const insert = async ({ kind, writer, indexes }: Batch): Promise<void> => {
      if (indexes.length === 0) return;
      this.#documentBytes = Math.min(Math.ceil((1.1 * writer.used) / indexes.length), MAX_EXPECTED_BYTES);
      const results = await this.#insert(kind, writer.bytes(0), indexes.length);
      indexes.forEach((index, position) => (outcomes[index] = results[position] as Outcome));
    };
    await Promise.all([...batches.map(insert), ...encoded]);
    return outcomes;
  }

  async #putEncoded(entry: EncodedEntry): Promise<Outcome> {
    const document = encodeDocument(entry);
    if (document.length > MAX_DOCUMENT_BYTES) return failed(tooLarge(document.length));
    // Freed at once, since the garbage collector would keep several of these.
    const free = (): void => void (document.buffer as ArrayBuffer).transfer(0);
    const [outcome = failed(unavailable('no outcome'))] = await this.#insert(
      entry.encodedDocument.kind,
      document,
      1,
      free,
    );
    return outcome;
  }

  /** @param onEnd called when the documents are not needed any more: after a timeout, an insertion goes on */
  async #insert(
    kind: DocumentKind,
    documents: Uint8Array,
    count: number,
    onEnd?: () => void,
  ): Promise<readonly Outcome[]> {
    const session = this.#startRetryableWrite();
    let last: Promise<unknown> | undefined;
    const insert = (): Promise<readonly Outcome[]> => {
      const attempt = insertEncoded(this.#database, COLLECTIONS[kind].name, documents, count, session);
      last = attempt;
      return attempt;
    };
    const outcomes = await this.#retryInterrupted(this.#options.storeTimeoutMs, insert).catch((error: unknown) =>
      Array.from({ length: count }, () => failed(unavailable(error))),
    );
    const end = (): void => {
      void session?.endSession();
      onEnd?.();
    };
    void last?.then(end, end);
    this.#record(!outcomes.some(isUnavailable));
    return outcomes;
  }

  /** Returns undefined where the server does not support it. */
  #startRetryableWrite(): ClientSession | undefined {
    const canRetry = [...(this.#topology?.servers.values() ?? [])].some(({ type }) => RETRYING.has(type));
    if (!canRetry || !this.#client.options.retryWrites) return undefined;
    const session = this.#client.startSession();
    session.serverSession.txnNumber += 1;
    return session;
  }

  /**
   * Runs an operation again where the primary changed meanwhile: the driver waits for the next one. It must be idempotent: of a report that
   * one attempt has stored, the next one reports a duplicate.
   */
  async #retryInterrupted<Value>(ms: number, operation: () => Promise<Value>): Promise<Value> {
    const endsAtMs = performance.now() + ms;
    let interruption: unknown;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await within(endsAtMs - performance.now(), operation());
      } catch (error) {
        const canRetry = isInterrupted(error) && this.#topology?.type !== TopologyType.Single;
        if (canRetry) interruption = error;
        if (attempt === MAX_ATTEMPTS || !canRetry) throw interruption ?? error;
      }
    }
  }

  /** Calls without a pause between them share a query. */
  async hasReportsFrom(id: string): Promise<boolean> {
    const lookup = (this.#lookup ??= this.#startLookup());
    lookup.ids.push(id);
    return (await lookup.known).has(id);
  }

  #startLookup(): { readonly ids: string[]; readonly known: Promise<ReadonlySet<string>> } {
    const ids: string[] = [];
    const known = Promise.resolve().then(() => {
      this.#lookup = undefined;
      return this.#findKnown(ids);
    });
    return { ids, known };
  }

  /**
   * Once a cluster is known, its reports are not quarantined, so the newest tells. The server reads only that one (DISTINCT_SCAN,
   * https://www.mongodb.com/docs/manual/reference/operator/aggregation/group/#group-performance-optimizations).
   */
  async #findKnown(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const find = (kind: DocumentKind): Promise<{ readonly _id: string; readonly quarantined: true | null }[]> => {
      const { idField } = COLLECTIONS[kind];
      return this.#collection(kind)
        .aggregate<{ _id: string; quarantined: true | null }>(
          [
            { $match: { [idField]: { $in: ids } } },
            { $sort: { [idField]: 1, receivedAt: -1 } },
            { $group: { _id: `$${idField}`, quarantined: { $first: '$quarantined' } } },
          ],
          // Nobody waits for it any longer.
          { maxTimeMS: this.#options.storeTimeoutMs },
        )
        .toArray();
    };
    try {
      const found = await this.#retryInterrupted(this.#options.storeTimeoutMs, () =>
        Promise.all([find('report'), find('kubermaticRecord')]),
      );
      return new Set(found.flat().flatMap(({ _id, quarantined }) => (quarantined === true ? [] : [_id])));
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** Pings while writes succeed. After a failure only a write counts: a full disk and a former primary still answer pings. */
  async check(): Promise<void> {
    if (this.#closed !== undefined) throw unavailable('it is closed');
    const writes = this.#writes;
    if (!this.#lastFailed) {
      const timeoutMs = Math.min(PING_TIMEOUT_MS, this.#options.storeTimeoutMs);
      const ping = within(timeoutMs, this.#client.db().command({ ping: 1 }));
      if (
        await ping.then(
          () => true,
          () => false,
        )
      )
        return await this.#checkVersion(timeoutMs);
    }
    try {
      await this.testWrite();
    } catch (error) {
      // A report was stored meanwhile.
      if (this.#writes > writes) return;
      throw unavailable(error);
    }
  }

  onRecovery(listener: () => void): void {
    this.#client.on('topologyDescriptionChanged', ({ previousDescription, newDescription }) => {
      if (!takesWrites(previousDescription) && takesWrites(newDescription)) listener();
    });
  }

  /** Reports are kept by clients for the collectors of a newer release that has raised the version. */
  async #checkVersion(timeoutMs: number): Promise<void> {
    await within(timeoutMs, requireServable(this.#database)).catch((error: unknown) => {
      if (error instanceof SpartakusError) throw unavailable(error);
    });
  }

  async testWrite(): Promise<void> {
    const probes = this.#database.collection<{ _id: string; writtenAt: Date }>('probes');
    const timeoutMs = Math.min(TEST_WRITE_TIMEOUT_MS, this.#options.storeTimeoutMs);
    try {
      await this.#retryInterrupted(timeoutMs, () =>
        probes.updateOne({ _id: 'collector' }, { $set: { writtenAt: new Date() } }, { upsert: true }),
      );
      this.#record(true);
    } catch (error) {
      this.#record(false);
      throw error;
    }
  }

  #record(succeeded: boolean): void {
    this.#lastFailed = !succeeded;
    if (succeeded) this.#writes += 1;
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    await this.#pending.settled();
    await this.#client.close();
  }
}

function takesWrites({ servers }: TopologyDescription): boolean {
  return [...servers.values()].some(({ type }) => WRITABLE.has(type));
}

function tooLarge(bytes: number): SpartakusError {
  const message = `the report takes ${bytes} bytes in the database, which is too much: its limit is ${MAX_DOCUMENT_BYTES}`;
  return new SpartakusError('too-large', message);
}

/** Rejects after `ms` milliseconds, while the operation continues: the driver limits its steps only (`timeoutMS` has no effect here). */
function within<Value>(ms: number, promise: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${Math.round(ms)} ms`)), ms);
    void promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
