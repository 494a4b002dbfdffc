import {
  type Collection,
  MongoBulkWriteError,
  MongoClient,
  type MongoClientOptions,
  MongoServerError,
  type WriteConcernSettings,
  BSON,
} from 'mongodb';

import type { ReportDocument } from '../report/document.ts';
import { toDocument } from '../report/document.ts';
import { messageOf, SpartakusError } from '../report/errors.ts';
import { maskUrl } from '../report/mask.ts';
import { createPending } from '../report/pending.ts';
import type { Outcome, ReportEntry, ReportStore } from '../report/ports.ts';

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

export const REPORTS_COLLECTION = 'reports';
const DEFAULT_DATABASE = 'spartakus';

/**
 * What "stored" promises: on the disk of a majority, whatever the address asks for.
 * https://www.mongodb.com/docs/manual/reference/write-concern/
 */
const DURABLE: WriteConcernSettings = { w: 'majority', journal: true };

/** What the queries of the README and the statistics need: reports of one cluster, newest first, and reports of a span of time. */
const REPORT_INDEXES = [
  { name: 'clusterID_receivedAt', key: { clusterID: 1, receivedAt: -1 } },
  { name: 'receivedAt', key: { receivedAt: -1 } },
] as const;

/** MongoDB's bound of a document, in bytes: https://www.mongodb.com/docs/manual/reference/limits/ */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
const DUPLICATE_KEY = 11000;
/** How long a database may take to say that it is there, in milliseconds. */
const PING_TIMEOUT_MS = 1_000;

/**
 * Connects, makes the indexes, and answers a sink whose reports are documents of the collection `reports`.
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
    const collection = database.collection<ReportDocument>(REPORTS_COLLECTION, { writeConcern: DURABLE });
    await collection.createIndexes(REPORT_INDEXES.map(({ name: indexName, key }) => ({ name: indexName, key: { ...key } })));
    return new MongoStore(client, collection, options.closeEngine);
  } catch (error) {
    await client.close();
    throw new SpartakusError(
      'unavailable',
      `--database ${name}: ${maskIn(messageOf(error), options.uri)}. Is the server running, the address right, and may this user write?`,
      { cause: error },
    );
  }
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

class MongoStore implements ReportStore {
  readonly #client: MongoClient;
  readonly #collection: Collection<ReportDocument>;
  readonly #closeEngine: (() => Promise<void>) | undefined;
  readonly #pending = createPending();
  #closed: Promise<void> | undefined;

  constructor(client: MongoClient, collection: Collection<ReportDocument>, closeEngine: (() => Promise<void>) | undefined) {
    this.#client = client;
    this.#collection = collection;
    this.#closeEngine = closeEngine;
  }

  put(entries: readonly ReportEntry[]): Promise<readonly Outcome[]> {
    if (this.#closed !== undefined) return Promise.resolve(entries.map(() => failed('unavailable', 'the database is closed')));
    return this.#pending.add(this.#put(entries));
  }

  async #put(entries: readonly ReportEntry[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = entries.map(() => ({ status: 'stored' }));
    const documents: ReportDocument[] = [];
    /** Where the documents stand among the entries: the ones that are too large are not sent. */
    const positions: number[] = [];
    for (const [position, { report, receivedAt = new Date(0), receivedFrom }] of entries.entries()) {
      const document = toDocument(report, receivedAt, receivedFrom);
      const bytes = BSON.calculateObjectSize(document);
      if (bytes > MAX_DOCUMENT_BYTES) {
        outcomes[position] = failed('too-large', `the report takes ${bytes} bytes in the database, whose limit is ${MAX_DOCUMENT_BYTES}`);
      } else {
        documents.push(document);
        positions.push(position);
      }
    }
    if (documents.length === 0) return outcomes;
    try {
      await this.#collection.insertMany(documents, { ordered: false });
    } catch (error) {
      const failures = outcomesOf(error, documents.length);
      positions.forEach((position, index) => (outcomes[position] = failures[index] as Outcome));
    }
    return outcomes;
  }

  async isReady(): Promise<boolean> {
    if (this.#closed !== undefined) return false;
    try {
      await this.#collection.db.command({ ping: 1 }, { timeoutMS: PING_TIMEOUT_MS });
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
