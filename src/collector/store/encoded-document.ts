import type { ClientSession, Db } from 'mongodb';
// Not public, but the only way to send a document that is encoded already. package.json pins the version, and a test inserts one.
import { DocumentSequence } from 'mongodb/lib/cmap/commands.js';
import { BsonWriter } from '../../report/bson-writer.ts';
import type { EncodedEntry, Outcome, StoreEntry } from '../../report/report-sink.ts';
import {
  decodeDocument,
  type DocumentKind,
  entryDocument,
  type StoredDocument,
  writeMetadata,
} from '../../report/stored-document.ts';
import { DURABLE } from './mongo-client.ts';
import { outcomesOfReply } from './write-outcomes.ts';

/** The length before the fields of a document: https://bsonspec.org/spec.html */
const LENGTH_BYTES = 4;
const METADATA_BYTES = 1_024;

/**
 * The stored document of an encoded entry, in BSON: what the collector adds, then the fields of the message. It is made in the buffer of the
 * fields, where that has room before them, and so only once.
 */
export function encodeDocument(entry: EncodedEntry): Uint8Array {
  const { reportId, fields } = entry.encodedDocument;
  const writer = new BsonWriter(METADATA_BYTES);
  writer.begin();
  writeMetadata(writer, reportId, entry);
  const metadata = writer.bytes(0);
  const added = metadata.length - LENGTH_BYTES;
  const length = added + fields.length;
  const hasRoom = fields.byteOffset >= added;
  const bytes = hasRoom
    ? Buffer.from(fields.buffer as ArrayBuffer, fields.byteOffset - added, length)
    : Buffer.allocUnsafeSlow(length);
  if (!hasRoom) bytes.set(fields.subarray(LENGTH_BYTES), metadata.length);
  bytes.set(metadata);
  bytes.writeInt32LE(length);
  return bytes;
}

/** The document of any entry. Decoding an encoded one takes long: not for the database. */
export function documentOf(entry: StoreEntry): { readonly kind: DocumentKind; readonly document: StoredDocument } {
  if (!('encodedDocument' in entry)) return entryDocument(entry);
  return { kind: entry.encodedDocument.kind, document: decodeDocument(encodeDocument(entry)) as StoredDocument };
}

/**
 * Inserts encoded documents.
 *
 * @param documents in BSON, one after the other
 * @param count their number
 * @param session with the number of this write, so that the server executes it once however often it is sent (retryable writes,
 * https://github.com/mongodb/specifications/blob/master/source/retryable-writes/retryable-writes.md)
 * @throws MongoError where the database rejects the command, or the primary changed before all were durable
 */
export async function insertEncoded(
  database: Db,
  collection: string,
  documents: Uint8Array,
  count: number,
  session?: ClientSession,
): Promise<readonly Outcome[]> {
  const sequence = new DocumentSequence('documents');
  // The driver logs the objects, where asked to, and sends the bytes.
  sequence.push({}, documents);
  const { wtimeoutMS } = database.writeConcern ?? {};
  // As the driver sends it with other writes.
  const wtimeout = wtimeoutMS === undefined ? {} : { wtimeout: wtimeoutMS };
  const writeConcern = { w: DURABLE.w, ...wtimeout, j: DURABLE.journal };
  const command = {
    insert: collection,
    documents: sequence,
    ordered: false,
    writeConcern,
    ...(session === undefined ? {} : { txnNumber: BigInt(session.serverSession.txnNumber) }),
  };
  return outcomesOfReply(await database.command(command, { session }), count);
}
