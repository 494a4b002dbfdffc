import { type DescField, type DescMessage, fromBinary } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { serialize, serializeWithBufferAndIndex } from 'bson';
import { type Report, ReportSchema } from '../../../../gen/spartakus/report/v1/report_pb.js';
import type { EncodedDocument } from '../../../report/report-sink.ts';
import { MAX_DOCUMENT_BYTES, toFields } from '../../../report/stored-document.ts';
import { checkTexts } from '../../../report/text-bounds.ts';
import { dropUnknownFieldsOf } from '../../../report/unknown-fields.ts';
import { validateReport } from '../../../report/validate.ts';
import { SpartakusError } from '../../../runtime/errors.ts';

/** https://bsonspec.org/spec.html */
const ARRAY = 0x04;
const DOCUMENT = 0x03;
/** For what the collector adds before the fields: encodeDocument in store/encoded-document.ts. */
const ROOM_BYTES = 1_024;

/** A list of messages in a report, with where its items are in the encoded report: start and end of each. */
interface EncodedList {
  readonly field: DescField;
  readonly item: DescMessage;
  readonly bounds: number[];
}

/** Called with the rest of the report, before the items of its lists are decoded. */
type OnReport = (report: Report) => void;

/**
 * Encodes a report of protobuf as a document, and validates it. The items of its lists are decoded one after the other: all of them take
 * several times the report's size in memory.
 *
 * @throws SpartakusError: `invalid` with the JSON path of the field, `too-large`; the decoder's error for malformed protobuf
 */
export function encodeReport(bytes: Uint8Array, keepUnknownFields: boolean, onReport: OnReport): EncodedDocument {
  const { lists, rest } = splitLists(bytes);
  const report = fromBinary(ReportSchema, rest);
  onReport(report);
  validateReport(report, { requireClusterId: true });
  let droppedFields = keepUnknownFields ? 0 : dropUnknownFieldsOf(ReportSchema, report);
  const { reportID: _, ...fields } = toFields(ReportSchema, report);
  const out = createBsonWriter(serialize(fields), 3 * bytes.length);
  for (const { field, item, bounds } of lists) {
    if (bounds.length === 0) continue;
    const end = out.openArray(field.jsonName);
    for (let at = 0; at < bounds.length; at += 2) {
      const message = fromBinary(item, bytes.subarray(bounds[at], bounds[at + 1]));
      checkTexts(item, message, `${field.jsonName}[${at / 2}].`);
      if (!keepUnknownFields) droppedFields += dropUnknownFieldsOf(item, message);
      out.addItem(at / 2, toFields(item, message));
    }
    end();
  }
  const { clusterId, reportId } = report;
  return { kind: 'report', clusterId, reportId, fields: out.finish(), droppedFields };
}

/** The error for a report that is larger than MongoDB's limit of a document. */
export function documentTooLarge(): SpartakusError {
  const text = `the report takes more than ${MAX_DOCUMENT_BYTES} bytes in the database, which is its limit`;
  return new SpartakusError('too-large', text);
}

function splitLists(bytes: Uint8Array): { readonly lists: readonly EncodedList[]; readonly rest: Uint8Array } {
  const lists = new Map<number, EncodedList>();
  for (const field of ReportSchema.fields)
    if (field.fieldKind === 'list' && field.message !== undefined)
      lists.set(field.number, { field, item: field.message, bounds: [] });
  const reader = new BinaryReader(bytes);
  const rest: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, wireType] = reader.tag();
    const list = lists.get(number);
    if (list === undefined || wireType !== WireType.LengthDelimited) {
      reader.skip(wireType, number);
      rest.push(bytes.subarray(start, reader.pos));
      continue;
    }
    const length = reader.uint32();
    list.bounds.push(reader.pos, reader.pos + length);
    reader.pos += length;
    if (reader.pos > reader.len) throw new RangeError('premature EOF');
  }
  return { lists: [...lists.values()], rest: Buffer.concat(rest) };
}

/** Appends arrays of documents to an encoded document. */
function createBsonWriter(start: Uint8Array, expectedBytes: number) {
  let buffer = Buffer.allocUnsafeSlow(ROOM_BYTES + start.length + expectedBytes);
  buffer.set(start, ROOM_BYTES);
  // Without the null byte at its end.
  let used = ROOM_BYTES + start.length - 1;
  const reserve = (bytes: number): void => {
    if (used + bytes > ROOM_BYTES + MAX_DOCUMENT_BYTES) throw documentTooLarge();
    if (used + bytes <= buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.ceil(1.5 * (used + bytes)));
    larger.set(buffer.subarray(0, used));
    buffer = larger;
  };
  const open = (type: number, name: string): void => {
    reserve(name.length + 2);
    used = buffer.writeUInt8(type, used);
    used += buffer.write(name, used, 'latin1');
    used = buffer.writeUInt8(0, used);
  };
  return {
    /** The returned function ends the array. */
    openArray(name: string): () => void {
      open(ARRAY, name);
      const lengthAt = used;
      reserve(5);
      used += 4;
      return () => {
        reserve(1);
        used = buffer.writeUInt8(0, used);
        buffer.writeInt32LE(used - lengthAt, lengthAt);
      };
    },
    addItem(index: number, document: Readonly<Record<string, unknown>>): void {
      open(DOCUMENT, String(index));
      for (let end: number | undefined; end === undefined;) {
        end = tryToSerialize(document, buffer, used);
        if (end === undefined) reserve(buffer.length - used + 1);
        else used = end;
      }
    },
    /** A view of a buffer of its own, so that it can be transferred, with room before it for the collector's fields. */
    finish(): Uint8Array {
      reserve(1);
      used = buffer.writeUInt8(0, used);
      buffer.writeInt32LE(used - ROOM_BYTES, ROOM_BYTES);
      return new Uint8Array(buffer.buffer, ROOM_BYTES, used - ROOM_BYTES);
    },
  };
}

/** Returns the end of the document in the buffer; undefined where it does not fit. */
function tryToSerialize(document: object, buffer: Uint8Array, index: number): number | undefined {
  try {
    // It returns the index of the last byte.
    return serializeWithBufferAndIndex(document, buffer, { index }) + 1;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
