import { type DescField, type DescMessage, fromBinary } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { type Report, ReportSchema } from '../../../../gen/spartakus/report/v1/report_pb.js';
import { bsonIndex, bsonName, BsonWriter } from '../../../report/bson-writer.ts';
import type { EncodedDocument } from '../../../report/report-sink.ts';
import { MAX_DOCUMENT_BYTES, writeFields } from '../../../report/stored-document.ts';
import { checkTexts } from '../../../report/text-bounds.ts';
import { dropUnknownFieldsOf } from '../../../report/unknown-fields.ts';
import { validateReport } from '../../../report/validate.ts';
import { SpartakusError } from '../../../runtime/errors.ts';

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
  const writer = new BsonWriter(ROOM_BYTES + 3 * bytes.length, ROOM_BYTES);
  const start = writer.begin();
  const checkSize = (): void => {
    if (writer.used - start > MAX_DOCUMENT_BYTES) throw documentTooLarge();
  };
  writeFields(writer, ReportSchema, report);
  for (const { field, item, bounds } of lists) {
    if (bounds.length === 0) continue;
    const list = writer.beginArray(bsonName(field.jsonName));
    for (let at = 0; at < bounds.length; at += 2) {
      const message = fromBinary(item, bytes.subarray(bounds[at], bounds[at + 1]));
      checkTexts(item, message, `${field.jsonName}[${at / 2}].`);
      if (!keepUnknownFields) droppedFields += dropUnknownFieldsOf(item, message);
      const itemStart = writer.beginDocument(bsonIndex(at / 2));
      writeFields(writer, item, message);
      writer.end(itemStart);
      checkSize();
    }
    writer.end(list);
  }
  writer.end(start);
  checkSize();
  const { clusterId, reportId } = report;
  // A view of a buffer of its own, so that it can be transferred.
  return { kind: 'report', clusterId, reportId, fields: writer.bytes(start), droppedFields };
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
