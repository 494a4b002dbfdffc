import { expect, test } from 'vitest';
import { listSchemaProblems } from '../support/manifest-schemas.ts';
import type { Manifest } from '../support/manifests.ts';

const deployment = (pod: object): Manifest => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'x', labels: { 'any.example.com/label': 'y' } },
  spec: {
    selector: { matchLabels: { a: 'b' } },
    template: {
      metadata: { labels: { a: 'b' } },
      spec: { containers: [{ name: 'a', image: 'b', ports: [{ containerPort: 8080 }] }], ...pod },
    },
  },
});

test('a valid manifest has no problem', async () => {
  await expect(listSchemaProblems([deployment({ nodeSelector: { any: 'x' } })])).resolves.toStrictEqual([]);
});

test.each<readonly [string, Manifest, string]>([
  ['a wrong type', deployment({ hostNetwork: 'no' }), 'spec/template/spec/hostNetwork must be boolean'],
  ['a field that is missing', deployment({ containers: [{ image: 'b' }] }), 'must have required property name'],
  ['a field that does not exist', deployment({ enableServiceLink: false }), '.spec.template.spec.enableServiceLink'],
  [
    'a field that does not exist within a list',
    deployment({ containers: [{ name: 'a', port: [{ containerPort: 1 }] }] }),
    '.spec.template.spec.containers.0.port',
  ],
  [
    'a field that does not exist at the top',
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name: 'x' }, rule: [] },
    'the schema has no field .rule',
  ],
  [
    'a kind that does not exist',
    { apiVersion: 'apps/v1', kind: 'Deployments', metadata: { name: 'x' } },
    'there is no schema of apps/v1 Deployments',
  ],
  [
    'a version that Kubernetes no longer serves',
    { apiVersion: 'apps/v1beta1', kind: 'Deployment', metadata: { name: 'x' } },
    'there is no schema of apps/v1beta1 Deployment',
  ],
  [
    'a field that a custom resource does not have',
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'GRPCRoute',
      metadata: { name: 'x' },
      spec: { rules: [{ backendRef: [] }] },
    },
    '.spec.rules.0.backendRef',
  ],
  [
    'a custom resource without a required field',
    { apiVersion: 'cert-manager.io/v1', kind: 'Certificate', metadata: { name: 'x' }, spec: { secretName: 'x' } },
    'issuerRef',
  ],
  [
    'a custom resource with a field of a wrong type',
    {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'ServiceMonitor',
      metadata: { name: 'x' },
      spec: { selector: {}, endpoints: [{ port: 8080 }] },
    },
    'spec/endpoints/0/port must be string',
  ],
])('%s is a problem', async (_, manifest, message) => {
  await expect(listSchemaProblems([manifest])).resolves.toStrictEqual([expect.stringContaining(message)]);
});

test('the same name twice is a problem', async () => {
  await expect(listSchemaProblems([deployment({}), deployment({})])).resolves.toStrictEqual([
    '/Deployment x is there twice',
  ]);
});
