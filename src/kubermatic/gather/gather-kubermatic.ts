import type { MachineDeployment, Record as KubermaticRecord } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubeClient } from '../../kubernetes/client.ts';
import type { UuidMaker } from '../../report/ids.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import { createMissingRecord, type MissingRecord } from '../../volunteer/gather/missing.ts';
import { readVersion } from '../../volunteer/gather/version.ts';
import { mapConcurrently } from './concurrent.ts';
import { beginRecord, type RecordOptions } from './gather-record.ts';
import { type KubermaticConfiguration, listConfigurations } from './kubermatic-configuration.ts';
import { listMachineDeployments } from './machine-deployments.ts';
import { listProjects } from './projects.ts';
import { createIdentifiers, type RecordKeyConfig } from './record-identifiers.ts';
import { withSecretCluster } from './secret-cluster.ts';
import { type FoundSeed, listSeeds } from './seeds.ts';
import { listSshKeys } from './ssh-keys.ts';
import { type FoundCluster, listUserClusters } from './user-clusters.ts';
import { listUsers } from './users.ts';

export interface KubermaticGatherConfig extends RecordKeyConfig {
  /** --machine-deployments: whether each user cluster is asked for its machines. */
  readonly machineDeployments: boolean;
}

/** How many other clusters are asked at the same time. */
const SEEDS_AT_ONCE = 4;
const USER_CLUSTERS_AT_ONCE = 8;
/** A user cluster may be asleep, or gone: there are many of them, and each is only one. */
const USER_CLUSTER_TIMEOUT_MS = 10_000;
/** Where a seed keeps the kubeconfig of a user cluster, in that cluster's namespace. */
const ADMIN_KUBECONFIG = { name: 'admin-kubeconfig', key: 'kubeconfig' } as const;

/** A gathering under way. */
interface Run {
  readonly options: RecordOptions;
  readonly missing: MissingRecord;
  readonly uuidOf: UuidMaker;
  readonly machineDeployments: boolean;
}

/** A user cluster with its seed and, where they were asked for, its machines. */
interface Gathered {
  readonly cluster: FoundCluster;
  readonly machines: readonly MachineDeployment[];
}

/**
 * The record of an installation of Kubermatic, read in its master cluster and in its seeds.
 *
 * A kind that is not installed, may not be read or cannot be read, and a seed or user cluster that cannot be reached, are recorded, and
 * the rest goes on. Rejects with a SpartakusError where ids cannot be made anonymous, where this cluster does not know who asks, and
 * where nothing of Kubermatic can be read.
 */
export async function gatherKubermaticRecord(
  config: KubermaticGatherConfig,
  options: RecordOptions,
): Promise<KubermaticRecord> {
  const { kube, logger } = options;
  const record = beginRecord('kubermatic', options);
  const missing = createMissingRecord(kube, logger);
  const { uuidOf } = await createIdentifiers(kube, config);
  const run = { options, missing, uuidOf, machineDeployments: config.machineDeployments };

  const configuration = await readConfiguration(run);
  const seeds =
    (await missing.attempt('seeds[]', 'little', () =>
      listSeeds(kube, { uuidOf, exposeStrategy: configuration?.exposeStrategy }),
    )) ?? [];
  const gathered = await gatherClusters(run, seeds);
  const users = await missing.attempt('users[]', 'little', () => listUsers(kube, uuidOf));
  const projects = await missing.attempt('projects[]', 'little', () => listProjects(kube, uuidOf));
  const sshKeys = await missing.attempt('sshKeys[]', 'little', () => listSshKeys(kube, uuidOf));
  const failure = missing.totalFailure();
  if (failure !== undefined) throw failure;
  // Last, for every account may read it: that it can be read says nothing of Kubermatic.
  const version = await missing.attempt('kubernetesVersion', 'little', () => readVersion(kube));

  if (version !== undefined && version !== '') record.kubernetesVersion = version;
  if (configuration?.edition !== undefined) record.kubermaticEdition = configuration.edition;
  if (configuration?.version !== undefined) record.kubermaticVersion = configuration.version;
  record.seeds = seeds.map(({ message }) => message);
  record.clusters = gathered.map(({ cluster }) => cluster.message);
  record.machineDeployments = gathered.flatMap(({ machines }) => machines);
  record.users = [...(users ?? [])];
  record.projects = [...(projects ?? [])];
  record.sshKeys = [...(sshKeys ?? [])];
  record.missing = [...missing.missing];
  return record;
}

