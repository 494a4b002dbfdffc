import { create, toJson } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { LEGACY_SCHEMA_VERSION, reportJson } from '../../src/report/schema-version.ts';

const REPORT = create(ReportSchema, {
  version: 'v2.0.0',
  timestamp: '1',
  clusterId: 'c',
  masterVersion: 'v1',
  nodes: [{ id: 'n', osImage: 'os', capacity: [{ resource: 'cpu', value: '4' }] }],
  extensions: [{ name: 'a', value: 'b' }],
  reportId: '0199a000-0000-7000-8000-000000000000',
  observedAt: timestampFromMs(1000),
  sequence: 1,
});

test('the legacy version has the fields of the original and no others', () => {
  expect(reportJson(REPORT, LEGACY_SCHEMA_VERSION)).toStrictEqual({
    version: 'v2.0.0',
    timestamp: '1',
    clusterID: 'c',
    masterVersion: 'v1',
    nodes: [{ id: 'n', osImage: 'os', capacity: [{ resource: 'cpu', value: '4' }] }],
    extensions: [{ name: 'a', value: 'b' }],
  });
});

test('the present version has every field', () => {
  expect(reportJson(REPORT, 2)).toStrictEqual(toJson(ReportSchema, REPORT));
});
