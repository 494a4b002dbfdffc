import { MongoClient, ReadPreference, type ReadPreferenceMode, type WriteConcernSettings } from 'mongodb';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';
import { connectionOptionsOf, decode, rejectUnsafeOptions, withoutConnectionOptions } from './connection-string.ts';

export interface MongoClientOptions {
  /** A connection string. Its path names the database; default `spartakus`. */
  readonly uri: string;
  /** Replaces the masked connection string in error messages. */
  readonly name?: string;
  readonly appName: string;
  /** Also limits server selection. The connection string may set other times. */
  readonly connectTimeoutMs: number;
  /** For one write, from server selection to the acknowledgement. */
  readonly storeTimeoutMs: number;
}

export const DEFAULT_DATABASE_NAME = 'spartakus';

/** https://www.mongodb.com/docs/manual/reference/write-concern/ */
export const DURABLE: WriteConcernSettings = { w: 'majority', journal: true };

/** The part of the time for a write after which a server says that no majority has it. Later, the connection would be lost. */
const MAJORITY_SHARE = 0.8;
/** A member or mongos that does not respond any more is detected after this time and the one to connect. */
const HEARTBEAT_MS = 5_000;
/** The rest of a server's connections are for other collectors. */
const MAX_CONNECTIONS = 50;
/** Of the figures of statistics: they are computed once a minute, and the driver allows no less than 90. */
const MAX_STALENESS_SECONDS = 120;
const READ_PREFERENCE = ['readpreference', 'readpreferencetags', 'maxstalenessseconds'];

/**
 * A client whose operations use the primary; see {@link statisticsReadPreference}. What the connection string sets is kept.
 *
 * @throws SpartakusError `invalid` where the connection string cannot be parsed, or has an option that the collector cannot allow; the
 * message masks the password
 */
export function createMongoClient(options: MongoClientOptions): MongoClient {
  const { uri, storeTimeoutMs, connectTimeoutMs } = options;
  try {
    const given = connectionOptionsOf(uri);
    rejectUnsafeOptions(given);
    const defaults = {
      appName: options.appName,
      serverSelectionTimeoutMS: connectTimeoutMs,
      connectTimeoutMS: connectTimeoutMs,
      // By default, a connection that receives nothing any more stays in the pool.
      socketTimeoutMS: storeTimeoutMs,
      waitQueueTimeoutMS: storeTimeoutMs,
      heartbeatFrequencyMS: HEARTBEAT_MS,
      maxPoolSize: MAX_CONNECTIONS,
      retryWrites: true,
      retryReads: true,
    };
    const hasTimeout = storeTimeoutMs > 0 && !given.has('wtimeoutms') && !given.has('wtimeout');
    const wtimeoutMS = Math.round(storeTimeoutMs * MAJORITY_SHARE);
    const kept = Object.entries(defaults).filter(([name]) => !given.has(name.toLowerCase()));
    const client = new MongoClient(withoutConnectionOptions(uri, READ_PREFERENCE), {
      ...(Object.fromEntries(kept) as Partial<typeof defaults>),
      writeConcern: hasTimeout ? { ...DURABLE, wtimeoutMS } : DURABLE,
    });
    statisticsReadPreference(uri);
    return client;
  } catch (error) {
    throw new SpartakusError('invalid', `--database ${describeError(options, error)}`, { cause: error });
  }
}

/** Where the figures of statistics are read, which are not needed for anything else. What the connection string sets is kept. */
export function statisticsReadPreference(uri: string): ReadPreference {
  const given = connectionOptionsOf(uri);
  const [mode = 'secondaryPreferred'] = given.get('readpreference') ?? [];
  if (!ReadPreference.isValid(mode))
    throw new SpartakusError('invalid', `the option readPreference=${mode} is none of MongoDB's modes`);
  const [seconds = String(MAX_STALENESS_SECONDS)] = given.get('maxstalenessseconds') ?? [];
  const tags = (given.get('readpreferencetags') ?? []).map((set) =>
    Object.fromEntries(
      set.split(',').flatMap((tag) => (tag === '' ? [] : [tag.split(/:(.*)/).slice(0, 2)])) as [string, string][],
    ),
  );
  if (mode === 'primary') return ReadPreference.primary;
  const staleness = seconds === '-1' ? {} : { maxStalenessSeconds: Number(seconds) };
  return new ReadPreference(mode as ReadPreferenceMode, tags, staleness);
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
    password === undefined ? message : message.replaceAll(password, '***').replaceAll(decode(password), '***');
  return `${name ?? maskUrl(uri)}: ${masked}`;
}
