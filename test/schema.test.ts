import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, fromJsonString, hasOption, toJson } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { RecordSchema } from '../gen/spartakus/kubermatic/v1/record_pb.js';
import {
  field_policy,
  Origin,
  Privacy,
  type RbacRule,
  RbacRuleSchema,
  Statistic,
} from '../gen/spartakus/options/v1/options_pb.js';
import { ReportSchema } from '../gen/spartakus/report/v1/report_pb.js';
import { type SchemaField, listFields } from '../src/report/schema-fields.ts';

const collected = listFields();
const OWN_PACKAGES = ['spartakus.report.v1', 'spartakus.kubermatic.v1'];

/** What is missing or wrong in the policy of a field; nothing where it is complete. */
function problemsOf(
  { path, since, origin, source, privacy, rbac, statistic, descriptor }: SchemaField,
  all = collected,
): string[] {
  const isOwnMessage = OWN_PACKAGES.includes(descriptor.message?.file.proto.package ?? '');
  const parentSince = all.find((other) => path.startsWith(`${other.path}.`))?.since ?? 1;
  const checks: [boolean, string][] = [
    [hasOption(descriptor, field_policy), 'has no policy'],
    [descriptor.fieldKind !== 'map', 'is a map, which the JSON paths do not know'],
    [since >= parentSince, 'is older than what it is in, or has no version'],
    [origin !== Origin.UNSPECIFIED && source !== '', 'does not say where it comes from'],
    [statistic !== Statistic.UNSPECIFIED, 'does not say what it is for'],
    [privacy !== Privacy.UNSPECIFIED, 'does not say how it is made anonymous'],
    [
      (privacy === Privacy.NESTED) === isOwnMessage,
      'is nested without being a message of the report, or the other way round',
    ],
    [privacy !== Privacy.GENERATED || origin === Origin.VOLUNTEER, 'is generated, but not by the volunteer'],
    [
      (origin === Origin.KUBERNETES) === rbac.length > 0,
      'names rights without being read from Kubernetes, or the other way round',
    ],
    [rbac.every(isReadRule), 'asks for a right that is none, or not one to read'],
  ];
  return checks.filter(([holds]) => !holds).map(([, problem]) => `${path} ${problem}`);
}

function isReadRule({ resource, nonResourceUrl, verbs }: RbacRule): boolean {
  return (
    (resource === '') !== (nonResourceUrl === '') &&
    verbs.length > 0 &&
    verbs.every((verb) => verb === 'get' || verb === 'list')
  );
}

test('every field that can be in a report has a complete policy', () => {
  expect(collected.length).toBeGreaterThan(20);
  expect(collected.flatMap((field) => problemsOf(field))).toEqual([]);
});

test("so has every field that can be in a record of Kubermatic's", () => {
  const fields = listFields(RecordSchema);
  expect(fields.length).toBeGreaterThan(60);
  expect(fields.flatMap((field) => problemsOf(field, fields))).toEqual([]);
});

test.each<[Partial<SchemaField>, string]>([
  [{ since: 0 }, 'is older than'],
  [{ origin: Origin.UNSPECIFIED, rbac: [] }, 'where it comes from'],
  [{ source: '' }, 'where it comes from'],
  [{ privacy: Privacy.UNSPECIFIED }, 'how it is made anonymous'],
  [{ privacy: Privacy.NESTED }, 'is nested without'],
  [{ privacy: Privacy.GENERATED }, 'is generated, but'],
  [{ statistic: Statistic.UNSPECIFIED }, 'what it is for'],
  [{ rbac: [] }, 'names rights without'],
  [{ rbac: [create(RbacRuleSchema, { resource: 'nodes', verbs: ['delete'] })] }, 'not one to read'],
  [{ rbac: [create(RbacRuleSchema, { verbs: ['get'] })] }, 'not one to read'],
])('an incomplete policy is found: %o', (mistake, problem) => {
  const fields = collected.filter(({ path }) => path === 'nodes[].osImage').map((field) => ({ ...field, ...mistake }));
  expect(fields.flatMap((field) => problemsOf(field))).toEqual([expect.stringContaining(problem)]);
});

test('a field without options is found', () => {
  // A message of another package, whose fields have no policies.
  expect(listFields(RbacRuleSchema).flatMap((field) => problemsOf(field))).toContain('apiGroup has no policy');
});

test('JSON of 2016 is the JSON of the schema: nothing unknown, nothing lost, nothing added', () => {
  const text = readFileSync(join(import.meta.dirname, 'fixtures/legacy/spartakus-volunteer-report.json'), 'utf8');
  const report = fromJsonString(ReportSchema, text);
  expect(report.nodes.length).toBeGreaterThan(0);
  expect(toJson(ReportSchema, report)).toEqual(JSON.parse(text));
});

test('a report of version 1 has the fields of the original and no more', () => {
  const names = collected
    .filter(({ since, path }) => since === 1 && !path.includes('.'))
    .map(({ descriptor }) => descriptor.jsonName);
  expect(names).toEqual(['version', 'timestamp', 'clusterID', 'masterVersion', 'nodes', 'extensions']);
});
