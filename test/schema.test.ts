import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { create, fromBinary, fromJsonString, hasOption, toJson } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { load } from 'js-yaml';
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
import { findDateProblems } from './support/expired-fields.ts';

const collected = listFields();
const OWN_PACKAGES = ['spartakus.report.v1', 'spartakus.kubermatic.v1'];

/** The problems of a field's policy. */
function problemsOf(field: SchemaField, all = collected): string[] {
  const { path, since, treatmentSince, origin, source, privacy, rbac, statistic, purpose, descriptor } = field;
  const isOwnMessage = OWN_PACKAGES.includes(descriptor.message?.file.proto.package ?? '');
  const parentSince = all.find((other) => path.startsWith(`${other.path}.`))?.since ?? 1;
  const checks: [boolean, string][] = [
    [hasOption(descriptor, field_policy), 'has no policy'],
    [descriptor.fieldKind !== 'map', 'is a map, for which there is no JSON path'],
    [since >= parentSince, 'has no version, or an older one than its parent'],
    [origin !== Origin.UNSPECIFIED && source !== '', 'has no source'],
    [statistic !== Statistic.UNSPECIFIED, 'has no statistic'],
    [statistic !== Statistic.NONE || purpose !== '', 'has neither a statistic nor a purpose'],
    [purpose === '' || /^[A-Z].*\.$/.test(purpose), 'has a purpose that is no sentence'],
    [treatmentSince >= since, 'has a treatment that is older than itself'],
    [findDateProblems([field], field.review).length === 0, 'has wrong dates'],
    [privacy !== Privacy.UNSPECIFIED, 'has no privacy treatment'],
    [(privacy === Privacy.NESTED) === isOwnMessage, 'is nested but not a message of the report, or the reverse'],
    [privacy !== Privacy.GENERATED || origin === Origin.VOLUNTEER, 'is generated, but not by the volunteer'],
    [
      (origin === Origin.KUBERNETES) === rbac.length > 0,
      'has RBAC rules but is not read from Kubernetes, or the reverse',
    ],
    [rbac.every(isReadRule), 'has an RBAC rule that is invalid or not read-only'],
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

test('every field of a report has a complete policy', () => {
  expect(collected.length).toBeGreaterThan(20);
  expect(collected.flatMap((field) => problemsOf(field))).toEqual([]);
});

test("every field of Kubermatic's records has a complete policy", () => {
  const fields = listFields(RecordSchema);
  expect(fields.length).toBeGreaterThan(60);
  expect(fields.flatMap((field) => problemsOf(field, fields))).toEqual([]);
});

test.each<[Partial<SchemaField>, string]>([
  [{ since: 0 }, 'has no version'],
  [{ origin: Origin.UNSPECIFIED, rbac: [] }, 'has no source'],
  [{ source: '' }, 'has no source'],
  [{ privacy: Privacy.UNSPECIFIED }, 'has no privacy treatment'],
  [{ privacy: Privacy.NESTED }, 'is nested but'],
  [{ privacy: Privacy.GENERATED }, 'is generated, but'],
  [{ statistic: Statistic.UNSPECIFIED }, 'has no statistic'],
  [{ statistic: Statistic.NONE }, 'has neither'],
  [{ purpose: 'which kernels' }, 'no sentence'],
  [{ treatmentSince: 0 }, 'older than itself'],
  [{ review: '' }, 'has wrong dates'],
  [{ expires: '2026-02-30' }, 'has wrong dates'],
  [{ rbac: [] }, 'has RBAC rules but'],
  [{ rbac: [create(RbacRuleSchema, { resource: 'nodes', verbs: ['delete'] })] }, 'not read-only'],
  [{ rbac: [create(RbacRuleSchema, { verbs: ['get'] })] }, 'not read-only'],
])('an incomplete policy is found: %o', (mistake, problem) => {
  const fields = collected.filter(({ path }) => path === 'nodes[].osImage').map((field) => ({ ...field, ...mistake }));
  expect(fields.flatMap((field) => problemsOf(field))).toEqual([expect.stringContaining(problem)]);
});

const DATED = { path: 'nodes[].osImage', review: '2026-11-21', expires: '2028-01-01' };

test.each([
  ['2026-11-21', /^$/],
  ['2027-12-31', /^$/],
  ['2028-01-01', /^nodes\[\].osImage expired on 2028-01-01/],
  ['2040-01-01', /^nodes\[\].osImage expired on 2028-01-01/],
  ['2026-11-20', /in the future/],
])('npm run check:policies on %s finds %s', (today, problem) => {
  expect(findDateProblems([DATED], today).join()).toMatch(problem);
});

test('a field without options is found', () => {
  // A message of another package, whose fields have no policies.
  expect(listFields(RbacRuleSchema).flatMap((field) => problemsOf(field))).toContain('apiGroup has no policy');
});

test('JSON of 2016 is unchanged by the schema: nothing is unknown, lost or added', () => {
  const text = readFileSync(join(import.meta.dirname, 'fixtures/legacy/spartakus-volunteer-report.json'), 'utf8');
  const report = fromJsonString(ReportSchema, text);
  expect(report.nodes.length).toBeGreaterThan(0);
  expect(toJson(ReportSchema, report)).toEqual(JSON.parse(text));
});

test('schema version 1 has exactly the fields of the original', () => {
  const names = collected
    .filter(({ since, path }) => since === 1 && !path.includes('.'))
    .map(({ descriptor }) => descriptor.jsonName);
  expect(names).toEqual(['version', 'timestamp', 'clusterID', 'masterVersion', 'nodes', 'extensions']);
});

/** The files of an image that `buf build` makes. */
function buildFiles(...args: string[]): FileDescriptorProto[] {
  const root = join(import.meta.dirname, '..');
  const image = execFileSync(join(root, 'node_modules/.bin/buf'), ['build', '--output', '-', ...args], { cwd: root });
  return fromBinary(FileDescriptorSetSchema, image).file;
}

/** The options of a file that decide the names of generated code: they follow from its package and its name. */
function codeOptions({ name, package: packageName }: FileDescriptorProto) {
  const parts = packageName.split('.');
  const words = basename(name, '.proto').split('_');
  return {
    goPackage: `github.com/spartakus-telemetry/spartakus/gen/go/${parts.join('/')};${parts.slice(-2).join('')}`,
    javaMultipleFiles: true,
    javaOuterClassname: `${words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')}Proto`,
    javaPackage: ['io.github.spartakus_telemetry', ...parts.slice(1)].join('.'),
  };
}

test('every file names its Go and Java packages, and the names follow from the package', () => {
  const files = buildFiles('--path', 'proto/spartakus', '--exclude-imports');
  expect(files.length).toBeGreaterThan(6);
  expect(files.map(({ options }) => options)).toEqual(
    files.map((file) => expect.objectContaining(codeOptions(file)) as unknown),
  );
});

test('docs/buf.gen.clients.yaml generates all imports that the runtime libraries do not contain', () => {
  const template = load(readFileSync(join(import.meta.dirname, '../docs/buf.gen.clients.yaml'), 'utf8')) as {
    inputs: [{ paths: string[] }];
    plugins: { remote: string; include_imports?: boolean }[];
  };
  const paths = template.inputs[0].paths.flatMap((path) => ['--path', path]);
  const [withImports, withoutImports] = [buildFiles(...paths), buildFiles(...paths, '--exclude-imports')];
  const missing = template.plugins.map(({ remote, include_imports: includeImports = false }) => {
    const files = includeImports ? withImports : withoutImports;
    const generated = new Set(files.map(({ name }) => name));
    expect(generated).toContain('spartakus/collector/v1/collector_service.proto');
    const imports = new Set(files.flatMap(({ dependency }) => dependency));
    return [remote, [...imports].filter((name) => !generated.has(name) && !name.startsWith('google/protobuf/'))];
  });
  const google = ['google/api/annotations.proto'];
  expect(Object.fromEntries(missing)).toEqual({
    'buf.build/protocolbuffers/go': google,
    'buf.build/grpc/go': google,
    'buf.build/protocolbuffers/java': google,
    'buf.build/grpc/java': google,
    'buf.build/protocolbuffers/python': [],
    // Generates only the service; the plugin above generates the messages.
    'buf.build/grpc/python': google,
  });
});
