import { isDeepStrictEqual } from 'node:util';
import {
  type CollectionInfo,
  type CommandOperationOptions,
  type CreateCollectionOptions,
  type Db,
  type Document,
  type IndexDescriptionInfo,
  MongoServerError,
} from 'mongodb';
import { messageOf } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { type CollectionName, type CollectionSpec, DATABASE_COLLECTIONS } from './collections.ts';
import { raiseVersion, requireServable, SCHEMA, type SchemaVersion } from './schema-version.ts';
import {
  isIndexConflict,
  isInvalidOptions,
  isNamespaceExists,
  isNamespaceNotFound,
  isUnauthorized,
} from './server-errors.ts';
import { isSharded, requireMongos, shardCollection } from './shard.ts';

/** One thing that a database needs, and what was done about it: with `dryRun`, what would be done. */
export interface InitStep {
  /** Such as "index reports.receivedAt". */
  readonly subject: string;
  /** `denied`: this user lacks the right; `failed`: see `detail`. */
  readonly result: 'exists' | 'created' | 'changed' | 'denied' | 'failed';
  readonly detail?: string;
}

export interface InitOptions {
  readonly sharded?: boolean;
  /** Changes nothing. */
  readonly dryRun?: boolean;
  readonly schema?: SchemaVersion;
  readonly collections?: Readonly<Record<string, CollectionSpec>>;
}

type Found = ReadonlyMap<string, { readonly validator?: Document }>;

/** A month of daily reports takes a tenth of its JSON; the default, snappy or none, several times that. */
const COMPRESSED: CreateCollectionOptions = {
  storageEngine: { wiredTiger: { configString: 'block_compressor=zstd' } },
};

/** For index builds. The driver supports the option here, but its types lack it. */
const NO_TIMEOUT: CommandOperationOptions & { readonly socketTimeoutMS: number } = { socketTimeoutMS: 0 };

/**
 * Creates what is missing in a database: collections with their compression and validators, indexes, and the schema version. It may be
 * repeated, interrupted, and run while collectors of this version or of the one before serve. What the user may not do is yielded as
 * `denied`, and the rest is done.
 *
 * @throws SpartakusError `invalid` if the database is newer than this program, or `sharded` is set and it is not a sharded cluster; the
 * errors of the database if it is not available
 */
export async function* initDatabase(
  db: Db,
  { sharded = false, dryRun = false, schema = SCHEMA, collections = DATABASE_COLLECTIONS }: InitOptions = {},
): AsyncGenerator<InitStep> {
  const stored = await requireServable(db, schema);
  if (sharded) await requireMongos(db);
  const found = await listCollections(db);
  // Before the validators: a collector of the version before, that starts meanwhile, then leaves those of this version as they are.
  yield await initVersion(db, stored, schema, dryRun);
  for (const [name, spec] of Object.entries(collections)) {
    yield* initCollection(db, name, spec, { found, dryRun, isNewest: (stored?.version ?? 0) <= schema.version });
    yield* initIndexes(db, name, spec, dryRun);
    if (sharded && spec.shardKey !== undefined) yield await initShardKey(db, name, spec.shardKey, dryRun);
  }
}

/** At the start of a collector: what it may not create is logged, and a collector works without. */
export async function initForCollector(db: Db, logger?: Logger): Promise<void> {
  const missing: string[] = [];
  for await (const { subject, result, detail } of initDatabase(db))
    if (result === 'denied' || result === 'failed')
      missing.push(`${subject}: ${detail ?? 'this user lacks the right'}`);
  if (missing.length === 0) return;
  const message = 'the database lacks what this user could not create: run "spartakus database init" as another user';
  logger?.warn({ missing }, message);
}

/** Creates a collection that is to replace another one, or to be compared with it, with the same options. */
export async function createLike(db: Db, name: string, model: CollectionName): Promise<void> {
  const { validator }: CollectionSpec = DATABASE_COLLECTIONS[model];
  // A user who may only insert creates it with the first document.
  await step(`collection ${name}`, () => createCollection(db, name, validator));
}

async function initVersion(
  db: Db,
  stored: SchemaVersion | undefined,
  own: SchemaVersion,
  dryRun: boolean,
): Promise<InitStep> {
  const subject = `schema version ${Math.max(stored?.version ?? 0, own.version)}`;
  if (stored !== undefined && stored.version >= own.version) return { subject, result: 'exists' };
  return await step(subject, async () => {
    if (!dryRun) await raiseVersion(db, own);
    if (stored === undefined) return { result: 'created' };
    return { result: 'changed', detail: `it was ${stored.version}` };
  });
}

