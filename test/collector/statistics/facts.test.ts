import { create, createFileRegistry, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import { type DescFile, setExtension } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  type FileDescriptorProto,
  timestampFromDate,
} from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { field_policy, FieldPolicySchema, Measure } from '../../../gen/spartakus/options/v1/options_pb.js';
import { file_spartakus_report_v1_report, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { decodeFacts } from '../../../src/collector/statistics/facts-text.ts';
import { createFacts, type Facts } from '../../../src/collector/statistics/facts.ts';
import { listMeasuredFields } from '../../../src/collector/statistics/measured-fields.ts';
import { addNodes } from '../../../src/collector/statistics/merge-facts.ts';
import { renderPoint } from '../../../src/collector/statistics/render-point.ts';
import { COMPUTED_FIELDS, createContributor } from '../../../src/collector/statistics/tally.ts';

const RECEIVED_AT = new Date('2026-11-21T10:00:00Z');
const makeFacts = createFacts();

type ReportInit = NonNullable<Parameters<typeof create<typeof ReportSchema>>[1]>;

function rawFactsOf(init: ReportInit, dialect = 'report'): Facts {
  return makeFacts(create(ReportSchema, init), { receivedAt: RECEIVED_AT, dialect });
}

/** The facts by the keys of the questions; numbers in lists are texts. */
function named(facts: Facts): Omit<Facts, 'f'> & { readonly f: Readonly<Record<string, unknown>> } {
  const fields = new Map([...listMeasuredFields(), ...COMPUTED_FIELDS].map((field) => [field.factKey, field]));
  return { ...facts, f: Object.fromEntries([...decodeFacts(facts.f, fields)].map(([{ key }, fact]) => [key, fact])) };
}

function factsOf(init: ReportInit, dialect = 'report'): ReturnType<typeof named> {
  return named(rawFactsOf(init, dialect));
}

test('a report of nodes that are all the same takes one value for each field', () => {
  const node = {
    operatingSystem: 'linux',
    osImage: 'Debian GNU/Linux 12 (bookworm)',
    containerRuntimeVersion: 'containerd://1.7.24',
    kubeletVersion: 'v1.30.2',
    capacity: [
      { resource: 'cpu', value: '3500m' },
      { resource: 'memory', value: '16Gi' },
      { resource: 'hugepages-2Mi', value: '0' },
    ],
  };

  expect(factsOf({ version: 'v2.0.0', masterVersion: 'v1.31.4', nodes: [node, node], namespaces: 7 })).toStrictEqual({
    v: 1,
    day: '2026-11-21',
    at: RECEIVED_AT,
    nodes: 2,
    minor: '1.31',
    f: {
      version: 'v2.0.0',
      masterVersion: 'v1.31.4',
      nodes: 2,
      namespaces: 7,
      'nodes/operatingSystem': 'linux',
      'nodes/osImage': 'Debian GNU/Linux 12 (bookworm)',
      'nodes/containerRuntimeVersion': 'containerd://1.7.24',
      'nodes/kubeletVersion': 'v1.30.2',
      'nodes/capacity': ['cpu', '7', 'memory', String(2 * 16 * 1024 ** 3)],
      dialect: 'report',
      kubeletSkew: '1',
    },
  });
});

test('several values of nodes are stored with their nodes, and other lists without', () => {
  const { f } = factsOf({
    nodes: [{ architecture: 'arm64' }, { architecture: 'amd64' }, { architecture: 'amd64' }, {}],
    extensions: [{ name: 'b.example.com/x' }, { name: 'a.example.com/x' }],
    missing: [{ what: 'workloads.pods[]', reason: 'failed' }],
    workloads: {
      pods: [
        { atLeast: 1, namespaces: 3 },
        { atLeast: 4, namespaces: 1 },
      ],
    },
    lifetimes: { podsAtLeastHours: 0 },
  });

  expect(f).toMatchObject({
    'nodes/architecture': ['amd64', '2', 'arm64', '1'],
    extensions: ['a.example.com/x', 'b.example.com/x'],
    'missing/what': 'workloads.pods[]',
    'workloads/pods': ['1', '4'],
    'lifetimes/podsAtLeastHours': 0,
  });
});

test('values of old clients count under the names of new ones', () => {
  const { f } = factsOf(
    {
      masterVersion: 'v1.29.3-acme.internal.7',
      nodes: [
        {
          osImage: 'Acme Linux for Jane Doe',
          containerRuntimeVersion: 'docker://1.13.1',
          cloudProvider: 'acme',
          capacity: [
            { resource: 'acme.example.com/secret', value: '12' },
            { resource: 'acme.example.com/other', value: '3' },
            { resource: 'cpu', value: '-4' },
          ],
        },
      ],
    },
    'spartakus',
  );

  expect(f).toMatchObject({
    masterVersion: 'v1.29.3+custom',
    'nodes/osImage': 'other',
    'nodes/containerRuntimeVersion': 'docker://1.13.1',
    'nodes/cloudProvider': 'unknown',
    'nodes/capacity': ['other', '2'],
    dialect: 'spartakus',
  });
});

test.each<[string, string | undefined, Partial<Facts>]>([
  ['absent', undefined, { day: '2026-11-21', at: RECEIVED_AT }],
  ['of the same day', '2026-11-21T09:00:00Z', { day: '2026-11-21', at: new Date('2026-11-21T09:00:00Z') }],
  ['of the day before', '2026-11-20T23:00:00Z', { day: '2026-11-20', late: '2026-11-20' }],
  ['a year ago', '2025-11-20T23:00:00Z', { day: '2025-11-20', late: '2025-11-20' }],
  ['a day ahead', '2026-11-22T10:00:00Z', { day: '2026-11-22', late: '2026-11-22' }],
  ['two days ahead', '2026-11-23T00:00:00Z', { day: '2026-11-21', at: RECEIVED_AT }],
  ['too long ago', '2024-01-01T00:00:00Z', { day: '2026-11-21', at: RECEIVED_AT }],
])('with a time of observation that is %s, the report counts for the right day', (_case, observedAt, expected) => {
  const facts = factsOf({ observedAt: observedAt === undefined ? undefined : timestampFromDate(new Date(observedAt)) });

  expect(facts).toMatchObject(expected);
  expect(facts.late).toBe(expected.late);
});

test.each<[string, string[], string | undefined]>([
  ['v1.31.0', ['v1.31.0'], '0'],
  ['v1.31.0', ['v1.31.0', 'v1.28.9', 'other'], '3'],
  ['v1.31.0', ['v1.32.1'], '-1'],
  ['v1.31.0', [], undefined],
  ['v1.31.0', ['v2.1.0'], undefined],
  ['v1.31.0', ['v1.990.0'], undefined],
  ['other', ['v1.31.0'], undefined],
])('the oldest kubelet of %s with %j is behind by %s', (masterVersion, kubelets, skew) => {
  const { f } = factsOf({ masterVersion, nodes: kubelets.map((kubeletVersion) => ({ kubeletVersion })) });

  expect(f['kubeletSkew']).toBe(skew);
});

test('the facts of a forged report are bounded', () => {
  const nodes = Array.from({ length: 1_000 }, (_, index) => ({
    kernelVersion: `6.${index}.0`,
    osImage: 'x'.repeat(9_999),
  }));
  const extensions = Array.from({ length: 1_000 }, (_, index) => ({ name: `${index}/${'ü'.repeat(100)}` }));
  const facts = factsOf({ version: 'v'.repeat(200), nodes, extensions });

  expect(facts.f['version']).toBe('other');
  expect(facts.f['nodes/kernelVersion']).toHaveLength(202);
  expect((facts.f['nodes/kernelVersion'] as unknown[]).slice(-2)).toStrictEqual(['other', '900']);
  expect(JSON.stringify(facts).length).toBeLessThan(10_000);
});

test('the questions have the ids of the fields', () => {
  expect(listMeasuredFields().map(({ id }) => id)).toStrictEqual(
    expect.arrayContaining([
      'masterVersion',
      'nodes',
      'nodes.osImage',
      'nodes.capacity',
      'extensions',
      'workloads.pods',
    ]),
  );
});

/** A copy of the schema whose messages have two more fields. */
function extendSchema(): DescFile {
  const copies = new Map<string, FileDescriptorProto>();
  const collect = (file: DescFile): void => {
    if (copies.has(file.proto.name)) return;
    for (const dependency of file.dependencies) collect(dependency);
    copies.set(file.proto.name, fromBinary(FileDescriptorProtoSchema, toBinary(FileDescriptorProtoSchema, file.proto)));
  };
  collect(file_spartakus_report_v1_report);
  const addField = (message: string, name: string, jsonName: string, measure: Measure): void => {
    const descriptor = copies
      .get(file_spartakus_report_v1_report.proto.name)
      ?.messageType.find((each) => each.name === message);
    if (descriptor === undefined) throw new Error(`${message} is missing`);
    descriptor.field.push({
      $typeName: 'google.protobuf.FieldDescriptorProto',
      name,
      jsonName,
      number: 500,
      label: FieldDescriptorProto_Label.OPTIONAL,
      type: FieldDescriptorProto_Type.STRING,
    } as (typeof descriptor.field)[number]);
    const field = descriptor.field.at(-1)!;
    const options = create(FileDescriptorSetSchema, { file: [{ messageType: [{ field: [{ options: {} }] }] }] })
      .file[0]!.messageType[0]!.field[0]!.options!;
    setExtension(options, field_policy, create(FieldPolicySchema, { measure }));
    field.options = options;
  };
  addField('Report', 'ingress_controller', 'ingressController', Measure.NAME_AND_VERSION);
  addField('Node', 'filesystem', 'filesystem', Measure.WORD);
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [...copies.values()] }));
  return registry.getFile(file_spartakus_report_v1_report.proto.name)!;
}

