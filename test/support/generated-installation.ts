import { createDice } from './dice.ts';
import type { InstallationObjects } from './kubermatic-installation.ts';

export interface InstallationSize {
  readonly clusters: number;
  readonly users: number;
}

/** The seed that is the master cluster itself. */
export const HOME_SEED = 'seed-frankfurt';

/** The three seeds, each with its datacenters: name, provider and provider spec. */
const SEEDS = [
  [
    HOME_SEED,
    [
      ['fra-aws', 'aws', { region: 'eu-central-1' }],
      ['fsn-hetzner', 'hetzner', { datacenter: 'fsn1-dc14', location: 'fsn1' }],
    ],
  ],
  [
    'seed-ashburn',
    [
      ['iad-gcp', 'gcp', { region: 'us-east4' }],
      ['iad-metal', 'bringyourown', {}],
    ],
  ],
  ['seed-berlin', [['ber-openstack', 'openstack', { region: 'basement', authURL: 'https://keystone.example.com' }]]],
] as const;

const VERSIONS = ['1.31.4', 'v1.30.9', '1.29'];

/** Generates an installation of three seeds, the same in every run. Private values begin with "planted-". */
export function generateInstallation({ clusters, users }: InstallationSize): InstallationObjects {
  const dice = createDice(6);
  const roll = (below: number): number => Math.floor(dice() * below);
  const pickOne = <Item>(items: readonly Item[]): Item => items[roll(items.length)] as Item;
  const projects = Array.from({ length: 10 }, (_, index) => `project${index}`);
  const datacenters = SEEDS.flatMap(([seed, list]) =>
    list.map(([name, provider]) => ({ seed: seed as string, name: name as string, provider: provider as string })),
  );
  const placed = Array.from({ length: clusters }, (_, index) => ({ index, ...pickOne(datacenters) }));
  const clusterOf = ({ index, name: dc, provider }: (typeof placed)[number]) => ({
    metadata: {
      name: `cluster${index}`,
      labels: { 'project-id': pickOne(projects), 'planted-label': 'planted-value' },
    },
    spec: {
      humanReadableName: `planted-${index}`,
      version: VERSIONS[index % VERSIONS.length],
      exposeStrategy: 'NodePort',
      containerRuntime: 'containerd',
      cniPlugin: { type: 'cilium', version: '1.16.9' },
      cloud: { dc, providerName: provider, [provider]: { token: 'planted-token' } },
      componentsOverride: { etcd: { clusterSize: 3 } },
      opaIntegration: { enabled: index % 4 === 0 },
      mla: { monitoringEnabled: index % 10 === 1, loggingEnabled: index % 10 === 1 },
    },
    status: { namespaceName: `cluster-cluster${index}`, address: { adminToken: 'planted-admin' } },
  });
  return {
    configurations: [
      {
        metadata: { name: 'kubermatic', namespace: 'kubermatic' },
        status: { kubermaticEdition: 'EE', kubermaticVersion: 'v2.28.0' },
      },
    ],
    seeds: SEEDS.map(([name, list]) => ({
      metadata: { name, namespace: 'kubermatic' },
      spec: {
        country: 'DE',
        location: 'planted-place',
        kubeconfig: { name: `kubeconfig-${name}` },
        datacenters: Object.fromEntries(
          list.map(([dc, provider, spec]) => [dc, { location: 'planted-place', spec: { [provider]: spec } }]),
        ),
      },
      status: { versions: { kubermatic: 'v2.28.0' } },
    })),
    projects: projects.map((name) => ({ metadata: { name }, spec: { name: 'planted-project' } })),
    users: Array.from({ length: users }, (_, index) => ({
      metadata: { name: `user${index}` },
      spec: { email: `planted-${index}@example.com`, admin: index < 3 },
    })),
    sshKeys: Array.from({ length: 20 }, (_, index) => ({
      metadata: { name: `key-${index}`, ownerReferences: [{ kind: 'Project', name: pickOne(projects) }] },
      spec: { publicKey: 'planted-key', clusters: [`cluster${roll(clusters)}`] },
    })),
    clusters: Object.fromEntries(
      SEEDS.map(([name]) => [name, placed.filter(({ seed }) => seed === name).map(clusterOf)]),
    ),
    machineDeployments: Object.fromEntries(
      placed.map(({ index }) => [
        `cluster${index}`,
        [
          {
            spec: {
              replicas: 3,
              template: {
                spec: {
                  versions: { kubelet: '1.31.4' },
                  providerSpec: { value: { operatingSystem: 'ubuntu', network: 'planted-network' } },
                },
              },
            },
          },
        ],
      ]),
    ),
  };
}
