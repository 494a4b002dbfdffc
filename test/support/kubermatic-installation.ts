import { type FakeResponse, type KubeApi, type KubeApiOptions, readFixture, startKubeApi } from './kube-api.ts';

/** The custom resources of an installation of Kubermatic. */
export interface InstallationObjects {
  readonly configurations: readonly object[];
  readonly seeds: readonly SeedObject[];
  readonly projects: readonly object[];
  readonly users: readonly object[];
  readonly sshKeys: readonly object[];
  /** By the name of their seed. */
  readonly clusters: Readonly<Record<string, readonly ClusterObject[]>>;
  /** By the name of their user cluster. */
  readonly machineDeployments: Readonly<Record<string, readonly object[]>>;
}

export interface SeedObject {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: {
    readonly kubeconfig: { readonly name: string; readonly namespace?: string; readonly fieldPath?: string };
  };
}

export interface ClusterObject {
  readonly metadata: { readonly name: string };
}

export interface InstallationOptions {
  /** The seed that is the master cluster itself. */
  readonly home?: string;
  /** Options of the master cluster's API server. */
  readonly master?: Pick<KubeApiOptions, 'authorize' | 'forbidden' | 'lists' | 'responses' | 'secrets'>;
  /** Changes the kubeconfig of a seed. */
  readonly kubeconfigOf?: (seed: string, kubeconfig: Kubeconfig) => unknown;
}

export interface Kubeconfig {
  readonly clusters: readonly { readonly name: string; readonly cluster: Record<string, unknown> }[];
  readonly users: readonly { readonly name: string; readonly user: Record<string, unknown> }[];
  readonly contexts: readonly object[];
  readonly 'current-context': string;
}

/** The API servers of an installation, each with its own token. */
export interface Installation {
  readonly master: KubeApi;
  /** By name, without the one that is the master cluster. */
  readonly seeds: Readonly<Record<string, KubeApi>>;
  /** The API server of all user clusters, each below its own path. */
  readonly userClusters: KubeApi;
  close(): Promise<void>;
}

const KUBERMATIC = '/apis/kubermatic.k8c.io/v1';

/** Reads the items of a list in test/fixtures/kubermatic. */
export async function readObjects<Item extends object = object>(name: string): Promise<readonly Item[]> {
  return (JSON.parse((await readFixture(`kubermatic/${name}.json`)).toString()) as { readonly items: readonly Item[] })
    .items;
}

/** The installation of test/fixtures/kubermatic. */
export async function readSampleObjects(): Promise<InstallationObjects> {
  const seeds = await readObjects<SeedObject>('seeds');
  const clusters = Object.fromEntries(
    await Promise.all(
      seeds.map(
        async ({ metadata: { name } }) => [name, await readObjects<ClusterObject>(`clusters-${name}`)] as const,
      ),
    ),
  );
  const names = Object.values(clusters).flatMap((list) => list.map(({ metadata: { name } }) => name));
  return {
    configurations: await readObjects('kubermaticconfigurations'),
    seeds,
    projects: await readObjects('projects'),
    users: await readObjects('users'),
    sshKeys: await readObjects('usersshkeys'),
    clusters,
    machineDeployments: Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await readObjects(`machinedeployments-${name}`)] as const)),
    ),
  };
}

export async function startInstallation(
  objects: InstallationObjects,
  options: InstallationOptions = {},
): Promise<Installation> {
  const { home, kubeconfigOf = (_seed, kubeconfig) => kubeconfig } = options;
  const authority = (await readFixture('tls/ca.crt')).toString('base64');
  const kubeconfigFor = (server: string, token: string): Kubeconfig => ({
    clusters: [{ name: 'c', cluster: { server, 'certificate-authority-data': authority } }],
    users: [{ name: 'u', user: { token } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  });
  const machineLists = Object.entries(objects.machineDeployments).map(
    ([name, list]) =>
      [`/${name}/apis/cluster.k8s.io/v1alpha1/namespaces/kube-system/machinedeployments`, list] as const,
  );
  const userClusters = await startKubeApi({ token: 'user-cluster-token', lists: Object.fromEntries(machineLists) });
  const adminSecrets = (seed: string): Record<string, FakeResponse> =>
    Object.fromEntries(
      (objects.clusters[seed] ?? []).map(({ metadata: { name } }) => [
        `/api/v1/namespaces/cluster-${name}/secrets/admin-kubeconfig`,
        secretResponse('kubeconfig', kubeconfigFor(`${userClusters.url}/${name}`, 'user-cluster-token')),
      ]),
    );
  const seeds: Record<string, KubeApi> = {};
  const kubeconfigs: Record<string, FakeResponse> = {};
  for (const { metadata, spec } of objects.seeds) {
    const { name } = metadata;
    if (name === home) continue;
    const seed = await startKubeApi({
      token: `token-${name}`,
      lists: { [`${KUBERMATIC}/clusters`]: objects.clusters[name] ?? [] },
      responses: adminSecrets(name),
    });
    seeds[name] = seed;
    const secret = `/api/v1/namespaces/${spec.kubeconfig.namespace ?? metadata.namespace}/secrets/${spec.kubeconfig.name}`;
    kubeconfigs[secret] = secretResponse(
      spec.kubeconfig.fieldPath ?? 'kubeconfig',
      kubeconfigOf(name, kubeconfigFor(seed.url, `token-${name}`)),
    );
  }
  const master = await startKubeApi({
    ...options.master,
    lists: {
      [`${KUBERMATIC}/namespaces/kubermatic/kubermaticconfigurations`]: objects.configurations,
      [`${KUBERMATIC}/seeds`]: objects.seeds,
      [`${KUBERMATIC}/projects`]: objects.projects,
      [`${KUBERMATIC}/users`]: objects.users,
      [`${KUBERMATIC}/usersshkeys`]: objects.sshKeys,
      [`${KUBERMATIC}/clusters`]: home === undefined ? [] : (objects.clusters[home] ?? []),
      ...options.master?.lists,
    },
    responses: { ...(home === undefined ? {} : adminSecrets(home)), ...kubeconfigs, ...options.master?.responses },
  });
  return {
    master,
    seeds,
    userClusters,
    close: async () => {
      await Promise.all([master, userClusters, ...Object.values(seeds)].map((api) => api.close()));
    },
  };
}

function secretResponse(key: string, kubeconfig: unknown): FakeResponse {
  const text = typeof kubeconfig === 'string' ? kubeconfig : JSON.stringify(kubeconfig);
  const secret = {
    kind: 'Secret',
    apiVersion: 'v1',
    metadata: {},
    data: { [key]: Buffer.from(text).toString('base64') },
  };
  return { status: 200, contentType: 'application/json', body: JSON.stringify(secret) };
}