test('a new field with a measure is counted without any further code', () => {
  const schema = extendSchema().messages.find(({ name }) => name === 'Report')!;
  const report = create(schema, {
    clusterId: 'c',
    ingressController: 'nginx://1.11.2',
    nodes: [{ filesystem: 'xfs' }, { filesystem: 'ext4' }, { filesystem: 'xfs' }],
  }) as Message;

  const facts = createFacts(schema)(report, { receivedAt: RECEIVED_AT, dialect: 'report' });
  const fields = listMeasuredFields(schema);
  const tally = new Map();
  const cluster = {
    _id: 'c',
    first: facts.day,
    seen: [],
    last: { id: 'r', receivedAt: RECEIVED_AT, facts },
    earlier: [],
  };
  createContributor(fields, 30).add(tally, cluster, facts.day);
  const { answers } = renderPoint(tally, { day: facts.day, computedAt: RECEIVED_AT, activeWindowDays: 30, fields });

  expect(answers).toMatchObject({
    ingressController: {
      kind: 'values',
      reporting: 1,
      values: [{ value: 'nginx://1.11.2', clusters: 1 }],
      coarse: [{ value: 'nginx', clusters: 1 }],
    },
    'nodes/filesystem': {
      reporting: 1,
      values: [
        { value: 'ext4', clusters: 1, nodes: 1 },
        { value: 'xfs', clusters: 1, nodes: 2 },
      ],
    },
  });
});

