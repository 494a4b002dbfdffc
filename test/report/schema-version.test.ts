import { create, toJson } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { listFields, type SchemaField } from '../../src/report/schema-fields.ts';
import {
  CURRENT_SCHEMA_VERSION,
  DEFAULT_AGREED_VERSION,
  isAgreed,
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

test('an upgrade does not change what is agreed to without --agree: it is the version of the first release, for ever', () => {
  expect(DEFAULT_AGREED_VERSION).toBe(2);
  expect(CURRENT_SCHEMA_VERSION).toBeGreaterThanOrEqual(DEFAULT_AGREED_VERSION);
});

test.each([
  [{ since: 2, treatmentSince: 2 }, true],
  [{ since: 3, treatmentSince: 3 }, false],
  [{ since: 1, treatmentSince: 3 }, false],
  // A field without a policy, which is a mistake in the schema.
  [{ since: 0, treatmentSince: 0 }, false],
])('with --agree 2, a field with %j is agreed to: %j', (versions, agreed) => {
  const [field] = listFields();
  expect(isAgreed({ ...(field as SchemaField), ...versions }, 2)).toBe(agreed);
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
