import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { SubmitReportRequestSchema } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { type Report, ReportSchema } from '../../../../gen/spartakus/report/v1/report_pb.js';
import { checkJsonBounds } from '../../../../src/collector/serve/admission/json-bounds.ts';
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
  ['more values than a report has', `[${'1,'.repeat(1_000_001)}1]`],
  ['more objects than a report has, each of some length', `[${'{"id":"12345678"},'.repeat(200_001)}{}]`],
])('JSON of %s is rejected', (_what, text) => {
  expect(() => checkJsonBounds(utf8(text))).toThrow(/^the JSON /);
});

test.each([
  ['a million values and one', `[${'1,'.repeat(1_000_000)}1]`],
  ['200,000 objects', `[${'{"id":"12345678"},'.repeat(199_998)}{}]`],
])('JSON with %s is within bounds', (_what, text) => {
  expect(() => checkJsonBounds(utf8(text))).not.toThrow();
});
