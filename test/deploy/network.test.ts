import { expect, test } from 'vitest';
import type { Manifest } from '../support/manifests.ts';
import { listNetworkProblems, permitsConnection } from '../support/network.ts';

const pod = (name: string): Manifest => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name, image: name, ports: [{ name: 'http', containerPort: 8080 }] }] },
    },
  },
});

const policy = (name: string, spec: object, policyTypes = ['Ingress', 'Egress']): Manifest => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name },
  spec: { podSelector: { matchLabels: { app: name } }, policyTypes, ...spec },
});

const from = { labels: { app: 'client' } };
const to = { labels: { app: 'server' } };
const peer = { podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['client'] }] } };
const ports = [{ port: 'http', protocol: 'TCP' }];

test.each<readonly [string, boolean, readonly Manifest[]]>([
  ['no policy', true, []],
  ['a policy without rules', false, [policy('server', {})]],
  ['a policy of the other direction', true, [policy('server', {}, ['Egress'])]],
  ['the port by its name', true, [policy('server', { ingress: [{ ports }] })]],
  ['another port', false, [policy('server', { ingress: [{ ports: [{ port: 80, protocol: 'TCP' }] }] })]],
  ['UDP', false, [policy('server', { ingress: [{ ports: [{ port: 8080, protocol: 'UDP' }] }] })]],
  ['the pod by its label', true, [policy('server', { ingress: [{ ports, from: [peer] }] })]],
  ['another pod', false, [policy('client', { egress: [{ to: [peer] }] })]],
  ['a block of addresses', false, [policy('server', { ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }] })]],
  ['a second policy', true, [policy('server', {}), policy('server', { ingress: [{}] })]],
  [
    'pods of another namespace',
    false,
    [policy('server', { ingress: [{ from: [{ namespaceSelector: { matchLabels: { a: 'b' } } }] }] })],
  ],
])('with %s, a connection is permitted: %s', (_, expected, policies) => {
  expect(permitsConnection([pod('client'), pod('server'), ...policies], from, to, 8080)).toBe(expected);
});

test('pods without a policy and unknown ports are problems', () => {
  const manifests = [
    pod('client'),
    pod('server'),
    policy('client', {}),
    policy('server', { ingress: [{ ports: [{ port: 'grpc', protocol: 'TCP' }] }] }, ['Ingress']),
  ];

  expect(listNetworkProblems(manifests)).toStrictEqual([
    'Deployment server: no NetworkPolicy restricts its egress',
    'NetworkPolicy server: its pods have no port grpc',
  ]);
});
