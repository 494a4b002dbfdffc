import type { MachineDeployment } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { createRetryingClient } from '../../kubernetes/retrying-client.ts';
import { systemClock } from '../../runtime/clock.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import { listMachineDeployments } from './machine-deployments.ts';
import { mapConcurrently } from './map-concurrently.ts';
import type { RecordDraft, RecordOptions } from './record.ts';
import { withSecretClient } from './secret-client.ts';
import type { ListedSeed } from './seeds.ts';
import { type ListedCluster, listUserClusters } from './user-clusters.ts';

const CONCURRENT_SEEDS = 4;
const CONCURRENT_USER_CLUSTERS = 8;
/** Short, because a seed that does not respond does not prevent a record. */
const SEED_RETRIES = { totalMs: 60_000, readyMs: 15_000 } as const;
/** Short, because there are many user clusters, some of them paused or deleted. */
const USER_CLUSTER_TIMEOUT_MS = 10_000;
/** In the namespace of each user cluster in its seed. */
const ADMIN_KUBECONFIG = { name: 'admin-kubeconfig', key: 'kubeconfig' } as const;

interface ClusterOptions
  extends
    Pick<RecordOptions, 'kube' | 'clock' | 'logger' | 'randomNumber' | 'signal'>,
    Pick<RecordDraft, 'missing' | 'uuidOf'> {
  readonly withMachineDeployments: boolean;
  /** Whether clusters name their projects. */
  readonly withProjects: boolean;
}

interface GatheredCluster {
  readonly cluster: ListedCluster;
  readonly machineDeployments: readonly MachineDeployment[];
}

/** Gathers the user clusters of all seeds. Where the master cluster is a seed, its user clusters are assigned to seeds by datacenter. */
export async function gatherClusters(
  seeds: readonly ListedSeed[],
  options: ClusterOptions,
): Promise<readonly GatheredCluster[]> {
  const { kube, missing, uuidOf, withMachineDeployments, withProjects } = options;
  const { clock = systemClock, randomNumber: random = Math.random, logger, signal } = options;
  const wrap = (client: KubernetesClient): KubernetesClient =>
    createRetryingClient(client, { clock, random, logger, limits: SEED_RETRIES });
  const gather = (seed: KubernetesClient, clusters: readonly ListedCluster[]): Promise<readonly GatheredCluster[]> =>
    mapConcurrently(clusters, CONCURRENT_USER_CLUSTERS, async (cluster) => ({
      cluster,
      machineDeployments: withMachineDeployments ? await gatherMachineDeployments(seed, cluster, options) : [],
    }));

  const local =
    (await missing.attempt('clusters[]', 'all-but-unauthenticated', () =>
      listUserClusters(kube, uuidOf, withProjects),
    )) ?? [];
  const localSeeds = assignSeeds(local, seeds);
  const gatheredLocal = await gather(kube, local);
  const remoteSeeds = seeds.filter((seed) => !localSeeds.has(seed));
  const gatheredRemote = await mapConcurrently(remoteSeeds, CONCURRENT_SEEDS, (seed) =>
    missing.attempt('clusters[]', 'all', async () => {
      if (seed.kubeconfig === undefined)
        throw new SpartakusError('invalid', 'A Seed names no Secret with its kubeconfig (.spec.kubeconfig).');
      return await withSecretClient(kube, seed.kubeconfig, { clock, signal, wrap }, async (client) => {
        const clusters = await listUserClusters(client, uuidOf, withProjects);
        for (const cluster of clusters) assignSeed(cluster, seed);
        return await gather(client, clusters);
      });
    }),
  );
  return withoutRepeats([...gatheredLocal, ...gatheredRemote.flatMap((clusters) => clusters ?? [])]);
}

/** Assigns the user clusters of the master cluster to seeds, and returns these. */
function assignSeeds(clusters: readonly ListedCluster[], seeds: readonly ListedSeed[]): ReadonlySet<ListedSeed> {
  const seedOf = ({ datacenter }: ListedCluster): ListedSeed | undefined =>
    seeds.find(({ datacenters }) => datacenters.has(datacenter ?? ''));
  const found = new Set(clusters.flatMap((cluster) => seedOf(cluster) ?? []));
  // The datacenters may have been deleted, but a single seed is unambiguous.
  if (clusters.length > 0 && found.size === 0 && seeds.length === 1) for (const seed of seeds) found.add(seed);
  const [only] = found.size === 1 ? found : [];
  for (const cluster of clusters) {
    const seed = seedOf(cluster) ?? only;
    if (seed !== undefined) assignSeed(cluster, seed);
  }
  return found;
}

function assignSeed({ message }: ListedCluster, { message: { uuid }, kubermaticVersion }: ListedSeed): void {
  message.seedUuid = uuid;
  message.kubermaticVersion ??= kubermaticVersion;
}

async function gatherMachineDeployments(
  seed: KubernetesClient,
  { namespace }: ListedCluster,
  { missing, clock, signal }: ClusterOptions,
): Promise<readonly MachineDeployment[]> {
  const limits = { clock, signal, timeoutMs: USER_CLUSTER_TIMEOUT_MS };
  const list = await missing.attempt('machineDeployments[]', 'all', () =>
    withSecretClient(seed, { ...ADMIN_KUBECONFIG, namespace }, limits, listMachineDeployments),
  );
  return list ?? [];
}

/** Removes user clusters that several seeds returned, because they are in one cluster. */
function withoutRepeats(gathered: readonly GatheredCluster[]): readonly GatheredCluster[] {
  const names = new Set<string>();
  return gathered.filter(({ cluster: { name } }) => names.size < names.add(name).size);
}
