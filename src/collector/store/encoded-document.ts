import { BSON, type Db } from 'mongodb';
// Not public, but the only way to send a document that is encoded already. package.json pins the version, and a test inserts one.
import { DocumentSequence } from 'mongodb/lib/cmap/commands.js';
import type { EncodedEntry, Outcome, StoreEntry } from '../../report/report-sink.ts';
import { type DocumentKind, entryDocument, metadataFields, type StoredDocument } from '../../report/stored-document.ts';
import { DURABLE } from './mongo-client.ts';
import { outcomesOfReply } from './write-outcomes.ts';

/** The length before, and the null byte after, the fields of a document: https://bsonspec.org/spec.html */
const LENGTH_BYTES = 4;
const END_BYTES = 1;

/**
 * The stored document of an encoded entry, in BSON: what the collector adds, then the fields of the message. It is made in the buffer of the
 * fields, where that has room before them, and so only once.
 */
export function encodeDocument(entry: EncodedEntry): Uint8Array {
  const { encodedDocument, receivedAt = new Date(0) } = entry;
  const { reportId, fields } = encodedDocument;
  const metadata = BSON.serialize(metadataFields(reportId, receivedAt, entry));
  const added = metadata.length - LENGTH_BYTES - END_BYTES;
  const length = added + fields.length;
  const hasRoom = fields.byteOffset >= added;
  const bytes = hasRoom
    ? Buffer.from(fields.buffer as ArrayBuffer, fields.byteOffset - added, length)
    : Buffer.allocUnsafeSlow(length);
  if (!hasRoom) bytes.set(fields.subarray(LENGTH_BYTES), metadata.length - END_BYTES);
  bytes.set(metadata.subarray(0, -END_BYTES));
  bytes.writeInt32LE(length);
  return bytes;
}

/** The document of any entry. Decoding an encoded one takes long: not for the database. */
export function documentOf(entry: StoreEntry): { readonly kind: DocumentKind; readonly document: StoredDocument } {
  if (!('encodedDocument' in entry)) return entryDocument(entry);
  const options = { promoteBuffers: true, useBigInt64: true };
  const document = BSON.deserialize(encodeDocument(entry), options) as StoredDocument;
  return { kind: entry.encodedDocument.kind, document };
}

/** Inserts encoded documents. Rejects where the database rejects the command. */
export async function insertEncoded(
  database: Db,
  collection: string,
  documents: readonly Uint8Array[],
): Promise<readonly Outcome[]> {
  const sequence = new DocumentSequence('documents');
  // The driver logs the objects, where asked to, and sends the bytes.
  for (const document of documents) sequence.push({}, document);
  const { wtimeoutMS } = database.writeConcern ?? {};
  // As the driver sends it with other writes.
  const writeConcern = {
    w: DURABLE.w,
    j: DURABLE.journal,
    ...(wtimeoutMS === undefined ? {} : { wtimeout: wtimeoutMS }),
  };
  const command = { insert: collection, documents: sequence, ordered: false, writeConcern };
  return outcomesOfReply(await database.command(command), documents.length);
}
