import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { FIELD_DOCS } from '../../gen/field-docs.ts';
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import {
  Origin,
  Privacy,
  PrivacySchema,
  RbacRuleSchema,
  Statistic,
  StatisticSchema,
} from '../../gen/spartakus/options/v1/options_pb.js';
import {
  renderClusterRole,
  renderCollectedPage,
  renderFields,
  renderTreatments,
} from '../../src/report/collected-page.ts';
import { listCollected, listRules, type PolicyRule } from '../../src/report/collected.ts';
import { COLLECTABLE } from '../../src/report/selection.ts';
import { selectFields } from '../../src/volunteer/gather/gather.ts';
import { listRequiredRules } from '../../src/volunteer/gather/rbac-rules.ts';

const intro = `<!-- Generated from the field options of proto/spartakus/report/v1/report.proto by \`npm run docs\`. Do not edit. -->

A report holds what this page lists and nothing else: the page is made from the schema that every report is encoded with, and
CI fails where the two differ. \`spartakus volunteer explain\`, with the flags that you use, prints it for those flags. To see a report of
your own cluster before anybody else does, run \`spartakus volunteer --cluster-id auto --period 0\`: without \`--database\` it prints the
report and sends nothing.`;

const everything = { clusterId: 'c', extensions: 'any', collect: COLLECTABLE };

test('every field and treatment that a report can hold has a comment in the schema', () => {
  const documented = [
    ...listCollected().map(({ descriptor }) => String(descriptor)),
    ...[PrivacySchema, StatisticSchema].flatMap((schema) => schema.values.map(String)),
  ];
  expect(documented.filter((name) => !FIELD_DOCS.has(name))).toEqual([]);
});

test('docs/what-is-collected.md is what the schema says (else: npm run docs)', async () => {
  const [least, most] = [{ clusterId: 'c' }, everything].map((config) =>
    listRequiredRules(config, selectFields(config)),
  ) as [PolicyRule[], PolicyRule[]];
  const page = renderCollectedPage({
    intro,
    fields: selectFields(everything).fields,
    roles: [
      { about: 'The smallest ClusterRole of a volunteer that is asked for nothing in particular:', rules: least },
      { about: 'With everything that `--collect` can name:', rules: most },
    ],
    docs: FIELD_DOCS,
  });

  await expect(page).toMatchFileSnapshot('../../docs/what-is-collected.md');
});

test('docs/what-agents-collect.md is what the schema says (else: npm run docs)', async () => {
  const fields = listCollected(RecordSchema);
  const docs = FIELD_DOCS;
  const page = [
    '<!-- Generated from the field options of proto/spartakus/kubermatic/v1/record.proto by `npm run docs`. Do not edit. -->',
    '# What agents collect',
    `A record holds what this page lists and nothing else: the page is made from the schema that every record is written with, and CI fails where the two differ. A record file
is plain JSON in the directory of records, for everybody to read before the reporter sends it, and \`spartakus reporter stdout\` prints the whole report.`,
    '## Fields',
    renderFields(fields, docs),
    '## How it is made anonymous',
    renderTreatments(fields, docs),
    '## The rights that it takes',
    'deploy/kubermatic/base/rbac.yaml has exactly the rights that the agents use: a test compares it with their requests.',
  ].join('\n\n');

  await expect(`${page}\n`).toMatchFileSnapshot('../../docs/what-agents-collect.md');
});

test('a page without a comment for a field is refused', () => {
  const fields = listCollected();

  expect(() => renderCollectedPage({ intro, fields, roles: [], docs: new Map() })).toThrow('There is no comment for');
});

test('everything in a report is listed once, under its JSON path', () => {
  const paths = listCollected().map(({ path }) => path);
  expect(new Set(paths).size).toBe(paths.length);
  expect(paths).toEqual(
    expect.arrayContaining(['clusterID', 'nodes[]', 'nodes[].capacity[].resource', 'extensions[].value', 'observedAt']),
  );
});

test('a field carries what the options say of it', () => {
  expect(listCollected().find(({ path }) => path === 'nodes[].id')).toMatchObject({
    since: 1,
    origin: Origin.KUBERNETES,
    privacy: Privacy.KEYED_HASH,
    statistic: Statistic.NODES,
    rbac: [
      { resource: 'nodes', verbs: ['list'] },
      { resource: 'namespaces', resourceName: 'kube-system', verbs: ['get'] },
    ],
  });
});

test('the rules for a report are the fewest that it takes', () => {
  const list = (group: string, resource: string) => ({ apiGroups: [group], resources: [resource], verbs: ['list'] });
  expect(listRules(listCollected())).toEqual([
    { nonResourceURLs: ['/version'], verbs: ['get'] },
    list('', 'nodes'),
    { apiGroups: [''], resources: ['namespaces'], resourceNames: ['kube-system'], verbs: ['get'] },
    list('', 'namespaces'),
    list('', 'pods'),
    list('', 'services'),
    list('apps', 'deployments'),
    list('apps', 'statefulsets'),
    list('apps', 'daemonsets'),
    list('batch', 'jobs'),
  ]);
});

test('verbs of one resource are merged, other groups and names are not', () => {
  const jobs = { resource: 'jobs', apiGroup: 'batch' };
  const rbac = [
    { ...jobs, verbs: ['list'] },
    { ...jobs, verbs: ['get', 'list'] },
    { ...jobs, resourceName: 'one', verbs: ['get'] },
  ];
  const fields = listCollected()
    .slice(0, 1)
    .map((field) => ({ ...field, rbac: rbac.map((rule) => create(RbacRuleSchema, rule)) }));
  const rules = listRules(fields);
  expect(renderClusterRole(rules).split('\n').slice(4)).toEqual([
    'rules:',
    '  - apiGroups: ["batch"]',
    '    resources: ["jobs"]',
    '    verbs: ["get", "list"]',
    '  - apiGroups: ["batch"]',
    '    resources: ["jobs"]',
    '    resourceNames: ["one"]',
    '    verbs: ["get"]',
  ]);
});
