import { create, type DescMessage, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import {
  BytesValueSchema,
  DoubleValueSchema,
  FieldDescriptorProtoSchema,
  FieldMaskSchema,
  FileDescriptorProtoSchema,
  FloatValueSchema,
  Int64ValueSchema,
  StringValueSchema,
  StructSchema,
} from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { SubmitReportRequestSchema } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { checkProtobufBounds } from '../../../../src/collector/serve/admission/protobuf-bounds.ts';

test('protobuf of messages that take two bytes each is rejected, wherever they are nested', () => {
  const nodes = toBinary(
    SubmitReportRequestSchema,
    create(SubmitReportRequestSchema, { report: { nodes: Array.from({ length: 10_000 }, () => ({})) } }),
  );
  const capacity = toBinary(
    SubmitReportRequestSchema,
    create(SubmitReportRequestSchema, {
      report: { nodes: [{ capacity: Array.from({ length: 10_000 }, () => ({})) }] },
    }),
  );

  expect(() => checkProtobufBounds(SubmitReportRequestSchema, nodes)).toThrow(/^the message has more than /);
  expect(() => checkProtobufBounds(SubmitReportRequestSchema, capacity)).toThrow(/^the message has more than /);
});

test('protobuf of unknown fields, two bytes each, is rejected, and some of them are not', () => {
  const report = (count: number): Uint8Array => {
    const fields = new Uint8Array(count * 3).map((_, index) => [0xa8, 0x3e, 0x01][index % 3] ?? 0);
    const message = toBinary(
      SubmitReportRequestSchema,
      create(SubmitReportRequestSchema, { report: { extensions: [{ name: 'x', value: 'y'.repeat(20_000) }] } }),
    );
    return Buffer.concat([message, fields]);
  };

  expect(() => checkProtobufBounds(SubmitReportRequestSchema, report(100_000))).toThrow(/^the message has more than /);
  expect(() => checkProtobufBounds(SubmitReportRequestSchema, report(100))).not.toThrow();
});

test.each([
  [
    'nodes that say that they are numbers, which the decoder takes for nodes',
    (report: BinaryWriter) => report.tag(5, WireType.Varint).raw(Buffer.from([0])),
  ],
  [
    'texts that say that they are words of 64 bits',
    (report: BinaryWriter) => report.tag(3, WireType.Bit64).raw(Buffer.from([0])),
  ],
  [
    'texts that say that a group ends',
    (report: BinaryWriter) => report.tag(1, WireType.EndGroup).raw(Buffer.from([0])),
  ],
  ['groups', (report: BinaryWriter) => report.tag(99, WireType.StartGroup).tag(99, WireType.EndGroup)],
])('protobuf of %s is rejected', (_what, write) => {
  const report = new BinaryWriter();
  for (let index = 0; index < 10_000; index += 1) write(report);
  const message = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(report.finish()).finish();

  expect(() => checkProtobufBounds(SubmitReportRequestSchema, message)).toThrow('that its type does not allow');
});

test('what is no protobuf is left to the decoder', () => {
  for (let length = 16_384; length < 16_500; length += 7) {
    const bytes = new Uint8Array(length).map((_, index) => (index * 131) % 256);
    expect(() => checkProtobufBounds(SubmitReportRequestSchema, bytes)).not.toThrow(TypeError);
  }
});

const INVALID = expect.objectContaining({ kind: 'invalid' }) as Error;

/** A report of so many empty nodes, in a request of exactly so many bytes. */
function requestOf(nodes: number, length: number): Uint8Array {
  const report = new BinaryWriter();
  for (let index = 0; index < nodes; index += 1) report.tag(5, WireType.LengthDelimited).bytes(new Uint8Array());
  const head = report.finish();
  // Each of two fields has a tag of one byte, and a length of three bytes, with zeros in front where it is short.
  const field = (content: Uint8Array): Uint8Array => {
    const size = content.length;
    return Buffer.concat([Buffer.from([0x0a, (size & 0x7f) | 0x80, ((size >> 7) & 0x7f) | 0x80, size >> 14]), content]);
  };
  return field(Buffer.concat([head, field(new Uint8Array(length - head.length - 8))]));
}

test('a part beyond the first thousand needs eight bytes, and the report is a part', () => {
  expect(() => checkProtobufBounds(SubmitReportRequestSchema, requestOf(3_499, 20_000))).not.toThrow();
  expect(() => checkProtobufBounds(SubmitReportRequestSchema, requestOf(3_500, 20_000))).toThrow(
    'the message has more than 3500 parts in 20000 bytes',
  );
  expect(() => checkProtobufBounds(SubmitReportRequestSchema, requestOf(3_500, 20_000))).toThrow(INVALID);
});

test('a message of less than 16 KiB is not checked', () => {
  expect(() => checkProtobufBounds(SubmitReportRequestSchema, requestOf(5_000, 16_383))).not.toThrow();
  expect(() => checkProtobufBounds(SubmitReportRequestSchema, requestOf(5_000, 16_384))).toThrow(INVALID);
});

/** A field that occurs ten thousand times. */
function fieldOf(number: number, wireType: WireType, value: Uint8Array): Uint8Array {
  const message = new BinaryWriter();
  for (let index = 0; index < 10_000; index += 1) message.tag(number, wireType).raw(value);
  return message.finish();
}
const NOTHING = new Uint8Array([0]);
const NUMBER = new Uint8Array([1]);

test.each<[string, DescMessage, Uint8Array]>([
  ['entries of a map', StructSchema, fieldOf(1, WireType.LengthDelimited, NOTHING)],
  ['texts of a list', FieldMaskSchema, fieldOf(1, WireType.LengthDelimited, NOTHING)],
  ['numbers of a list', FileDescriptorProtoSchema, fieldOf(10, WireType.Varint, NUMBER)],
  ['packed lists of numbers', FileDescriptorProtoSchema, fieldOf(10, WireType.LengthDelimited, NOTHING)],
  ['a message that is set again and again', FileDescriptorProtoSchema, fieldOf(8, WireType.LengthDelimited, NOTHING)],
  ['a map that says that it is a number', StructSchema, fieldOf(1, WireType.Varint, NUMBER)],
  ['a number that says that it is a text', Int64ValueSchema, fieldOf(1, WireType.LengthDelimited, NOTHING)],
  ['an enum that says that it is a text', FieldDescriptorProtoSchema, fieldOf(4, WireType.LengthDelimited, NOTHING)],
  ['a text that says that it is a number', StringValueSchema, fieldOf(1, WireType.Varint, NUMBER)],
  ['bytes that say that they are a number', BytesValueSchema, fieldOf(1, WireType.Varint, NUMBER)],
  ['a double of 32 bits', DoubleValueSchema, fieldOf(1, WireType.Bit32, new Uint8Array(4))],
  ['a float of 64 bits', FloatValueSchema, fieldOf(1, WireType.Bit64, new Uint8Array(8))],
])('protobuf of ten thousand times %s is rejected', (_what, schema, bytes) => {
  expect(() => checkProtobufBounds(schema, bytes)).toThrow(INVALID);
});

test.each<[string, DescMessage, Uint8Array]>([
  ['a text', StringValueSchema, fieldOf(1, WireType.LengthDelimited, NOTHING)],
  ['bytes', BytesValueSchema, fieldOf(1, WireType.LengthDelimited, NOTHING)],
  ['a number', Int64ValueSchema, fieldOf(1, WireType.Varint, NUMBER)],
  ['an enum', FieldDescriptorProtoSchema, fieldOf(4, WireType.Varint, NUMBER)],
  ['a double', DoubleValueSchema, fieldOf(1, WireType.Bit64, new Uint8Array(8))],
  ['a float', FloatValueSchema, fieldOf(1, WireType.Bit32, new Uint8Array(4))],
])('protobuf of ten thousand times %s, of which the last one counts, is within bounds', (_what, schema, bytes) => {
  expect(() => checkProtobufBounds(schema, bytes)).not.toThrow();
});

test('the fields behind a nested message are those of the outer one', () => {
  const node = new BinaryWriter().tag(1, WireType.LengthDelimited).string('id').finish();
  const report = new BinaryWriter()
    .tag(5, WireType.LengthDelimited)
    .bytes(node)
    // `sequence` of the report; a node has a list of messages with this number.
    .tag(9, WireType.Varint)
    .uint32(1)
    .tag(1, WireType.LengthDelimited)
    .bytes(new Uint8Array(20_000))
    .finish();
  const request = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(report).finish();

  expect(() => checkProtobufBounds(SubmitReportRequestSchema, request)).not.toThrow();
});

test('a message that breaks off is left to the decoder', () => {
  const request = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .bytes(new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(new Uint8Array(20_000)).finish())
    .finish();

  for (const length of [16_384, 20_000, request.length - 1])
    expect(() => checkProtobufBounds(SubmitReportRequestSchema, request.subarray(0, length))).not.toThrow();
});
