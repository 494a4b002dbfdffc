import type { Record as KubermaticRecord } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { MissingFields } from '../../volunteer/gather/missing-fields.ts';
import { readVersion } from '../../volunteer/gather/version.ts';
import { gatherClusters } from './gather-clusters.ts';
import { type KubermaticConfiguration, listConfigurations } from './kubermatic-configuration.ts';
import { listProjects } from './projects.ts';
import { beginRecord, type RecordIdConfig, type RecordOptions } from './record.ts';
import { listSeeds } from './seeds.ts';
import { listSshKeys } from './ssh-keys.ts';
import { listUsers } from './users.ts';

export interface KubermaticGatherConfig extends RecordIdConfig {
  readonly machineDeployments: boolean;
}

/**
 * Makes the record of an installation of Kubermatic from its master cluster and seeds. Fields that cannot be read are recorded as missing.
 * Rejects with a SpartakusError where the key of ids or all of Kubermatic's fields cannot be read, and for rejected credentials.
 */
export async function gatherKubermaticRecord(
  config: KubermaticGatherConfig,
  options: RecordOptions,
): Promise<KubermaticRecord> {
  const { kube } = options;
  const { record, missing, uuidOf } = await beginRecord('kubermatic', config, options);
  const attempt = <Value>(what: string, read: () => Promise<Value>): Promise<Value | undefined> =>
    missing.attempt(what, 'all-but-unauthenticated', read);

  const configuration = await gatherConfiguration(listConfigurations(kube), missing);
  record.kubermaticEdition = configuration?.edition;
  record.kubermaticVersion = configuration?.version;
  const seeds = (await attempt('seeds[]', () => listSeeds(kube, uuidOf, configuration?.exposeStrategy))) ?? [];
  record.seeds = seeds.map(({ message }) => message);
  const clusters = await gatherClusters(seeds, config.machineDeployments, { ...options, missing, uuidOf });
  record.clusters = clusters.map(({ cluster }) => cluster.message);
  record.machineDeployments = clusters.flatMap(({ machineDeployments }) => machineDeployments);
  record.users = (await attempt('users[]', () => listUsers(kube, uuidOf))) ?? [];
  record.projects = (await attempt('projects[]', () => listProjects(kube, uuidOf))) ?? [];
  record.sshKeys = (await attempt('sshKeys[]', () => listSshKeys(kube, uuidOf))) ?? [];
  missing.throwIfAllFailed();
  // After that check, because every account may read it, with or without Kubermatic.
  record.kubernetesVersion = await attempt('kubernetesVersion', () => readVersion(kube));
  record.missing = missing.list;
  return record;
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
