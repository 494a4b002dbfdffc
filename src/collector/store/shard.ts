import type { CommandOperationOptions, Db, Document } from 'mongodb';
import { SpartakusError } from '../../runtime/errors.ts';
import { isNamespaceNotFound } from './server-errors.ts';

/** @throws SpartakusError `invalid` if the database is not one of a sharded cluster */
export async function requireMongos(db: Db): Promise<void> {
  // https://www.mongodb.com/docs/manual/reference/command/hello/
  const { msg } = await db.command({ hello: 1 });
  if (msg === 'isdbgrid') return;
  throw new SpartakusError(
    'invalid',
    '--sharded: the server is not a mongos: name the routers of a sharded cluster, or leave the flag out.',
    { field: '--sharded' },
  );
}

export async function isSharded(db: Db, name: string): Promise<boolean> {
  try {
    const { sharded } = await db.command({ collStats: name });
    return sharded === true;
  } catch (error) {
    if (isNamespaceNotFound(error)) return false;
    throw error;
  }
}

/** Shards a collection, which may have documents. Fails if it is sharded by another key. */
export async function shardCollection(
  db: Db,
  name: string,
  key: Document,
  options: CommandOperationOptions,
): Promise<void> {
  const admin = db.client.db('admin');
  // Needed before MongoDB 6.0, and allowed since.
  await admin.command({ enableSharding: db.databaseName }, options);
  // Needed if there are documents.
  await db.collection(name).createIndexes([{ key, name: shardIndexName(key) }], options);
  await admin.command({ shardCollection: `${db.databaseName}.${name}`, key }, options);
}

/** As the server names it. */
function shardIndexName(key: Document): string {
  return Object.entries(key)
    .map(([field, kind]) => `${field}_${String(kind)}`)
    .join('_');
}
