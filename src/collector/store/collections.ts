import type { Document, IndexDescription } from 'mongodb';

/** What `database init` and each start of a collector create. */
export interface CollectionSpec {
  readonly indexes: readonly (IndexDescription & { readonly name: string })[];
  /** A rule of JSON Schema for the documents that are written from now on. */
  readonly validator?: Document;
  /** Options of WiredTiger for a new collection, beside the compression. */
  readonly storage?: string;
  /** Only used with --sharded. Without one, the collection stays on the primary shard of the database. */
  readonly shardKey?: Document;
}

/*
 * Rules for a change, so that collectors of the version before can serve at the same time (docs/operations.md, "Upgrade"):
 *
 * - A changed index gets a new name. Under the same name, an older collector would not start any more.
 * - A validator accepts every document that any version has written, and that the next one writes. It has only the types on which
 *   deletion, counting and quarantine depend.
 * - Any change increases SCHEMA.version in schema-version.ts. One of `storage` is no change: a collection that exists keeps its options.
 */

/**
 * A report without a time of receipt, or with a text as time, would never expire; one with an id that is no text could not be erased; and
 * one with another mark than `true` would neither be counted nor be in quarantine.
 */
function rawValidator(idField: string): Document {
  return {
    $jsonSchema: {
      bsonType: 'object',
      required: ['receivedAt'],
      properties: {
        receivedAt: { bsonType: 'date' },
        [idField]: { bsonType: 'string' },
        quarantined: { enum: [true] },
        facts: { bsonType: 'object' },
      },
    },
  };
}

/** The indexes are for queries by cluster or client, newest first, by time, of quarantine, and of reports for an earlier day. */
function rawCollection(idField: string): CollectionSpec {
  return {
    indexes: [
      { name: `${idField}_receivedAt`, key: { [idField]: 1, receivedAt: -1 } },
      { name: 'receivedAt', key: { receivedAt: -1 } },
      {
        name: 'quarantined_receivedAt',
        key: { quarantined: 1, receivedAt: 1 },
        partialFilterExpression: { quarantined: true },
      },
      // Most reports count for the day on which they are received, so this index has entries for the others only.
      { name: 'facts_late', key: { 'facts.late': 1 }, sparse: true },
    ],
    validator: rawValidator(idField),
    // What is compressed at once, by default 128 KB: reports are added at the end, and seldom changed. With 512 KB, one takes a fifth less.
    storage: 'memory_page_image_max=512KB',
    // A shard knows only its own ids, so reports are stored once only if the same id always belongs to the same shard. Report ids begin with
    // the time: with ranges of them, all new reports would go to one shard.
    shardKey: { _id: 'hashed' },
  };
}

const DAY = '^[0-9]{4}-[0-9]{2}-[0-9]{2}$';

/** In the order of their creation. */
export const DATABASE_COLLECTIONS = {
  reports: rawCollection('clusterID'),
  kubermaticRecords: rawCollection('clientUUID'),
  // Computed from the reports: a wrong document is replaced by a rebuild, so there is nothing to protect.
  clusters: { indexes: [] },
  statistics: {
    indexes: [],
    // Figures outlive the raw reports. They are read by ranges of days.
    validator: {
      $jsonSchema: {
        bsonType: 'object',
        properties: { _id: { bsonType: 'string', pattern: DAY }, computedAt: { bsonType: 'date' } },
      },
    },
  },
  statisticsState: {
    indexes: [],
    // With another type, no roll-up would work any more, or each answer would be rounded differently.
    validator: {
      $jsonSchema: {
        bsonType: 'object',
        properties: {
          watermark: { bsonType: 'date' },
          day: { bsonType: 'string', pattern: DAY },
          retainedFrom: { bsonType: 'string', pattern: DAY },
          key: { bsonType: 'binData' },
        },
      },
    },
  },
  statisticsBase: { indexes: [] },
  statisticsTouched: { indexes: [] },
} as const satisfies Readonly<Record<string, CollectionSpec>>;

export type CollectionName = keyof typeof DATABASE_COLLECTIONS;
