import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { expect, test } from 'vitest';
import { SubmitReportRequestSchema } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { type Report, ReportSchema } from '../../../../gen/spartakus/report/v1/report_pb.js';
import { checkJsonBounds, createJsonBounds } from '../../../../src/collector/serve/admission/json-bounds.ts';
import { checkProtobufBounds } from '../../../../src/collector/serve/admission/protobuf-bounds.ts';
import { makeReport } from '../../../support/reports.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A report whose every part is as short as it can be in earnest. */
function terseReport(nodes: number): Report {
  const report = makeReport();
  report.nodes = Array.from({ length: nodes }, (_, index) => ({
    $typeName: 'spartakus.report.v1.Node',
    id: String(index),
    capacity: ['cpu', 'memory', 'pods', 'gpu'].map((resource) => ({
      $typeName: 'spartakus.report.v1.Resource',
      resource,
      value: '1',
    })),
  }));
  return report;
}

test('a report of thousands of nodes that say next to nothing is within bounds, in protobuf and in JSON', () => {
  const report = terseReport(30_000);

  expect(() =>
    checkProtobufBounds(
      SubmitReportRequestSchema,
      toBinary(SubmitReportRequestSchema, create(SubmitReportRequestSchema, { report })),
    ),
  ).not.toThrow();
  expect(() => checkJsonBounds(utf8(toJsonString(ReportSchema, report)))).not.toThrow();
});

test.each([
  ['lists in lists', '['.repeat(101)],
  ['objects in objects', '{"a":'.repeat(101)],
  ['objects side by side', `[${'{},'.repeat(2_000)}{}]`],
  ['lists side by side', `[${'[],'.repeat(2_000)}[]]`],
  ['more values than a report has', `[${'1,'.repeat(1_000_001)}1]`],
  [
    'more keys in one object than there are',
    `[[],{"a":{${Array.from({ length: 10_001 }, (_, index) => `"${index}":0`).join(',')}}}]`,
  ],
  ['more objects than a report has, each of some length', `[${'{"id":"12345678"},'.repeat(200_001)}{}]`],
])('JSON of %s is rejected', (_what, text) => {
  expect(() => checkJsonBounds(utf8(text))).toThrow(/^the JSON /);
});

test.each([
  ['a depth of 100', `${'['.repeat(100)}${']'.repeat(100)}`],
  ['ten thousand keys in an object', `{${Array.from({ length: 10_000 }, (_, index) => `"${index}":0`).join(',')}}`],
  ['a million values and one', `[${'1,'.repeat(1_000_000)}1]`],
  ['200,000 objects', `[${'{"id":"12345678"},'.repeat(199_998)}{}]`],
])('JSON with %s is within bounds', (_what, text) => {
  expect(() => checkJsonBounds(utf8(text))).not.toThrow();
});

test('brackets within texts, behind quotes that are escaped too, are no brackets', () => {
  expect(() =>
    checkJsonBounds(utf8(JSON.stringify({ a: `${'['.repeat(500)}"${'{'.repeat(500)}\\`, b: '['.repeat(500) }))),
  ).not.toThrow();
});

test('JSON is followed from one chunk to the next', () => {
  const bounds = createJsonBounds();
  bounds.push(utf8('{"a":"\\'));
  bounds.push(utf8(`"${'['.repeat(300)}`));
  bounds.push(utf8('","b":'));

  expect(() => bounds.push(utf8('['.repeat(100)))).toThrow('nested deeper');
});

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
