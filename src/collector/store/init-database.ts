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
  isCommandNotFound,
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

/** A month of daily reports takes a tenth of its JSON; with the default, snappy or none, several times that. */
const COMPRESSOR = 'block_compressor=zstd';

/** For index builds. The driver supports the option here, but its types lack it. */
const NO_TIMEOUT: CommandOperationOptions & { readonly socketTimeoutMS: number } = { socketTimeoutMS: 0 };

/**
 * Creates what is missing in a database: collections with their compression and validators, indexes, and the schema version. It may be
 * repeated, interrupted, and run while collectors of this version or of the one before serve. What the user may not do is reported as
 * `denied`, and the rest is done.
 *
 * @throws SpartakusError `invalid` if the database is newer than this program, or `sharded` is set and it is not a sharded cluster; the
 * errors of the database if it is not available
 */
export async function initDatabase(
  db: Db,
  { sharded = false, dryRun = false, schema = SCHEMA, collections = DATABASE_COLLECTIONS }: InitOptions = {},
): Promise<readonly InitStep[]> {
  const stored = await requireServable(db, schema);
  if (sharded) await requireMongos(db);
  const found = await listCollections(db);
  const canValidate = await hasCollMod(db);
  // Before the validators: a collector of the version before, that starts meanwhile, then leaves those of this version as they are.
  const version = await initVersion(db, stored, schema, dryRun);
  const context: Context = { db, dryRun, found, canValidate, isNewest: (stored?.version ?? 0) <= schema.version };
  const steps = [version];
  for (const [name, spec] of Object.entries<CollectionSpec>(collections)) {
    steps.push(...(await initCollection(name, spec, context)), ...(await initIndexes(name, spec, context)));
    if (sharded && spec.shardKey !== undefined) steps.push(await initShardKey(name, spec.shardKey, context));
  }
  return steps;
}

/** At the start of a collector: what it may not create is logged, and a collector works without. */
export async function initForCollector(db: Db, logger?: Logger): Promise<void> {
  const missing = (await initDatabase(db))
    .filter(({ result }) => result === 'denied' || result === 'failed')
    .map(({ subject, detail }) => `${subject}: ${detail ?? 'this user lacks the right'}`);
  if (missing.length === 0) return;
  const message = 'the database lacks what this user could not create: run "spartakus database init" as another user';
  logger?.warn({ missing }, message);
}

/** Creates a collection that is to replace another one, or to be compared with it, with the same options. */
export async function createLike(db: Db, name: string, model: CollectionName): Promise<void> {
  const found = await listCollections(db, model);
  // A user who may only insert creates it with the first document.
  await step(`collection ${name}`, () =>
    createCollection(db, name, { ...DATABASE_COLLECTIONS[model], validator: found?.get(model)?.validator }),
  );
}

interface Context {
  readonly db: Db;
  readonly dryRun: boolean;
  readonly found: Found | undefined;
  readonly canValidate: boolean;
  /** Whether no program of a later version has set the validators. */
  readonly isNewest: boolean;
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

async function initCollection(name: string, spec: CollectionSpec, context: Context): Promise<readonly InitStep[]> {
  const { db, dryRun, found, canValidate, isNewest } = context;
  const validator = canValidate ? spec.validator : undefined;
  const existing = found?.get(name);
  const collection = `collection ${name}`;
  if (existing === undefined)
    return [
      await step(collection, async () => {
        if (dryRun) return { result: 'created', detail: describeOptions(validator) };
        return await createCollection(db, name, { ...spec, validator });
      }),
    ];
  const exists: InitStep = { subject: collection, result: 'exists' };
  if (validator === undefined) return [exists];
  const subject = `validator of ${name}`;
  // That of a newer version accepts what this one writes.
  if (!isNewest || isDeepStrictEqual(existing.validator, validator)) return [exists, { subject, result: 'exists' }];
  return [
    exists,
    await step(subject, async () => {
      // Updates of documents that break the rule already are accepted.
      if (!dryRun) await db.command({ collMod: name, validator, validationLevel: 'moderate' });
      return { result: existing.validator === undefined ? 'created' : 'changed' };
    }),
  ];
}

function describeOptions(validator: Document | undefined, compression = 'zstd'): string {
  return validator === undefined ? compression : `${compression}, validator`;
}

async function createCollection(
  db: Db,
  name: string,
  { validator, storage }: { readonly validator: Document | undefined; readonly storage?: string },
): Promise<Omit<InitStep, 'subject'>> {
  const validation: CreateCollectionOptions =
    validator === undefined ? {} : { validator, validationLevel: 'moderate', validationAction: 'error' };
  const configString = storage === undefined ? COMPRESSOR : `${COMPRESSOR},${storage}`;
  const create = async (options: CreateCollectionOptions, compression?: string): Promise<Omit<InitStep, 'subject'>> => {
    await db.createCollection(name, { ...options, ...validation });
    return { result: 'created', detail: describeOptions(validator, compression) };
  };
  try {
    return await create({ storageEngine: { wiredTiger: { configString } } }).catch((error: unknown) => {
      if (!isInvalidOptions(error)) throw error;
      return create({}, 'not compressed, because it is not WiredTiger');
    });
  } catch (error) {
    if (isNamespaceExists(error)) return { result: 'exists' };
    throw error;
  }
}

async function initIndexes(
  name: string,
  { indexes }: CollectionSpec,
  { db, dryRun }: Context,
): Promise<readonly InitStep[]> {
  if (indexes.length === 0) return [];
  const found = await listIndexes(db, name);
  const expiring = (found ?? []).filter(({ expireAfterSeconds }) => expireAfterSeconds !== undefined);
  const names = new Set(found?.map((each) => each.name));
  const missing = indexes.filter((index) => !names.has(index.name));
  // In one command, so that the documents are read once.
  const { subject: _all, ...made } = await step('indexes', async () => {
    if (!dryRun && missing.length > 0) await db.collection(name).createIndexes([...missing], NO_TIMEOUT);
    return { result: 'created' };
  });
  return [
    ...indexes.map((index): InitStep => {
      const subject = `index ${name}.${index.name}`;
      return missing.includes(index) ? { subject, ...made } : { subject, result: 'exists' };
    }),
    ...expiring.map((index): InitStep => ({
      subject: `index ${name}.${index.name}`,
      result: 'failed',
      detail: 'it deletes reports (TTL) that statistics still need: drop it, and set --retain of the collectors',
    })),
  ];
}

async function initShardKey(name: string, key: Document, { db, dryRun }: Context): Promise<InitStep> {
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
    if (!isPermanent || (subject === 'indexes' && !isIndexConflict(error))) throw error;
    return { subject, result: 'failed', detail: messageOf(error) };
  }
}

/** Undefined if this user may not list them. */
async function listCollections(db: Db, name?: string): Promise<Found | undefined> {
  const filter = { type: 'collection', ...(name === undefined ? {} : { name }) };
  try {
    const found = await db.listCollections<CollectionInfo>(filter).toArray();
    return new Map(found.map((each) => [each.name, { ...each.options }]));
  } catch (error) {
    if (isUnauthorized(error)) return undefined;
    throw error;
  }
}

/**
 * Whether validators can be changed, so that a later version can accept more. The embedded engine does not have the command; only the
 * collector's own user can open that database.
 */
async function hasCollMod(db: Db): Promise<boolean> {
  try {
    await db.command({ collMod: 'metadata' });
    return true;
  } catch (error) {
    if (isCommandNotFound(error)) return false;
    // Such as for a user without the right: a collection is created with its validator nevertheless.
    if (error instanceof MongoServerError) return true;
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