async function* initCollection(
  db: Db,
  name: string,
  { validator }: CollectionSpec,
  {
    found,
    dryRun,
    isNewest,
  }: { readonly found: Found | undefined; readonly dryRun: boolean; readonly isNewest: boolean },
): AsyncGenerator<InitStep> {
  const existing = found?.get(name);
  if (existing === undefined) {
    const subject = `collection ${name}`;
    const parts = ['zstd', ...(validator === undefined ? [] : ['validator'])].join(', ');
    yield await step(subject, async () => {
      if (dryRun) return { result: 'created', detail: parts };
      return await createCollection(db, name, validator);
    });
    return;
  }
  yield { subject: `collection ${name}`, result: 'exists' };
  if (validator === undefined) return;
  const subject = `validator of ${name}`;
  // That of a newer version accepts what this one writes.
  if (!isNewest || isDeepStrictEqual(existing.validator, validator)) yield { subject, result: 'exists' };
  else
    yield await step(subject, async () => {
      // Updates of documents that break the rule already are accepted.
      if (!dryRun) await db.command({ collMod: name, validator, validationLevel: 'moderate' });
      return { result: existing.validator === undefined ? 'created' : 'changed' };
    });
}

async function createCollection(
  db: Db,
  name: string,
  validator: Document | undefined,
): Promise<Omit<InitStep, 'subject'>> {
  const validation: CreateCollectionOptions =
    validator === undefined ? {} : { validator, validationLevel: 'moderate', validationAction: 'error' };
  const detail = ['zstd', ...(validator === undefined ? [] : ['validator'])].join(', ');
  try {
    await db.createCollection(name, { ...COMPRESSED, ...validation });
    return { result: 'created', detail };
  } catch (error) {
    if (isNamespaceExists(error)) return { result: 'exists' };
    if (!isInvalidOptions(error)) throw error;
  }
  try {
    await db.createCollection(name, validation);
    return { result: 'created', detail: detail.replace('zstd', 'not compressed: the server does not use WiredTiger') };
  } catch (error) {
    if (isNamespaceExists(error)) return { result: 'exists' };
    throw error;
  }
}

async function* initIndexes(
  db: Db,
  name: string,
  { indexes }: CollectionSpec,
  dryRun: boolean,
): AsyncGenerator<InitStep> {
  if (indexes.length === 0) return;
  const found = await listIndexes(db, name);
  for (const { name: index, expireAfterSeconds } of found ?? [])
    if (expireAfterSeconds !== undefined)
      yield {
        subject: `index ${name}.${index}`,
        result: 'failed',
        detail: 'it deletes reports (TTL) that statistics still need: drop it, and set --retain of the collectors',
      };
  const names = new Set(found?.map((each) => each.name));
  const missing = indexes.filter((index) => !names.has(index.name));
  for (const index of indexes)
    if (!missing.includes(index)) yield { subject: `index ${name}.${index.name}`, result: 'exists' };
  if (missing.length === 0) return;
  // In one command, so that the documents are read once.
  const { result, detail } = await step('', async () => {
    if (!dryRun) await db.collection(name).createIndexes([...missing], NO_TIMEOUT);
    return { result: 'created' };
  });
  for (const index of missing)
    yield { subject: `index ${name}.${index.name}`, result, ...(detail === undefined ? {} : { detail }) };
}

async function initShardKey(db: Db, name: string, key: Document, dryRun: boolean): Promise<InitStep> {
  return await step(`shard key ${JSON.stringify(key)} of ${name}`, async () => {
    if (await isSharded(db, name)) return { result: 'exists' };
    if (!dryRun) await shardCollection(db, name, key, NO_TIMEOUT);
    return { result: 'created' };
  });
}

/** What a server rejects is a result; that it is not available, or has no space for an index, is an error. */
async function step(subject: string, work: () => Promise<Omit<InitStep, 'subject'>>): Promise<InitStep> {
  try {
    return { subject, ...(await work()) };
  } catch (error) {
    if (isUnauthorized(error)) return { subject, result: 'denied' };
    const isPermanent = error instanceof MongoServerError && !error.hasErrorLabel('RetryableWriteError');
    if (!isPermanent || (subject === '' && !isIndexConflict(error))) throw error;
    return { subject, result: 'failed', detail: messageOf(error) };
  }
}

/** Undefined if this user may not list them. */
async function listCollections(db: Db): Promise<Found | undefined> {
  try {
    const found = await db.listCollections<CollectionInfo>({ type: 'collection' }).toArray();
    return new Map(found.map(({ name, options }) => [name, { ...options }]));
  } catch (error) {
    if (isUnauthorized(error)) return undefined;
    throw error;
  }
}

/** Undefined if this user may not list them; none if the collection does not exist. */
async function listIndexes(db: Db, name: string): Promise<readonly IndexDescriptionInfo[] | undefined> {
  try {
    return await db.collection(name).indexes();
  } catch (error) {
    if (isUnauthorized(error)) return undefined;
    if (isNamespaceNotFound(error)) return [];
    throw error;
  }
}
