import type { Record as KubermaticRecord } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { UuidMaker } from '../../report/ids.ts';
import type { MissingFields } from '../../volunteer/gather/missing-fields.ts';
import { readVersion } from '../../volunteer/gather/version.ts';
import { gatherClusters } from './gather-clusters.ts';
import { type KubermaticConfiguration, listConfigurations } from './kubermatic-configuration.ts';
import { gatherProjects } from './projects.ts';
import { beginRecord, type RecordIdConfig, type RecordOptions } from './record.ts';
import { listSeeds } from './seeds.ts';
import { gatherSshKeys } from './ssh-keys.ts';
import { gatherUsers } from './users.ts';

/** The lists that a record has only if they are named; it always has their counts. */
export const OPTIONAL_LISTS = ['users', 'projects', 'ssh-keys'] as const;

export type OptionalList = (typeof OPTIONAL_LISTS)[number];

export interface KubermaticGatherConfig extends RecordIdConfig {
  readonly collect?: readonly OptionalList[];
  readonly country: boolean;
  readonly machineDeployments: boolean;
}

/**
 * Makes the record of an installation of Kubermatic from its master cluster and seeds. Objects of which no field was agreed to are not read,
 * and fields that cannot be read are recorded as missing.
 * Rejects with a SpartakusError where the key of ids or all of Kubermatic's fields cannot be read, and for rejected credentials.
 */
export async function gatherKubermaticRecord(
  config: KubermaticGatherConfig,
  options: RecordOptions,
): Promise<KubermaticRecord> {
  const { kube } = options;
  const { record, selection, missing, uuidOf } = await beginRecord('kubermatic', config, options);
  const attempt = <Value>(what: string, read: () => Promise<Value>): Promise<Value | undefined> =>
    missing.attempt(what, 'all-but-unauthenticated', read);
  const isCollected = (list: OptionalList): boolean => config.collect?.includes(list) === true;
  const withProjects = isCollected('projects');
  /** Adds the fields of one request, which are missing together. */
  const addFields = async (
    name: OptionalList,
    list: string,
    counts: readonly string[],
    read: (uuid: UuidMaker | undefined) => Promise<Partial<KubermaticRecord>>,
  ): Promise<void> => {
    const fields = (isCollected(name) ? [...counts, list] : counts).filter((field) => selection.has(field));
    if (fields.length === 0) return;
    const reading = read(isCollected(name) ? uuidOf : undefined);
    for (const what of fields) Object.assign(record, await attempt(what, () => reading));
  };

  const configuration = await gatherConfiguration(listConfigurations(kube), missing);
  record.kubermaticEdition = configuration?.edition;
  record.kubermaticVersion = configuration?.version;
  const { exposeStrategy } = configuration ?? {};
  const seedOptions = { exposeStrategy, withCountry: config.country };
  const seeds = (await attempt('seeds[]', () => listSeeds(kube, uuidOf, seedOptions))) ?? [];
  record.seeds = seeds.map(({ message }) => message);
  const withMachineDeployments = config.machineDeployments && selection.has('machineDeployments[]');
  const clusterOptions = { missing, uuidOf, withMachineDeployments, withProjects };
  const clusters = await gatherClusters(seeds, { ...options, ...clusterOptions });
  record.clusters = clusters.map(({ cluster }) => cluster.message);
  record.machineDeployments = clusters.flatMap(({ machineDeployments }) => machineDeployments);
  await addFields('users', 'users[]', ['userCount', 'administratorCount'], (uuid) => gatherUsers(kube, uuid));
  await addFields('projects', 'projects[]', ['projectCount'], (uuid) => gatherProjects(kube, uuid));
  await addFields('ssh-keys', 'sshKeys[]', ['sshKeyCount', 'projectSshKeyCount'], (uuid) =>
    gatherSshKeys(kube, uuid, withProjects),
  );
  missing.throwIfAllFailed();
  // After that check, because every account may read it, with or without Kubermatic.
  record.kubernetesVersion = await attempt('kubernetesVersion', () => readVersion(kube));
  record.missing = missing.list;
  selection.trim(record);
  sortLists(record);
  return record;
}

/**
 * Sorts objects by their UUIDs and machine deployments by their content, because the order in which Kubernetes lists them is that of their
 * names.
 */
function sortLists(record: KubermaticRecord): void {
  const sort = <Item>(items: Item[], keyOf: (item: Item) => string): void => {
    items.sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
  };
  const { seeds, clusters, users, projects, sshKeys } = record;
  const datacenters = seeds.map((seed) => seed.datacenters);
  for (const list of [seeds, ...datacenters, clusters, users, projects, sshKeys])
    sort<{ uuid: string }>(list, ({ uuid }) => uuid);
  sort(record.machineDeployments, (machines) => JSON.stringify(machines));
}

/** Undefined, and recorded, where there is not exactly one configuration. */
async function gatherConfiguration(
  reading: Promise<readonly KubermaticConfiguration[]>,
  missing: MissingFields,
): Promise<KubermaticConfiguration | undefined> {
  let configuration: KubermaticConfiguration | undefined;
  for (const what of ['kubermaticEdition', 'kubermaticVersion']) {
    const found = await missing.attempt(what, 'all-but-unauthenticated', () => reading);
    if (found?.length === 1) [configuration] = found;
    else if (found !== undefined) {
      const problem = `there are ${found.length} KubermaticConfigurations in the namespace kubermatic`;
      const message = `${what} is left out: ${problem}, where Kubermatic needs one.`;
      missing.add(what, found.length === 0 ? 'not installed' : 'ambiguous', message);
    }
  }
  return configuration;
}
