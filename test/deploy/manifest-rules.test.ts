import { expect, test } from 'vitest';
import { listPodProblems, listReferenceProblems } from '../support/manifest-rules.ts';
import type { Manifest } from '../support/manifests.ts';

const CONTAINER = {
  name: 'volunteer',
  image: 'registry.example.com/spartakus:2.0.0',
  args: ['volunteer', '--health-port=8082', '--spool-dir=/spool', '--cluster-id=$(CLUSTER)'],
  env: [
    { name: 'CLUSTER', valueFrom: { configMapKeyRef: { name: 'settings', key: 'cluster' } } },
    { name: 'SPARTAKUS_PERIOD', value: '24h' },
  ],
  ports: [{ name: 'health', containerPort: 8082 }],
  readinessProbe: { httpGet: { path: '/readyz', port: 'health' } },
  volumeMounts: [{ name: 'spool', mountPath: '/spool' }],
  resources: { requests: { cpu: '1m' }, limits: { memory: '128Mi' } },
  securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
};

const POD = {
  serviceAccountName: 'volunteer',
  automountServiceAccountToken: true,
  enableServiceLinks: false,
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  volumes: [{ name: 'spool', emptyDir: {} }],
};

function deploy(container: object = {}, pod: object = {}, template: object = {}): readonly Manifest[] {
  return [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { cluster: 'auto' } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'volunteer' } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'volunteer' },
      spec: {
        selector: { matchLabels: { app: 'volunteer' } },
        template: {
          metadata: { labels: { app: 'volunteer' } },
          spec: { containers: [{ ...CONTAINER, ...container }], ...POD, ...pod },
          ...template,
        },
      },
    },
  ];
}

test('a pod that follows the rules has no problem', async () => {
  await expect(listPodProblems(deploy())).resolves.toStrictEqual([]);
  expect(listReferenceProblems(deploy())).toStrictEqual([]);
});

test.each<readonly [string, object, object]>([
  ['spartakus has no command ["volunteers"]', { args: ['volunteers'], ports: [], readinessProbe: {} }, {}],
  ['unknown flag --spool-dirr; did you mean --spool-dir?', { args: [...CONTAINER.args, '--spool-dirr=/spool'] }, {}],
  ['--period "soon" is not a duration', { args: [...CONTAINER.args, '--period=soon'] }, {}],
  [
    'spartakus volunteer has no variable SPARTAKUS_PERIODS',
    { env: [...CONTAINER.env, { name: 'SPARTAKUS_PERIODS' }] },
    {},
  ],
  ['/data is in no mounted volume', { args: [...CONTAINER.args, '--spool-dir=/data'] }, {}],
  ['nothing listens on port 9090', { ports: [...CONTAINER.ports, { containerPort: 9090 }] }, {}],
  ['livenessProbe: the container has no port 80', { livenessProbe: { httpGet: { path: '/', port: 80 } } }, {}],
  ['$(CLUSTER) is not expanded', { env: [] }, {}],
  [
    'X: there is no key x in a ConfigMap settings',
    { env: [...CONTAINER.env, { name: 'X', valueFrom: { configMapKeyRef: { name: 'settings', key: 'x' } } }] },
    {},
  ],
  ['it replaces the entry point of the image', { command: ['node'] }, {}],
  ['there is no volume spool', {}, { volumes: [] }],
  ['runAsNonRoot is not true', {}, { securityContext: { ...POD.securityContext, runAsNonRoot: false } }],
  [
    'readOnlyRootFilesystem is not true',
    { securityContext: { ...CONTAINER.securityContext, readOnlyRootFilesystem: false } },
    {},
  ],
  ['enableServiceLinks is not false', {}, { enableServiceLinks: true }],
  ['the volume spool is of the host', {}, { volumes: [{ name: 'spool', hostPath: { path: '/' } }] }],
])('%s', async (message, container, pod) => {
  await expect(listPodProblems(deploy(container, pod))).resolves.toStrictEqual([expect.stringContaining(message)]);
});

test.each<readonly [string, Manifest]>([
  [
    'Service volunteer: no selected pod has the port grpc',
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'volunteer' },
      spec: { selector: { app: 'volunteer' }, ports: [{ port: 80, targetPort: 'grpc' }] },
    },
  ],
  [
    'NetworkPolicy volunteer: its selector matches no pod',
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'volunteer' },
      spec: { podSelector: { matchLabels: { app: 'other' } } },
    },
  ],
  [
    'RoleBinding volunteer: its role does not exist',
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'volunteer' },
      roleRef: { kind: 'Role', name: 'volunteer' },
      subjects: [{ kind: 'ServiceAccount', name: 'volunteer' }],
    },
  ],
  [
    'HorizontalPodAutoscaler volunteer: its target does not exist',
    {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'volunteer' },
      spec: { scaleTargetRef: { kind: 'Deployment', name: 'collector' } },
    },
  ],
])('%s', (message, manifest) => {
  expect(listReferenceProblems([...deploy(), manifest])).toStrictEqual([message]);
});
