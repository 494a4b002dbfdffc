import type { Collection, Db } from 'mongodb';
import { SpartakusError } from '../../runtime/errors.ts';
import { DURABLE } from './mongo-client.ts';
import { isUnauthorized } from './server-errors.ts';

/** The version of what is stored: of collections, indexes, validators and the form of documents. */
export interface SchemaVersion {
  readonly version: number;
  /** Programs with a lower version must not use the database any more. */
  readonly minVersion: number;
}

/**
 * What this program writes. `minVersion` is at most `version - 1`, so that collectors of the version before serve during a rolling
 * upgrade: a version adds, and the one after it removes what nothing uses any more. 0 are programs that knew no version.
 */
export const SCHEMA: SchemaVersion = { version: 1, minVersion: 0 };

interface SchemaDocument extends SchemaVersion {
  readonly _id: 'schema';
}

const METADATA = 'metadata';
const SCHEMA_ID = 'schema';

/**
 * The schema version of the database; undefined if it has none, or if this user may not read it.
 *
 * @throws SpartakusError `invalid` if this program must not use the database
 */
export async function requireServable(db: Db, own: SchemaVersion = SCHEMA): Promise<SchemaVersion | undefined> {
  const stored = await readVersion(db);
  if (stored === undefined || own.version >= stored.minVersion) return stored;
  throw new SpartakusError(
    'invalid',
    `the database has schema version ${stored.version}, which needs a program of schema version ${stored.minVersion} or later; this one has ` +
      `${own.version}. Use the release that the other collectors of this database have, or restore the backup from before the upgrade.`,
    { field: '--database' },
  );
}

/** Raises the version of the database to that of this program. It is never lowered. */
export async function raiseVersion(db: Db, { version, minVersion }: SchemaVersion): Promise<void> {
  await metadataOf(db).updateOne(
    { _id: SCHEMA_ID },
    { $max: { version, minVersion } },
    { upsert: true, writeConcern: DURABLE },
  );
}

async function readVersion(db: Db): Promise<SchemaVersion | undefined> {
  try {
    const document = await metadataOf(db).findOne({ _id: SCHEMA_ID }, { readPreference: 'primary' });
    return document === null ? undefined : { version: document.version, minVersion: document.minVersion };
  } catch (error) {
    if (isUnauthorized(error)) return undefined;
    throw error;
  }
}

function metadataOf(db: Db): Collection<SchemaDocument> {
  return db.collection<SchemaDocument>(METADATA);
}
