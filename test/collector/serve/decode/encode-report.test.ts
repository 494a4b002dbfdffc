import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { deserialize, serialize } from 'bson';
import { expect, test } from 'vitest';
import { type Report, ReportSchema } from '../../../../gen/spartakus/report/v1/report_pb.js';
import { encodeReport } from '../../../../src/collector/serve/decode/encode-report.ts';
import { transferable } from '../../../../src/collector/serve/decode/worker-protocol.ts';
import { toFields } from '../../../../src/report/stored-document.ts';

type Init = MessageInitShape<typeof ReportSchema>;

const ignore = (): void => undefined;
const bytesOf = (init: Init): Uint8Array => toBinary(ReportSchema, create(ReportSchema, init));

/** The fields of a report's document, encoded at once. */
function fieldsOf(init: Init): object {
  const { reportID: _, ...fields } = toFields(ReportSchema, create(ReportSchema, init));
  return deserialize(serialize(fields));
}

test.each<[string, Init]>([
  ['no list', { clusterId: 'c', version: 'v' }],
  ['one item', { clusterId: 'c', nodes: [{ id: 'n' }] }],
  // They take two bytes each in protobuf, and many times as much in a document.
  ['many empty items', { clusterId: 'c', nodes: Array.from({ length: 3_000 }, () => ({})) }],
  ['many items', { clusterId: 'c', nodes: Array.from({ length: 1_001 }, (_, index) => ({ id: `node-${index}` })) }],
  ['an item that is long', { clusterId: 'c', extensions: [{ name: 'example.com/a', value: 'ä'.repeat(50_000) }] }],
  [
    'two lists',
    { clusterId: 'c', nodes: [{ id: 'n' }, {}], extensions: [{ name: 'example.com/a', value: 'x' }], version: 'v' },
  ],
])('the document of a report with %s is the same as if it was encoded at once', (_what, init) => {
  const { fields, ...document } = encodeReport(bytesOf(init), false, ignore);

  expect(document).toStrictEqual({ kind: 'report', clusterId: 'c', reportId: '', droppedFields: 0 });
  expect(deserialize(fields)).toStrictEqual(fieldsOf(init));
});

test('the document has a buffer of its own, with room before it', () => {
  const { fields } = encodeReport(bytesOf({ clusterId: 'c', nodes: [{}] }), false, ignore);

  expect(transferable(fields)).toStrictEqual([fields.buffer]);
  expect(fields.byteOffset).toBe(1_024);
});

test('the report is told before its items are decoded, without them', () => {
  const told: Report[] = [];
  const broken = new BinaryWriter()
    .raw(bytesOf({ clusterId: 'c', version: 'v' }))
    .tag(ReportSchema.field.nodes.number, WireType.LengthDelimited)
    .bytes(new Uint8Array([0x0a, 0x7f]))
    .finish();

  expect(() => encodeReport(broken, false, (report) => told.push(report))).toThrow(RangeError);

  expect(told).toMatchObject([{ clusterId: 'c', version: 'v', nodes: [] }]);
});

test('a text that is too long has the path of its item', () => {
  const nodes = [{}, {}, { osImage: 'x'.repeat(1_025) }];

  expect(() => encodeReport(bytesOf({ clusterId: 'c', nodes }), false, ignore)).toThrow(
    expect.objectContaining({ kind: 'invalid', field: 'nodes[2].osImage' }) as Error,
  );
});

test.each([
  [false, 3],
  [true, 0],
])('unknown fields of the report and its items are kept: %s', (keep, droppedFields) => {
  const unknown = { no: 1_000, wireType: WireType.Varint, data: new Uint8Array([7]) };
  const report = create(ReportSchema, { clusterId: 'c', nodes: [{}, {}] });
  for (const message of [report, ...report.nodes]) message.$unknown = [unknown];

  const encoded = encodeReport(toBinary(ReportSchema, report), keep, ignore);

  expect(encoded.droppedFields).toBe(droppedFields);
  const { nodes, ...rest } = deserialize(encoded.fields) as { nodes: object[] };
  expect([rest, ...nodes].map((message) => 'unknownFields' in message)).toStrictEqual([keep, keep, keep]);
});
