import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { Origin, Privacy, RbacRuleSchema, Statistic } from '../../gen/spartakus/options/v1/options_pb.js';
import { renderClusterRole, renderCollectedPage } from '../../src/report/collected-page.ts';
import { listCollected, listRules } from '../../src/report/collected.ts';
import { readProtoComments } from '../support/proto-comments.ts';

test('docs/what-is-collected.md is what the schema says (else: npm run docs)', async () => {
  await expect(renderCollectedPage(readProtoComments())).toMatchFileSnapshot('../../docs/what-is-collected.md');
});

test('a page without a comment for a field is refused', () => {
  expect(() => renderCollectedPage(new Map())).toThrow('There is no comment for');
});

test('everything in a report is listed once, under its JSON path', () => {
  const paths = listCollected().map(({ path }) => path);
  expect(new Set(paths).size).toBe(paths.length);
  expect(paths).toEqual(expect.arrayContaining(['clusterID', 'nodes[]', 'nodes[].capacity[].resource', 'extensions[].value', 'observedAt']));
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
  const rbac = [{ ...jobs, verbs: ['list'] }, { ...jobs, verbs: ['get', 'list'] }, { ...jobs, resourceName: 'one', verbs: ['get'] }];
  const fields = listCollected().slice(0, 1).map((field) => ({ ...field, rbac: rbac.map((rule) => create(RbacRuleSchema, rule)) }));
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
