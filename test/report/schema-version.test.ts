import { create, toJson } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import {
  chooseSchemaVersion,
  CURRENT_SCHEMA_VERSION,
  LEGACY_SCHEMA_VERSION,
  parseSchemaVersion,
  reportJson,
} from '../../src/report/schema-version.ts';

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

test('a version that is given counts before one that is kept, and without both it is the newest', () => {
  expect(chooseSchemaVersion(1, 2)).toBe(1);
  expect(chooseSchemaVersion(undefined, 1)).toBe(1);
  expect(chooseSchemaVersion(undefined, undefined)).toBe(CURRENT_SCHEMA_VERSION);
});

test('a version that was kept by a newer release, which was taken back, is the newest of this one', () => {
  expect(chooseSchemaVersion(undefined, CURRENT_SCHEMA_VERSION + 1)).toBe(CURRENT_SCHEMA_VERSION);
});

test.each([
  ['1', 1],
  ['12', 12],
  ['0', undefined],
  ['', undefined],
  ['1.5', undefined],
  ['-1', undefined],
  ['one', undefined],
  ['1e3', undefined],
])('the text %j is the version %j', (text, version) => {
  expect(parseSchemaVersion(text)).toBe(version);
});
