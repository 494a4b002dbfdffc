import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { RbacRuleSchema } from '../../gen/spartakus/options/v1/options_pb.js';
import { listRules, renderRole } from '../../src/report/cluster-role.ts';
import { listFields } from '../../src/report/schema-fields.ts';

test('the rules for a report are the fewest that it needs', () => {
  const list = (group: string, resource: string) => ({ apiGroups: [group], resources: [resource], verbs: ['list'] });
  expect(listRules(listFields())).toEqual([
    { nonResourceURLs: ['/version'], verbs: ['get'] },
    list('', 'nodes'),
    list('', 'namespaces'),
    list('', 'pods'),
    list('', 'services'),
    list('apps', 'deployments'),
    list('apps', 'statefulsets'),
    list('apps', 'daemonsets'),
    list('batch', 'jobs'),
  ]);
});

test('verbs of one resource are merged; rules of other groups and names are not', () => {
  const jobs = { resource: 'jobs', apiGroup: 'batch' };
  const rbac = [
    { ...jobs, verbs: ['list'] },
    { ...jobs, verbs: ['get', 'list'] },
    { ...jobs, resourceName: 'one', verbs: ['get'] },
  ].map((rule) => create(RbacRuleSchema, rule));

  expect(
    renderRole('ClusterRole', listRules([{ rbac }]))
      .split('\n')
      .slice(4),
  ).toEqual([
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
