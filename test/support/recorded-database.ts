import { readFile } from 'node:fs/promises';
import { EJSON } from 'bson';
import type { CreateCollectionOptions, Db, Document, IndexDescription } from 'mongodb';

/** A collection as a released program has written it; see test/fixtures/database/README.md. */
export interface RecordedCollection {
  readonly name: string;
  readonly options: CreateCollectionOptions;
  readonly indexes: readonly IndexDescription[];
  readonly documents: readonly Document[];
}

const FOLDER = new URL('../fixtures/database/', import.meta.url);

export async function readRecorded(file: string): Promise<readonly RecordedCollection[]> {
  return EJSON.parse(await readFile(new URL(file, FOLDER), 'utf8')) as readonly RecordedCollection[];
}

/** Makes the collections of a recorded database, with their options and indexes. */
export async function loadRecorded(db: Db, file: string): Promise<readonly RecordedCollection[]> {
  const recorded = await readRecorded(file);
  for (const { name, options, indexes, documents } of recorded) {
    const collection = await db.createCollection(name, options);
    if (indexes.length > 0) await collection.createIndexes([...indexes]);
    if (documents.length > 0) await collection.insertMany([...documents]);
  }
  return recorded;
}
