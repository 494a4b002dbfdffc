import { type DescField, type DescMessage, type Message, ScalarType, type UnknownField } from '@bufbuild/protobuf';
import { scalarZeroValue } from '@bufbuild/protobuf/reflect';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { FeatureSet_FieldPresence, timestampMs, type Timestamp } from '@bufbuild/protobuf/wkt';
import { deserialize } from 'bson';
import { type Record as KubermaticRecord, RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { rememberResults } from '../runtime/remember.ts';
import { bsonIndex, bsonName, BsonWriter } from './bson-writer.ts';
import type { EncodedDocument, EncodedEntry, EntryMetadata, StoreEntry } from './report-sink.ts';

/** A stored report or Kubermatic record: `_id` is its id, and every other field has its JSON name. */
export interface StoredDocument extends Pick<EntryMetadata, 'country' | 'quarantined' | 'facts'> {
  readonly _id: string;
  /** By the collector's clock. */
  readonly receivedAt: Date;
  /** RequestOrigin.recordedAddress. */
  readonly receivedFrom?: string;
  readonly [field: string]: unknown;
}

/** MongoDB's limit of a document: https://www.mongodb.com/docs/manual/reference/limits/ */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

export type DocumentKind = EncodedDocument['kind'];

type Document = Record<string, unknown>;

/** No field of the schema may have this JSON name. */
export const UNKNOWN_FIELDS = 'unknownFields';

/**
 * The document of a report that has an id. Fields that are absent in JSON are absent. 64-bit numbers are bigint, a Timestamp is a Date (in
 * milliseconds). Unknown protobuf fields, where the collector keeps them, are encoded under `unknownFields` of their message.
 */
export function toDocument(report: Report, receivedAt: Date, metadata?: EntryMetadata): StoredDocument {
  return entryDocument({ ...metadata, report, receivedAt }).document;
}

export function toKubermaticDocument(
  kubermaticRecord: KubermaticRecord,
  receivedAt: Date,
  metadata?: EntryMetadata,
): StoredDocument {
  return entryDocument({ ...metadata, kubermaticRecord, receivedAt }).document;
}

/** The document of an entry. It is encoded and decoded, which takes long: not for the database. */
export function entryDocument(entry: Exclude<StoreEntry, EncodedEntry>): {
  readonly kind: DocumentKind;
  readonly document: StoredDocument;
} {
  const writer = new BsonWriter(EXPECTED_BYTES);
  const kind = writeDocument(writer, entry);
  return { kind, document: decodeDocument(writer.bytes(0)) as StoredDocument };
}

/** The fields of a message in the form that is stored, under their JSON names, without the id of a report. */
export function toFields(schema: DescMessage, message: Message): Document {
  return decodeDocument(encodeFields(schema, message));
}

/** @returns the fields of `toFields` in BSON */
export function encodeFields(schema: DescMessage, message: Message): Uint8Array {
  const writer = new BsonWriter(EXPECTED_BYTES);
  const start = writer.begin();
  writeFields(writer, schema, message);
  writer.end(start);
  return writer.bytes(start);
}

export function decodeDocument(bytes: Uint8Array): Document {
  return deserialize(bytes, { promoteBuffers: true, useBigInt64: true });
}

/** Writes the document of an entry. Without a time of receipt, `receivedAt` is 1970. */
export function writeDocument(writer: BsonWriter, entry: Exclude<StoreEntry, EncodedEntry>): DocumentKind {
  const start = writer.begin();
  const isReport = 'report' in entry;
  const message = isReport ? entry.report : entry.kubermaticRecord;
  writeMetadata(writer, message.reportId, entry);
  if (isReport) writeReport(writer, message);
  else writeKubermaticRecord(writer, message);
  writer.end(start);
  return isReport ? 'report' : 'kubermaticRecord';
}

/** What the collector adds to a document. Absent metadata has no key, because the database stores undefined as null. */
export function writeMetadata(
  writer: BsonWriter,
  id: string,
  { origin, receivedAt, country, quarantined, facts }: EntryMetadata,
): void {
  writer.string(NAMES._id, id);
  writer.date(NAMES.receivedAt, receivedAt?.getTime() ?? 0);
  if (origin?.recordedAddress !== undefined) writer.string(NAMES.receivedFrom, origin.recordedAddress);
  if (country !== undefined) writer.string(NAMES.country, country);
  if (quarantined !== undefined) writer.boolean(NAMES.quarantined, quarantined);
  if (facts === undefined) return;
  const start = writer.beginDocument(NAMES.facts);
  for (const [name, value] of Object.entries(facts)) {
    if (value instanceof Date) writer.date(nameOf(name), value.getTime());
    else writeScalar(writer, nameOf(name), value);
  }
  writer.end(start);
}

/** Writes the fields of a message into the document that was begun, without the id of a report. */
export function writeFields(writer: BsonWriter, schema: DescMessage, message: Message): void {
  let write = writerBySchema.get(schema);
  if (write === undefined) {
    write = createFieldsWriter(schema);
    writerBySchema.set(schema, write);
  }
  write(writer, message);
}

/** Of most documents; a larger one makes the buffer grow. */
const EXPECTED_BYTES = 8_192;
/** It is the document's `_id`. */
const REPORT_ID = 'reportID';

const nameOf = rememberResults(bsonName);
const NAMES = {
  _id: bsonName('_id'),
  receivedAt: bsonName('receivedAt'),
  receivedFrom: bsonName('receivedFrom'),
  country: bsonName('country'),
  quarantined: bsonName('quarantined'),
  facts: bsonName('facts'),
  unknownFields: bsonName(UNKNOWN_FIELDS),
};

type FieldsWriter = (writer: BsonWriter, message: Message) => void;
type ValueWriter = (writer: BsonWriter, name: Uint8Array, value: unknown) => void;

const writerBySchema = new WeakMap<DescMessage, FieldsWriter>();
const writeReport = createFieldsWriter(ReportSchema);
const writeKubermaticRecord = createFieldsWriter(RecordSchema);

/** Reads properties of messages: reflection takes several times as long. */
function createFieldsWriter({ fields }: DescMessage): FieldsWriter {
  const writers = fields
    .filter(({ jsonName }) => jsonName !== REPORT_ID)
    .map((field) => {
      const { localName, jsonName, fieldKind } = field;
      const isList = fieldKind === 'list';
      return { localName, name: bsonName(jsonName), zero: zeroOf(field), isList, write: createValueWriter(field) };
    });
  return (writer, message) => {
    const values = message as Message & Readonly<Record<string, unknown>>;
    for (const { localName, name, zero, isList, write } of writers) {
      const value = values[localName];
      if (value === undefined || value === zero || (isList && (value as readonly unknown[]).length === 0)) continue;
      write(writer, name, value);
    }
    const unknown = message.$unknown ?? [];
    if (unknown.length > 0) writer.binary(NAMES.unknownFields, encodeUnknown(unknown));
  };
}

/** https://protobuf.dev/programming-guides/encoding/ */
function encodeUnknown(fields: readonly UnknownField[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const { no, wireType, data } of fields) writer.tag(no, wireType).raw(data);
  return writer.finish();
}

/** @throws Error at start-up for a kind of field that the schema does not use yet */
function createValueWriter(field: DescField): ValueWriter {
  if (field.oneof !== undefined || field.fieldKind === 'map' || field.fieldKind === 'enum') throw unsupported(field);
  const write = createItemWriter(field);
  if (field.fieldKind !== 'list') return write;
  return (writer, name, value) => {
    const items = value as readonly unknown[];
    const start = writer.beginArray(name);
    for (let index = 0; index < items.length; index += 1) write(writer, bsonIndex(index), items[index]);
    writer.end(start);
  };
}

/** Of a field that is no list, or of each item of one. */
function createItemWriter(field: DescField): ValueWriter {
  const { message, scalar } = field;
  if (message?.typeName === 'google.protobuf.Timestamp')
    return (writer, name, value) => writer.date(name, Math.trunc(timestampMs(value as Timestamp)));
  if (message !== undefined) {
    const write = createFieldsWriter(message);
    return (writer, name, value) => {
      const start = writer.beginDocument(name);
      write(writer, value as Message);
      writer.end(start);
    };
  }
  if (scalar === ScalarType.STRING) return (writer, name, value) => writer.string(name, value as string);
  if (scalar === undefined || scalar === ScalarType.BYTES) throw unsupported(field);
  return writeScalar;
}

function writeScalar(writer: BsonWriter, name: Uint8Array, value: unknown): void {
  if (typeof value === 'string') writer.string(name, value);
  else if (typeof value === 'number') writer.number(name, value);
  else if (typeof value === 'bigint') writer.bigint(name, value);
  else if (typeof value === 'boolean') writer.boolean(name, value);
  else throw new TypeError(`no document has a value of type ${typeof value}`);
}

function unsupported(field: DescField): Error {
  return new Error(`report/stored-document.ts does not support ${field.toString()}: add it there`);
}

/** What a field holds that is absent in JSON, besides undefined and empty lists: https://protobuf.dev/programming-guides/field_presence/ */
function zeroOf(field: DescField): unknown {
  const isImplicit = field.fieldKind === 'scalar' && field.presence === FeatureSet_FieldPresence.IMPLICIT;
  return isImplicit ? scalarZeroValue(field.scalar, field.longAsString) : undefined;
}
