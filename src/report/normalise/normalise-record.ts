import type { Cluster, Record as KubermaticRecord } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { plainVersionOf, providerOf, regionOf, versionOf, wordOf } from '../kubermatic-enums.ts';
import { normaliseKubernetesVersion } from './kubernetes-version.ts';
import { normaliseNodes, type NormaliseOptions } from './normalise-report.ts';

/**
 * Gives the values of a Kubermatic record of an old client the forms that this project's agent writes: those of nodes, versions, words of
 * Kubermatic's enums, and published regions. Any other text is removed. Changes the record.
 */
export function normaliseKubermaticRecord(record: KubermaticRecord, options?: NormaliseOptions): void {
  normaliseNodes(record.nodes, options);
  if (record.kubernetesVersion !== undefined)
    record.kubernetesVersion = normaliseKubernetesVersion(record.kubernetesVersion);
  record.kubermaticVersion = versionOf(record.kubermaticVersion);
  record.kubermaticEdition = wordOf('edition', record.kubermaticEdition);
  for (const seed of record.seeds) {
    seed.exposeStrategy = wordOf('exposeStrategy', seed.exposeStrategy);
    for (const datacenter of seed.datacenters) {
      datacenter.provider = knownProvider(datacenter.provider);
      datacenter.region = regionOf(datacenter.provider, datacenter.region);
    }
  }
  for (const cluster of record.clusters) normaliseCluster(cluster);
  for (const machines of record.machineDeployments) {
    machines.os = machines.os === undefined ? undefined : (wordOf('operatingSystem', machines.os) ?? 'unknown');
    machines.kubeletVersion = versionOf(machines.kubeletVersion);
  }
}

function normaliseCluster(cluster: Cluster): void {
  const { cniPlugin, cloud, clusterNetwork } = cluster;
  cluster.exposeStrategy = wordOf('exposeStrategy', cluster.exposeStrategy);
  cluster.kubernetesServerVersion = plainVersionOf(cluster.kubernetesServerVersion);
  cluster.kubermaticVersion = versionOf(cluster.kubermaticVersion);
  cluster.containerRuntime = wordOf('containerRuntime', cluster.containerRuntime);
  if (cniPlugin !== undefined) {
    cniPlugin.type = wordOf('cniPlugin', cniPlugin.type);
    cniPlugin.version = versionOf(cniPlugin.version);
  }
  if (cloud !== undefined) cloud.providerName = knownProvider(cloud.providerName);
  if (clusterNetwork !== undefined) clusterNetwork.ipFamily = wordOf('ipFamily', clusterNetwork.ipFamily);
}

function knownProvider(provider: string | undefined): string | undefined {
  return provider === undefined ? undefined : providerOf([provider]);
}
