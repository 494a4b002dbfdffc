import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Collection, type Db, MongoClient } from 'mongodb';
import { URI_FILE } from '../../src/collector/store/engine/engine-errors.ts';
import type { StoredDocument } from '../../src/report/stored-document.ts';

/** A database that only one test file uses. */
export interface TestDatabase {
  /** What --database takes. */
  readonly spec: string;
  /**
   * The database that the connection string itself names, as in `mongosh "$(cat DIRECTORY/mongodb-uri)"`; by a connection of the test's
   * own. A collector or store must have it open.
   */
  db(): Promise<Db>;
  /** Its collection of reports. */
  reports(): Promise<Collection<StoredDocument>>;
  /** The connection string, as the file `mongodb-uri` holds it, once the database is open. */
  uri(): Promise<string>;
  /** Closes the test's own connection and the collector or store that has the database open, and removes the database. */
  remove(closeHolder: () => Promise<void>): Promise<void>;
}

/**
 * An empty database: MongoDB's embedded engine in a temporary folder, or one of its own on the server that
 * SPARTAKUS_TEST_MONGODB_URI names.
 */
export async function makeTestDatabase(): Promise<TestDatabase> {
  const server = process.env['SPARTAKUS_TEST_MONGODB_URI'];
  return server === undefined || server === '' ? makeEmbeddedDatabase() : makeOnServer(server);
}

/** An empty database of the embedded engine, for what is specific to it. */
export async function makeEmbeddedDatabase(): Promise<TestDatabase> {
  const directory = await mkdtemp(path.join(tmpdir(), 'spartakus-test-'));
  const uri = async (): Promise<string> => (await readFile(path.join(directory, URI_FILE), 'utf8')).trim();
  const { db, reports, close } = createConnection(uri);
  return {
    spec: `embedded:${directory}`,
    db,
    reports,
    uri,
    remove: async (closeHolder) => {
      await close();
      await closeHolder();
      // Only now: the engine ends its process when its files are removed.
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function makeOnServer(server: string): TestDatabase {
  const name = `spartakus_test_${randomBytes(6).toString('hex')}`;
  const [, hosts = '', query = ''] = /^(mongodb(?:\+srv)?:\/\/[^/?]*)[^?]*(\?.*)?$/.exec(server) ?? [];
  const spec = `${hosts}/${name}${query}`;
  const uri = () => Promise.resolve(spec);
  const { db, reports, close } = createConnection(uri);
  return {
    spec,
    db,
    reports,
    uri,
    remove: async (closeHolder) => {
      await closeHolder();
      await (await db()).dropDatabase();
      await close();
    },
  };
}

function createConnection(
  uri: () => Promise<string>,
): Pick<TestDatabase, 'db' | 'reports'> & { readonly close: () => Promise<void> } {
  let client: MongoClient | undefined;
  const db = async (): Promise<Db> => {
    client ??= await new MongoClient(await uri()).connect();
    return client.db();
  };
  return {
    db,
    reports: async () => (await db()).collection<StoredDocument>('reports'),
    close: async () => client?.close(),
  };
}
