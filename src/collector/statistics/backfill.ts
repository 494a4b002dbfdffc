import { create, type DescMessage, fromJson, type JsonValue, type Message } from '@bufbuild/protobuf';
import type { AnyBulkWriteOperation, Db, Document } from 'mongodb';
import type { StoredDocument } from '../../report/stored-document.ts';
import { dialectOf, FACTS_VERSION, type Facts, type FactsContext } from './facts.ts';
import { listMeasuredFields } from './measured-fields.ts';
import { addNodes } from './merge-facts.ts';
import { SOURCES } from './sources.ts';
import type { Lease } from './state.ts';

export type MakeFacts = (report: Message, context: FactsContext) => Facts;

interface BackfillOptions {
  readonly makeFacts: MakeFacts;
  readonly lease: Lease;
  /** Whether facts of an older version are left as they are. */
  readonly onlyMissing?: boolean;
  readonly onBatch?: (reports: number) => void;
}

const BATCH = 100;

/** The nodes of a large report are read in parts, so that nothing else waits for long. */
const NODES = 500;
const FIRST_NODES: Document = {
  $set: {
    nodeCount: { $cond: [{ $isArray: '$nodes' }, { $size: '$nodes' }, 0] },
    nodes: { $cond: [{ $isArray: '$nodes' }, { $slice: ['$nodes', NODES] }, '$$REMOVE'] },
  },
};
const FIELDS = listMeasuredFields();

/** Adds facts to stored reports without them, received in the range: those of an older release, and very large ones. */
export async function backfillFacts(
  database: Db,
  { from, until }: { readonly from?: Date; readonly until: Date },
  options: BackfillOptions,
): Promise<void> {
  const { lease, onlyMissing = false, onBatch } = options;
  const facts = onlyMissing ? { facts: { $exists: false } } : { 'facts.v': { $ne: FACTS_VERSION } };
  const receivedAt = { ...(from === undefined ? {} : { $gte: from }), $lt: until };
  for (const { collection, schema } of SOURCES) {
    const reports = database.collection<StoredDocument>(collection);
    let batch: AnyBulkWriteOperation<StoredDocument>[] = [];
    const flush = async (): Promise<void> => {
      lease.assertHeld();
      if (batch.length > 0) await reports.bulkWrite(batch, { ordered: false });
      onBatch?.(batch.length);
      batch = [];
    };
    const missing = reports.aggregate<StoredDocument & { readonly nodeCount: number }>(
      [{ $match: { receivedAt, ...facts } }, FIRST_NODES],
      { batchSize: BATCH },
    );
    for await (const { nodeCount, ...document } of missing) {
      const context = { receivedAt: document.receivedAt, dialect: dialectOfDocument(document) };
      let made = options.makeFacts(readStored(document, schema), context);
      for (let nodes = NODES; nodes < nodeCount; nodes += NODES) {
        const part = await reports.findOne(
          { _id: document._id },
          { projection: { receivedAt: 1, nodes: { $slice: [nodes, NODES] } } },
        );
        const more = readStored({ ...document, nodes: part?.['nodes'] }, schema);
        made = addNodes(made, options.makeFacts(more, context), FIELDS);
      }
      batch.push({ updateOne: { filter: { _id: document._id }, update: { $set: { facts: made } } } });
      if (batch.length >= BATCH) await flush();
    }
    await flush();
  }
}

/** The report of a stored document. Fields that the schema does not have are ignored; of an invalid one, nothing is known. */
function readStored(document: StoredDocument, schema: DescMessage): Message {
  try {
    return fromJson(schema, toJson(document), { ignoreUnknownFields: true });
  } catch {
    return create(schema);
  }
}

/** Dates are texts in protobuf JSON. Numbers of 64 bits are not used by reports. */
function toJson(value: unknown): JsonValue {
  return JSON.parse(
    JSON.stringify(value, (_name, each: unknown) => (typeof each === 'bigint' ? String(each) : each)),
  ) as JsonValue;
}

/** The format in which a report was received, which older releases did not store. */
function dialectOfDocument(document: StoredDocument): string {
  const facts = document['facts'] as Facts | undefined;
  const known = facts && dialectOf(facts);
  if (known !== undefined) return known;
  if (document['observedAt'] !== undefined) return 'report';
  return document['version'] === undefined || document['version'] === '' ? 'coreos' : 'spartakus';
}
