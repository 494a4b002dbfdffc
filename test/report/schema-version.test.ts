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

test('the legacy version has exactly the fields of the original', () => {
  expect(reportJson(REPORT, LEGACY_SCHEMA_VERSION)).toStrictEqual({
    version: 'v2.0.0',
    timestamp: '1',
    clusterID: 'c',
    masterVersion: 'v1',
    nodes: [{ id: 'n', osImage: 'os', capacity: [{ resource: 'cpu', value: '4' }] }],
    extensions: [{ name: 'a', value: 'b' }],
  });
});

test('the current version has every field', () => {
  expect(reportJson(REPORT, 2)).toStrictEqual(toJson(ReportSchema, REPORT));
});

test('a given version takes precedence over a kept one, and the default is the newest', () => {
  expect(chooseSchemaVersion(1, 2)).toBe(1);
  expect(chooseSchemaVersion(undefined, 1)).toBe(1);
  expect(chooseSchemaVersion(undefined, undefined)).toBe(CURRENT_SCHEMA_VERSION);
});

test('a version kept by a newer release is, after a downgrade, the newest of this one', () => {
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
])('the text %j is parsed as %j', (text, version) => {
  expect(parseSchemaVersion(text)).toBe(version);
});
