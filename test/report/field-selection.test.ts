import { clone, create, type JsonObject, toJson } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { listRules } from '../../src/report/cluster-role.ts';
import {
  COLLECTABLE,
  createFieldSelection,
  createRecordSelection,
  parseCollect,
} from '../../src/report/field-selection.ts';
import { logNewerFields } from '../../src/report/newer-fields.ts';
import { parseOmissions } from '../../src/report/omitted-fields.ts';
import { listFields, type SchemaField } from '../../src/report/schema-fields.ts';
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

test('with an older number of --agree, only its fields are kept, and the id of the report for the spool', () => {
  const { reportID } = toJson(ReportSchema, REPORT) as JsonObject;
  const old = { collect: COLLECTABLE, agree: LEGACY_SCHEMA_VERSION };

  expect(trimmed(old)).toStrictEqual({ ...reportJson(REPORT, LEGACY_SCHEMA_VERSION), reportID });
  expect(createFieldSelection(old).has('reportID')).toBe(false);
  expect(trimmed({ collect: COLLECTABLE, agree: CURRENT_SCHEMA_VERSION })).toStrictEqual(toJson(ReportSchema, REPORT));
});

test('the fields of a transport with an older schema version are those that --agree would keep', () => {
  const schemaVersion = LEGACY_SCHEMA_VERSION;

  expect(trimmed({ collect: COLLECTABLE, schemaVersion })).toStrictEqual(
    trimmed({ collect: COLLECTABLE, agree: LEGACY_SCHEMA_VERSION }),
  );
});

/** The fields of a later release, in which these have other versions. */
const later = (changes: Readonly<Record<string, Partial<SchemaField>>>) =>
  listFields().map((field) => ({ ...field, ...changes[field.path] }));
const V3 = { since: 3, treatmentSince: 3 };

test('after an upgrade, newer fields and groups stay off until the number is raised', () => {
  const all = later({ 'nodes[].osImage': V3, namespaces: V3, workloads: V3 });
  const select = (agree?: number) => createFieldSelection({ collect: COLLECTABLE, agree }, all);
  const newer = ['nodes[].osImage', 'namespaces', 'workloads', 'workloads.pods[]', 'workloads.pods[].atLeast'];

  expect(newer.map((path) => select().has(path))).toStrictEqual([false, false, false, false, false]);
  expect(newer.map((path) => select(3).has(path))).toStrictEqual([true, true, true, true, true]);
  const report = clone(ReportSchema, REPORT);
  select().trim(report);
  expect(JSON.stringify(toJson(ReportSchema, report))).not.toMatch(/osImage|"namespaces":0|workloads"/);
  expect(report.nodes.map(({ id }) => id)).toStrictEqual(['n', 'm']);
});

test('a changed treatment of an old field counts as newer, and so does that of what its message needs', () => {
  const changed = { treatmentSince: 3 };
  const select = (path: string, agree: number) =>
    createFieldSelection({ collect: COLLECTABLE, agree }, later({ [path]: changed }));

  expect([2, 3].map((agree) => select('nodes[].osImage', agree).has('nodes[].osImage'))).toStrictEqual([false, true]);
  expect([2, 3].map((agree) => select('nodes[].capacity[].resource', agree).has('nodes[].capacity[]'))).toStrictEqual([
    false,
    true,
  ]);
  expect(() => select('clusterID', 2)).toThrow('Version 3 changes how clusterID is made anonymous');
  expect(select('clusterID', 3).has('clusterID')).toBe(true);
  // Of an entry that is withheld, the fields before and after the cause are withheld too.
  const missing = ['missing[]', 'missing[].what', 'missing[].reason'];
  expect(missing.map((path) => select('missing[].reason', 2).has(path))).toStrictEqual([false, false, false]);
  const records = (path: string) =>
    listFields(RecordSchema).map((field) => (field.path === path ? { ...field, ...changed } : field));
  expect(() => createRecordSelection(2, records('kind'))).toThrow('Version 3 changes how kind is made anonymous');
  const record = create(RecordSchema, { kind: 'kubernetes', nodes: [{ capacity: [{ resource: 'cpu', value: '4' }] }] });
  createRecordSelection(2, records('nodes[].capacity[].resource')).trim(record);
  expect(record.nodes.map(({ capacity }) => capacity)).toStrictEqual([[]]);
});

test('the fields of a record are trimmed by the same number, those of its nodes as well', () => {
  const make = () =>
    create(RecordSchema, {
      kind: 'kubernetes',
      kubermaticEdition: 'CE',
      reportId: 'r',
      nodes: [{ id: 'n', osImage: 'os' }],
      missing: [{ what: 'nodes[]', reason: 'failed' }],
    });
  const trimRecord = (agree?: number, all?: readonly SchemaField[]) => {
    const record = make();
    createRecordSelection(agree, all).trim(record);
    return record;
  };
  const all = listFields(RecordSchema).map((field) => (field.path === 'nodes[].osImage' ? { ...field, ...V3 } : field));

  expect(trimRecord()).toStrictEqual(make());
  expect(toJson(RecordSchema, trimRecord(1))).toStrictEqual({
    kind: 'kubernetes',
    nodes: [{ id: 'n', osImage: 'os' }],
  });
  expect(trimRecord(undefined, all).nodes.map(({ id, osImage }) => [id, osImage])).toStrictEqual([['n', undefined]]);
});

test('what is newer is logged once, with the command that describes it', () => {
  const lines: string[] = [];
  const ignore = () => undefined;
  const logger = {
    debug: ignore,
    warn: ignore,
    error: ignore,
    info: (_: object, text: string) => void lines.push(text),
  };
  const all = later({ workloads: V3, 'workloads.pods[]': V3, 'workloads.pods[].atLeast': V3, 'nodes[].osImage': V3 });

  logNewerFields(logger, all, 2, 'volunteer explain', 3);
  logNewerFields(logger, listFields(), 2, 'volunteer explain');

  expect(lines).toStrictEqual([
    'Not sent, because it is newer than version 2, which was agreed to: nodes[].osImage, workloads. ' +
      '"spartakus volunteer explain --diff 2" describes it, and --agree 3 sends it.',
  ]);
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
