import { clone, create, type JsonObject, toJson } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { listRules } from '../../src/report/cluster-role.ts';
import { COLLECTABLE, createFieldSelection, parseCollect } from '../../src/report/field-selection.ts';
import { parseOmissions } from '../../src/report/omitted-fields.ts';
import { CURRENT_SCHEMA_VERSION, LEGACY_SCHEMA_VERSION, reportJson } from '../../src/report/schema-version.ts';

const REPORT = create(ReportSchema, {
  version: 'v2.0.0',
  timestamp: '1',
  clusterId: 'c',
  masterVersion: 'v1',
  nodes: [
    {
      id: 'n',
      osImage: 'os',
      capacity: [
        { resource: 'cpu', value: '4' },
        { resource: 'memory', value: '1Ki' },
      ],
    },
    { id: 'm', osImage: '' },
  ],
  extensions: [{ name: 'a', value: 'b' }],
  reportId: '0199a000-0000-7000-8000-000000000000',
  observedAt: { seconds: 1n },
  sequence: 1,
  namespaces: 0,
  workloads: { pods: [{ atLeast: 1, namespaces: 2 }], jobs: [] },
  lifetimes: { podsAtLeastHours: 64 },
  missing: [{ what: 'workloads.jobs[]', reason: 'not permitted' }],
});

/** The JSON of REPORT, trimmed. */
function trimmed(choice: Parameters<typeof createFieldSelection>[0]) {
  const report = clone(ReportSchema, REPORT);
  createFieldSelection(choice).trim(report);
  return toJson(ReportSchema, report);
}

const omitting = (paths: string) => ({ collect: COLLECTABLE, omit: parseOmissions(paths) });

test('without omissions every field is kept', () => {
  expect(trimmed({ collect: COLLECTABLE })).toStrictEqual(toJson(ReportSchema, REPORT));
});

test('each name of --collect is a field of the report, which is kept only if it is named', () => {
  for (const name of COLLECTABLE) {
    expect(toJson(ReportSchema, REPORT)).toHaveProperty(name);
    expect(trimmed({ collect: [name] })).toHaveProperty(name);
    expect(trimmed({ collect: COLLECTABLE.filter((other) => other !== name) })).not.toHaveProperty(name);
  }
});

test('an omitted field is in no node, and an omitted entry in no list', () => {
  const { masterVersion: _, ...rest } = toJson(ReportSchema, REPORT) as JsonObject;

  expect(trimmed(omitting('osImage,capacity.memory,masterVersion'))).toStrictEqual({
    ...rest,
    nodes: [{ id: 'n', capacity: [{ resource: 'cpu', value: '4' }] }, { id: 'm' }],
  });
});

test('a message of which every field is omitted is omitted itself', () => {
  const all = 'pods,services,deployments,statefulsets,daemonsets,jobs'
    .split(',')
    .map((kind) => `workloads.${kind}`)
    .join(',');

  expect(trimmed(omitting(all))).not.toHaveProperty('workloads');
});

test('with an older schema version, only its fields are kept, and the id, time and number of the report', () => {
  const { reportID, observedAt, sequence } = toJson(ReportSchema, REPORT) as JsonObject;

  expect(trimmed({ collect: COLLECTABLE, schemaVersion: LEGACY_SCHEMA_VERSION })).toStrictEqual({
    ...reportJson(REPORT, LEGACY_SCHEMA_VERSION),
    reportID,
    observedAt,
    sequence,
  });
  expect(createFieldSelection({ collect: COLLECTABLE, schemaVersion: LEGACY_SCHEMA_VERSION }).has('reportID')).toBe(
    false,
  );
  expect(trimmed({ collect: COLLECTABLE, schemaVersion: CURRENT_SCHEMA_VERSION })).toStrictEqual(
    toJson(ReportSchema, REPORT),
  );
});

test('the rules do not include those of omitted fields', () => {
  const rules = (paths: string) =>
    JSON.stringify(listRules(createFieldSelection({ collect: ['nodes'], omit: parseOmissions(paths) }).fields));

  expect(rules('osImage')).toContain('/version');
  expect(rules('masterVersion')).not.toContain('/version');
});

test('an unknown name is an error that lists the known ones', () => {
  expect(parseCollect('nodes, workloads')).toStrictEqual(['nodes', 'workloads']);
  expect(() => parseCollect('nodes,pods')).toThrow(
    '"pods" is not a field that can be collected: use nodes, extensions, namespaces, workloads, lifetimes',
  );
});
