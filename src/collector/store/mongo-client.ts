import { MongoClient, type WriteConcernSettings } from 'mongodb';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';

export interface MongoClientOptions {
  /** A connection string. Its path names the database; default `spartakus`. */
  readonly uri: string;
  /** Replaces the masked connection string in error messages. */
  readonly name?: string;
  readonly appName: string;
  /** Also limits server selection. */
  readonly connectTimeoutMs: number;
  /** For one write, from server selection to the acknowledgement. */
  readonly storeTimeoutMs: number;
}

export const DEFAULT_DATABASE_NAME = 'spartakus';

/** Overrides the connection string's: https://www.mongodb.com/docs/manual/reference/write-concern/ */
export const DURABLE: WriteConcernSettings = { w: 'majority', journal: true };

/** @throws SpartakusError `invalid` where the connection string cannot be parsed; the message masks the password */
export function createMongoClient(options: MongoClientOptions): MongoClient {
  try {
    return new MongoClient(options.uri, {
      appName: options.appName,
      serverSelectionTimeoutMS: options.connectTimeoutMs,
      connectTimeoutMS: options.connectTimeoutMs,
      // By default, a connection that receives nothing any more stays in the pool.
      socketTimeoutMS: options.storeTimeoutMs,
      waitQueueTimeoutMS: options.storeTimeoutMs,
      writeConcern: DURABLE,
    });
  } catch (error) {
    throw new SpartakusError('invalid', `--database ${describeError(options, error)}`, { cause: error });
  }
}

/** The database in the path of a connection string, else `spartakus`; the driver's default is `test`. */
export function databaseName(uri: string): string {
  const name = /^mongodb(?:\+srv)?:\/\/[^/?]*\/([^?]*)/.exec(uri)?.[1] ?? '';
  return name === '' ? DEFAULT_DATABASE_NAME : decodeURIComponent(name);
}

/** The name of the database and an error's message, both with the password masked. */
export function describeError({ uri, name }: Pick<MongoClientOptions, 'uri' | 'name'>, error: unknown): string {
  const password = /^[^:]+:\/\/[^:/?]*:([^@/?]+)@/.exec(uri)?.[1];
  const message = messageOf(error).replaceAll(uri, maskUrl(uri));
  const masked =
    password === undefined
      ? message
      : message.replaceAll(password, '***').replaceAll(decodeURIComponent(password), '***');
  return `${name ?? maskUrl(uri)}: ${masked}`;
}