/** The one configuration. None is of a Kubermatic that is not installed, and of two nobody knows which counts. */
async function readConfiguration({ options: { kube }, missing }: Run): Promise<KubermaticConfiguration | undefined> {
  const read = listConfigurations(kube);
  let configuration: KubermaticConfiguration | undefined;
  for (const what of ['kubermaticEdition', 'kubermaticVersion']) {
    const found = await missing.attempt(what, 'little', () => read);
    if (found === undefined) continue;
    if (found.length === 1) [configuration] = found;
    else {
      const reason = found.length === 0 ? 'not installed' : 'ambiguous';
      missing.add(
        what,
        reason,
        `The record goes without ${what}: there are ${found.length} KubermaticConfigurations in the namespace kubermatic, and Kubermatic has one.`,
      );
    }
  }
  return configuration;
}

/**
 * The user clusters of all seeds. Those that are in this cluster are of the seed that it is itself: the one with their datacenter, whose
 * kubeconfig is not needed then. Every other seed is asked with its kubeconfig.
 */
async function gatherClusters(run: Run, seeds: readonly FoundSeed[]): Promise<readonly Gathered[]> {
  const { kube } = run.options;
  const { missing, uuidOf } = run;
  const here = (await missing.attempt('clusters[]', 'little', () => listUserClusters(kube, uuidOf))) ?? [];
  const seedOf = ({ datacenter }: FoundCluster): FoundSeed | undefined =>
    seeds.find(({ datacenters }) => datacenters.has(datacenter ?? ''));
  const seedsHere = new Set(here.flatMap((cluster) => seedOf(cluster) ?? []));
  // Datacenters can be gone: where there is one seed in all, it is that one.
  const [first] = seeds;
  if (here.length > 0 && seedsHere.size === 0 && seeds.length === 1 && first !== undefined) seedsHere.add(first);
  const [only] = seedsHere.size === 1 ? seedsHere : [];
  for (const cluster of here) {
    const seed = seedOf(cluster) ?? only;
    if (seed !== undefined) assign(cluster, seed);
  }
  const gatheredHere = await withMachines(run, kube, here);
  const elsewhere = seeds.filter((seed) => !seedsHere.has(seed));
  const gatheredElsewhere = await mapConcurrently(elsewhere, SEEDS_AT_ONCE, (seed) => gatherSeed(run, seed));
  return withoutRepeats([...gatheredHere, ...gatheredElsewhere.flat()]);
}

async function gatherSeed(run: Run, seed: FoundSeed): Promise<readonly Gathered[]> {
  const { options, missing, uuidOf } = run;
  const gathered = await missing.attempt('clusters[]', 'nothing', async () => {
    if (seed.kubeconfig === undefined)
      throw new SpartakusError('invalid', 'A Seed names no Secret with its kubeconfig (.spec.kubeconfig).');
    return await withSecretCluster(options.kube, seed.kubeconfig, options, async (cluster) => {
      const clusters = await listUserClusters(cluster, uuidOf);
      for (const each of clusters) assign(each, seed);
      return await withMachines(run, cluster, clusters);
    });
  });
  return gathered ?? [];
}

function assign({ message }: FoundCluster, { message: { uuid }, kubermaticVersion }: FoundSeed): void {
  message.seedUuid = uuid;
  if (message.kubermaticVersion === undefined && kubermaticVersion !== undefined)
    message.kubermaticVersion = kubermaticVersion;
}

/** The machines of each cluster of a seed, where they were asked for. */
async function withMachines(
  run: Run,
  seed: KubeClient,
  clusters: readonly FoundCluster[],
): Promise<readonly Gathered[]> {
  const { options, missing, machineDeployments } = run;
  if (!machineDeployments) return clusters.map((cluster) => ({ cluster, machines: [] }));
  return await mapConcurrently(clusters, USER_CLUSTERS_AT_ONCE, async (cluster) => {
    const secret = { ...ADMIN_KUBECONFIG, namespace: cluster.namespace };
    const limits = { ...options, timeoutMs: USER_CLUSTER_TIMEOUT_MS };
    const machines = await missing.attempt('machineDeployments[]', 'nothing', () =>
      withSecretCluster(seed, secret, limits, listMachineDeployments),
    );
    return { cluster, machines: machines ?? [] };
  });
}

/** Two seeds in one cluster, which Kubermatic rules out, are asked for the same user clusters. */
function withoutRepeats(gathered: readonly Gathered[]): readonly Gathered[] {
  const names = new Set<string>();
  return gathered.filter(({ cluster: { name } }) => {
    const isNew = !names.has(name);
    names.add(name);
    return isNew;
  });
}
