import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
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
