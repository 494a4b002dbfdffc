import { crc32 } from 'node:zlib';
import { create, fromBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { NodeSchema, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { decodeFrame, encodeFrame, sealFrame } from '../../../src/delivery/spool/frame.ts';
import { makeReport } from '../../support/reports.ts';

const HEADER_BYTES = 16;

/** A file whose length and checksum are right, whatever is in it. */
function frameOf(body: Uint8Array): Buffer {
  const header = Buffer.from('spool/1\n........');
  header.writeUInt32BE(body.length, 8);
  header.writeUInt32BE(crc32(body), 12);
  return Buffer.concat([header, body]);
}

test('a file is its magic, the length and the checksum of the report, and the report', () => {
  const report = makeReport();

  const frame = sealFrame(encodeFrame(report));

  const body = frame.subarray(HEADER_BYTES);
  expect(frame).toStrictEqual(frameOf(body));
  expect(fromBinary(ReportSchema, body)).toStrictEqual(report);
});

test('a report in the middle of a larger buffer is decoded', () => {
  const report = makeReport();
  const frame = sealFrame(encodeFrame(report));
  const larger = Buffer.concat([Buffer.alloc(7, 1), frame, Buffer.alloc(7, 1)]);

  const decoded = decodeFrame(new Uint8Array(larger.buffer, larger.byteOffset + 7, frame.length));

  expect(decoded.encoded).toStrictEqual({ reportId: report.reportId, bytes: frame.subarray(HEADER_BYTES) });
  expect(decoded.report).toStrictEqual(report);
});

test('a report without a field is a file without a body', () => {
  const frame = sealFrame(encodeFrame(create(ReportSchema)));

  expect(frame).toHaveLength(HEADER_BYTES);
  expect(decodeFrame(frame).encoded.reportId).toBe('');
});

test.each([0, 1, 499, 500, 501, 1000, 1001])('a report with %i nodes comes back as it was', (count) => {
  const nodes = Array.from({ length: count }, (_, index) => create(NodeSchema, { id: `n${index}` }));
  const report = create(ReportSchema, { ...makeReport(), nodes });

  expect(decodeFrame(sealFrame(encodeFrame(report))).report).toStrictEqual(report);
});

test('a report without an id has none, and of two ids the last one counts', () => {
  const idOf = (...ids: string[]): string => {
    const parts = ids.map((reportId) => encodeFrame(create(ReportSchema, { version: 'v', reportId })));
    return decodeFrame(frameOf(Buffer.concat(parts.map((part) => part.subarray(HEADER_BYTES))))).encoded.reportId;
  };

  expect([idOf(''), idOf('a'), idOf('a', 'b')]).toStrictEqual(['', 'a', 'b']);
});

const valid = sealFrame(encodeFrame(makeReport()));
const length = valid.length - HEADER_BYTES;

test.each([
  ['is shorter than its header', valid.subarray(0, 15), 'it has 15 bytes, fewer than its header'],
  ['begins otherwise', Buffer.concat([Buffer.from('S'), valid.subarray(1)]), 'it does not begin with the header'],
  ['is cut off', valid.subarray(0, -1), `its report is ${length - 1} bytes long where ${length} were written`],
  [
    'has a byte too many',
    Buffer.concat([valid, Buffer.alloc(1)]),
    `its report is ${length + 1} bytes long where ${length} were written`,
  ],
  ['has another byte', Buffer.concat([valid.subarray(0, -1), Buffer.alloc(1)]), 'its checksum is wrong'],
  ['holds something else', frameOf(Buffer.from('hello')), 'it holds no report'],
  ['ends within a field', frameOf(Buffer.of(0x0a, 0x7f, 0x41)), 'it holds no report'],
])('of a file that %s, the error says so', (_name, frame, problem) => {
  expect(() => decodeFrame(frame)).toThrow(
    expect.objectContaining({ kind: 'invalid', message: expect.stringContaining(problem) as string }),
  );
});
