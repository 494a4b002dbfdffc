import { MongoClient, type WriteConcernSettings } from 'mongodb';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';

export interface MongoClientOptions {
  /** A mongodb:// or mongodb+srv:// connection string. Its path names the database; the default is `spartakus`. */
  readonly uri: string;
  /** Replaces the masked connection string in error messages. */
  readonly name?: string;
  /** Shown by the server among its connections. */
  readonly appName: string;
  /** Of server selection. */
  readonly connectTimeoutMs: number;
  /** How long one write may take, from server selection to the acknowledgement, in milliseconds. */
  readonly storeTimeoutMs: number;
}

export const DEFAULT_DATABASE = 'spartakus';

/**
 * What `stored` promises: journaled on a majority, whatever the connection string asks for.
 * https://www.mongodb.com/docs/manual/reference/write-concern/
 */
export const DURABLE: WriteConcernSettings = { w: 'majority', journal: true };

/** @throws SpartakusError of kind `invalid` where the connection string cannot be parsed; the message masks the password */
export function createMongoClient(options: MongoClientOptions): MongoClient {
  try {
    return new MongoClient(options.uri, {
      appName: options.appName,
      serverSelectionTimeoutMS: options.connectTimeoutMs,
      connectTimeoutMS: options.connectTimeoutMs,
      // The driver's default is no timeout: a connection that receives nothing any more would stay in the pool.
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
  return name === '' ? DEFAULT_DATABASE : decodeURIComponent(name);
}

/** The name of the database and an error's message, both without the password, which drivers quote in messages. */
export function describeError({ uri, name }: Pick<MongoClientOptions, 'uri' | 'name'>, error: unknown): string {
  const password = /^[^:]+:\/\/[^:/?]*:([^@/?]+)@/.exec(uri)?.[1];
  const message = messageOf(error).replaceAll(uri, maskUrl(uri));
  const masked =
    password === undefined
      ? message
      : message.replaceAll(password, '***').replaceAll(decodeURIComponent(password), '***');
  return `${name ?? maskUrl(uri)}: ${masked}`;
}
