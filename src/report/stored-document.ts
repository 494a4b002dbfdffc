import { type DescField, type DescMessage, type Message, ScalarType, type UnknownField } from '@bufbuild/protobuf';
import { scalarZeroValue } from '@bufbuild/protobuf/reflect';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { FeatureSet_FieldPresence, timestampDate, type Timestamp } from '@bufbuild/protobuf/wkt';
import { type Record as KubermaticRecord, RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
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
  return addMetadata(writeReport(report), receivedAt, metadata);
}

export function toKubermaticDocument(
  record: KubermaticRecord,
  receivedAt: Date,
  metadata?: EntryMetadata,
): StoredDocument {
  return addMetadata(writeKubermaticRecord(record), receivedAt, metadata);
}

/** The document of an entry. Without a time of receipt, `receivedAt` is 1970. */
export function entryDocument(entry: Exclude<StoreEntry, EncodedEntry>): {
  readonly kind: DocumentKind;
  readonly document: StoredDocument;
} {
  const { receivedAt = new Date(0) } = entry;
  if ('report' in entry) return { kind: 'report', document: toDocument(entry.report, receivedAt, entry) };
  return { kind: 'kubermaticRecord', document: toKubermaticDocument(entry.kubermaticRecord, receivedAt, entry) };
}

function addMetadata(
  { reportID, ...fields }: Document,
  receivedAt: Date,
  metadata: EntryMetadata = {},
): StoredDocument {
  return { ...metadataFields(reportID as string, receivedAt, metadata), ...fields };
}

/** What the collector adds to a document. Absent metadata has no key, because the database stores undefined as null. */
export function metadataFields(
  _id: string,
  receivedAt: Date,
  { origin, country, quarantined, facts }: EntryMetadata,
): StoredDocument {
  const metadata = Object.entries({ receivedFrom: origin?.recordedAddress, country, quarantined, facts }).filter(
    ([, value]) => value !== undefined,
  );
  return { _id, receivedAt, ...Object.fromEntries(metadata) };
}

/** The fields of a message in the form that is stored, under their JSON names. */
export function toFields(schema: DescMessage, message: Message): Document {
  let write = writerBySchema.get(schema);
  if (write === undefined) {
    write = createWriter(schema);
    writerBySchema.set(schema, write);
  }
  return write(message);
}

type Writer = (message: Message) => Document;

const writerBySchema = new WeakMap<DescMessage, Writer>();
const writeReport = createWriter(ReportSchema);
const writeKubermaticRecord = createWriter(RecordSchema);

/** Reads properties of messages: reflection takes several times as long. */
function createWriter(schema: DescMessage): Writer {
  const writers = schema.fields.map((field) => {
    const { localName, jsonName, fieldKind } = field;
    return { localName, jsonName, zero: zeroOf(field), isList: fieldKind === 'list', write: createValueWriter(field) };
  });
  return (message) => {
    const values = message as Message & Readonly<Record<string, unknown>>;
    const document: Document = {};
    for (const { localName, jsonName, zero, isList, write } of writers) {
      const value = values[localName];
      if (value === undefined || value === zero || (isList && (value as readonly unknown[]).length === 0)) continue;
      document[jsonName] = write(value);
    }
    const unknown = message.$unknown ?? [];
    if (unknown.length > 0) document[UNKNOWN_FIELDS] = encodeUnknown(unknown);
    return document;
  };
}

/** https://protobuf.dev/programming-guides/encoding/ */
function encodeUnknown(fields: readonly UnknownField[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const { no, wireType, data } of fields) writer.tag(no, wireType).raw(data);
  return writer.finish();
}

/** @throws Error at start-up for a kind of field that the schema does not use yet */
function createValueWriter(field: DescField): (value: unknown) => unknown {
  if (field.oneof !== undefined) throw unsupported(field);
  if (field.fieldKind === 'scalar' && field.scalar !== ScalarType.BYTES) return (value) => value;
  if (field.fieldKind === 'message') return createMessageWriter(field.message) as (value: unknown) => unknown;
  if (field.fieldKind === 'list' && field.listKind === 'scalar') return (value) => [...(value as readonly unknown[])];
  if (field.fieldKind === 'list' && field.listKind === 'message') {
    const write = createMessageWriter(field.message);
    return (value) => (value as readonly Message[]).map(write);
  }
  throw unsupported(field);
}

function unsupported(field: DescField): Error {
  return new Error(`report/stored-document.ts does not support ${field.toString()}: add it there`);
}

function createMessageWriter(schema: DescMessage): (message: Message) => unknown {
  if (schema.typeName === 'google.protobuf.Timestamp')
    return (message) => timestampDate(message as Message & Timestamp);
  return createWriter(schema);
}

/** What a field holds that is absent in JSON, besides undefined and empty lists: https://protobuf.dev/programming-guides/field_presence/ */
function zeroOf(field: DescField): unknown {
  const isImplicit = field.fieldKind === 'scalar' && field.presence === FeatureSet_FieldPresence.IMPLICIT;
  return isImplicit ? scalarZeroValue(field.scalar, field.longAsString) : undefined;
}
