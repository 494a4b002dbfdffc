import { type DescField, type DescMessage, type Message, ScalarType } from '@bufbuild/protobuf';
import { reflect, type ReflectMessage } from '@bufbuild/protobuf/reflect';
import { timestampDate, type Timestamp } from '@bufbuild/protobuf/wkt';

import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';

/** A report as it is stored: `_id` is the report id, every other field has the name that it has in JSON. */
export interface ReportDocument {
  readonly _id: string;
  /** When the collector received the report, by the collector's clock. */
  readonly receivedAt: Date;
  /** Whom the collector received it from, where the operator keeps that. */
  readonly receivedFrom?: string;
  readonly [field: string]: unknown;
}

type Document = Record<string, unknown>;

/**
 * The document that is stored for a report. It is made from the schema, so a field that the schema gains is stored without a
 * change here: a field has its JSON name, and is absent where the JSON of the message has none; numbers are numbers (64-bit ones
 * bigint), a Timestamp is a Date (to the millisecond).
 *
 * @param report has a report id
 */
export function toDocument(report: Report, receivedAt: Date, receivedFrom?: string): ReportDocument {
  const { reportID: _id, ...fields } = writeReport(reflect(ReportSchema, report));
  return { _id: _id as string, receivedAt, ...(receivedFrom === undefined ? {} : { receivedFrom }), ...fields };
}

type Writer = (message: ReflectMessage) => Document;

const writeReport = createWriter(ReportSchema);

function createWriter(schema: DescMessage): Writer {
  const writers = schema.fields.map((field) => ({ field, write: createValueWriter(field) }));
  return (message) => {
    const document: Document = {};
    for (const { field, write } of writers) {
      if (message.isSet(field)) document[field.jsonName] = write(message);
    }
    return document;
  };
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
  if (schema.typeName === 'google.protobuf.Timestamp') return ({ message }) => timestampDate(message as Message & Timestamp);
  return createWriter(schema);
}