test('the facts of a report in parts are those of the whole', () => {
  const nodes = Array.from({ length: 300 }, (_, index) => ({
    operatingSystem: index % 7 === 0 ? undefined : 'linux',
    architecture: 'amd64',
    kubeletVersion: `v1.${30 + (index % 3)}.1`,
    kernelVersion: `6.${index % 9}.0`,
    capacity: [{ resource: 'cpu', value: '1100m' }, ...(index === 250 ? [{ resource: 'pods', value: '9' }] : [])],
  }));
  const rest = { version: 'v2.0.0', masterVersion: 'v1.32.0', namespaces: 3, extensions: [{ name: 'a', value: '' }] };
  const parts = [0, 100, 200].map((from) => rawFactsOf({ ...rest, nodes: nodes.slice(from, from + 100) }));

  const merged = parts.reduce((facts, more) => addNodes(facts, more, listMeasuredFields()));

  expect(merged).toStrictEqual(rawFactsOf({ ...rest, nodes }));
});

test('extensions count by name, and those that the operator lists by value too', () => {
  const report = create(ReportSchema, {
    extensions: [
      { name: 'example.com/tier', value: 'gold' },
      { name: 'example.com/owner', value: 'jane' },
    ],
  });
  const facts = createFacts(ReportSchema, '', { countedKeys: ['example.com/tier'] })(report, {
    receivedAt: RECEIVED_AT,
    dialect: 'report',
  });
  const tally = new Map();
  const last = { id: 'r', receivedAt: RECEIVED_AT, facts };
  createContributor(listMeasuredFields(), 30).add(tally, { _id: 'c', first: facts.day, seen: [], last }, facts.day);
  const options = { day: facts.day, computedAt: RECEIVED_AT, activeWindowDays: 30, fields: listMeasuredFields() };

  expect(renderPoint(tally, options).answers['extensions']).toMatchObject({
    values: [{ value: 'example.com/owner' }, { value: 'example.com/tier=gold' }],
    coarse: [{ value: 'example.com/owner' }, { value: 'example.com/tier' }],
  });
});
