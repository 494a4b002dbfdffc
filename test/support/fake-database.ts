import { type BSON, type Db, MongoClient, type MongoClientOptions } from 'mongodb';
import { afterEach, beforeEach } from 'vitest';
import { type FakeMongodb, openFakeMongodb } from './fake-mongodb.ts';

/** A database of a server without data. */
interface FakeDatabase {
  readonly server: FakeMongodb;
  readonly db: Db;
  /** The response to commands by name, in place of that of an empty database. */
  readonly responses: Record<string, BSON.Document | ((command: BSON.Document) => BSON.Document | undefined)>;
  /** Opens the database with other options. */
  reconnect(options: MongoClientOptions): Promise<void>;
}

/** A database for a test file: opened anew before each test, and closed after it. */
export function useFakeDatabase(): FakeDatabase {
  const fake = {} as { -readonly [Name in keyof FakeDatabase]: FakeDatabase[Name] };
  let client: MongoClient | undefined;
  fake.reconnect = async (options) => {
    await client?.close();
    client = new MongoClient(fake.server.uri, options);
    fake.db = client.db();
  };
  beforeEach(async () => {
    fake.server = await openFakeMongodb();
    await fake.reconnect({});
    fake.responses = {};
    fake.server.on((command, name) => {
      const response = fake.responses[name];
      return typeof response === 'function' ? (response(command) as BSON.Document | undefined) : response;
    });
  });
  afterEach(async () => {
    await client?.close();
    await fake.server.close();
  });
  return fake;
}
