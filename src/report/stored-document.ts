import { type DescField, type DescMessage, type Message, ScalarType, type UnknownField } from '@bufbuild/protobuf';
import { reflect, type ReflectMessage } from '@bufbuild/protobuf/reflect';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { timestampDate, type Timestamp } from '@bufbuild/protobuf/wkt';
import { type Record as KubermaticRecord, RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import type { EntryMetadata, StoreEntry } from './report-sink.ts';

/** A report, or a record of Kubermatic's, as it is stored: `_id` is its id, every other field has the name that it has in JSON. */
export interface StoredDocument extends Pick<EntryMetadata, 'country' | 'quarantined'> {
  readonly _id: string;
  /** When the collector received it, by the collector's clock. */
  readonly receivedAt: Date;
  /** See RequestOrigin.recordedAddress. */
  readonly receivedFrom?: string | undefined;
  readonly [field: string]: unknown;
}

export type ReportDocument = StoredDocument;

/** What is stored, each kind in a collection of its own. */
export type DocumentKind = 'report' | 'kubermaticRecord';

type Document = Record<string, unknown>;

/** No field of the schema may have this name in JSON. */
export const UNKNOWN_FIELDS = 'unknownFields';

/**
 * The document that is stored for a report. It is made from the schema, so a field that the schema gains is stored without a
 * change here: a field has its JSON name, and is absent where the JSON of the message has none; numbers are numbers (64-bit ones
 * bigint), a Timestamp is a Date (to the millisecond). What a newer client sent in protobuf and this schema does not know is kept unread, as
 * bytes under `unknownFields`, in each message that has any: a later release can decode them as a message of the same type.
 *
 * @param report has a report id
 */
export function toDocument(report: Report, receivedAt: Date, metadata?: EntryMetadata): ReportDocument {
  return stamp(writeReport(reflect(ReportSchema, report)), receivedAt, metadata);
}

/** The same for a record of Kubermatic's; see record.proto. */
export function toKubermaticDocument(
  record: KubermaticRecord,
  receivedAt: Date,
  metadata?: EntryMetadata,
): StoredDocument {
  return stamp(writeKubermaticRecord(reflect(RecordSchema, record)), receivedAt, metadata);
}

/** The document of anything that comes to a store, and its kind. What has no time of receipt is dated 1970. */
export function entryDocument(entry: StoreEntry): { readonly kind: DocumentKind; readonly document: StoredDocument } {
  const { receivedAt = new Date(0) } = entry;
  if ('report' in entry) return { kind: 'report', document: toDocument(entry.report, receivedAt, entry) };
  return { kind: 'kubermaticRecord', document: toKubermaticDocument(entry.kubermaticRecord, receivedAt, entry) };
}

function stamp(
  { reportID: _id, ...fields }: Document,
  receivedAt: Date,
  { origin, country, quarantined }: EntryMetadata = {},
): StoredDocument {
  return {
    _id: _id as string,
    receivedAt,
    ...(origin?.recordedAddress === undefined ? {} : { receivedFrom: origin.recordedAddress }),
    ...(country === undefined ? {} : { country }),
    ...(quarantined === undefined ? {} : { quarantined }),
    ...fields,
  };
}

type Writer = (message: ReflectMessage) => Document;

const writeReport = createWriter(ReportSchema);
const writeKubermaticRecord = createWriter(RecordSchema);

function createWriter(schema: DescMessage): Writer {
  const writers = schema.fields.map((field) => ({ field, write: createValueWriter(field) }));
  return (message) => {
    const document: Document = {};
    for (const { field, write } of writers) {
      if (message.isSet(field)) document[field.jsonName] = write(message);
    }
    const unknown = message.getUnknown() ?? [];
    if (unknown.length > 0) document[UNKNOWN_FIELDS] = encodeUnknown(unknown);
    return document;
  };
}

/** The fields as they came: https://protobuf.dev/programming-guides/encoding/ */
function encodeUnknown(fields: readonly UnknownField[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const { no, wireType, data } of fields) writer.tag(no, wireType).raw(data);
  return writer.finish();
}

/** Writes one field's value. Kinds that the schema does not use are refused when the program starts, not when a report comes. */
function createValueWriter(field: DescField): (message: ReflectMessage) => unknown {
  switch (field.fieldKind) {
    case 'scalar':
      if (field.scalar === ScalarType.BYTES) break;
      return (message) => message.get(field);
    case 'message': {
      const write = createMessageWriter(field.message);
      return (message) => write(message.get(field));
    }
    case 'list':
      if (field.listKind === 'scalar') return (message) => [...message.get(field)];
      if (field.listKind === 'message') {
        const write = createMessageWriter(field.message);
        return (message) => Array.from(message.get(field), (item) => write(item as ReflectMessage));
      }
      break;
    case 'enum':
    case 'map':
      break;
  }
  throw new Error(`report/document.ts has no rule for ${field.toString()}: add one`);
}

function createMessageWriter(schema: DescMessage): (message: ReflectMessage) => unknown {
  if (schema.typeName === 'google.protobuf.Timestamp')
    return ({ message }) => timestampDate(message as Message & Timestamp);
  return createWriter(schema);
}
