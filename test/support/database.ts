import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Collection, MongoClient } from 'mongodb';
import { URI_FILE } from '../../src/collector/store/embedded.ts';
import type { ReportDocument } from '../../src/report/stored-document.ts';

/** A database of a test's own. */
export interface TestDatabase {
  /** What --database takes. */
  readonly spec: string;
  /** The stored reports, by a connection of the test's own; the database must be open in some collector or store. */
  readonly reports: () => Promise<Collection<ReportDocument>>;
  /** The address of the database's server, once it is open. */
  uri(): Promise<string>;
  /** Ends the test's own connection, has whoever holds the database close it, and removes it. */
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

/** An empty database of the embedded engine, for what is the engine's alone. */
export async function makeEmbeddedDatabase(): Promise<TestDatabase> {
  const directory = await mkdtemp(path.join(tmpdir(), 'spartakus-test-'));
  const uri = async (): Promise<string> => (await readFile(path.join(directory, URI_FILE), 'utf8')).trim();
  const connection = createConnection(uri);
  return {
    spec: `embedded:${directory}`,
    reports: connection.reports,
    uri,
    remove: async (closeHolder) => {
      await connection.close();
      await closeHolder();
      // Only now: an engine whose files vanish ends its process.
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function makeOnServer(server: string): TestDatabase {
  const name = `spartakus_test_${randomBytes(6).toString('hex')}`;
  const [, hosts = '', query = ''] = /^(mongodb(?:\+srv)?:\/\/[^/?]*)[^?]*(\?.*)?$/.exec(server) ?? [];
  const spec = `${hosts}/${name}${query}`;
  const connection = createConnection(() => Promise.resolve(spec), name);
  return {
    spec,
    reports: connection.reports,
    uri: () => Promise.resolve(spec),
    remove: async (closeHolder) => {
      await closeHolder();
      const reports = await connection.reports();
      await reports.db.dropDatabase();
      await connection.close();
    },
  };
}

function createConnection(
  uri: () => Promise<string>,
  databaseName = 'spartakus',
): { readonly reports: () => Promise<Collection<ReportDocument>>; readonly close: () => Promise<void> } {
  let client: MongoClient | undefined;
  return {
    reports: async () => {
      client ??= await new MongoClient(await uri()).connect();
      return client.db(databaseName).collection<ReportDocument>('reports');
    },
    close: async () => client?.close(),
  };
}
