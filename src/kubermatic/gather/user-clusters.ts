import { create } from '@bufbuild/protobuf';
import {
  CloudSchema,
  type Cluster,
  ClusterNetworkSchema,
  ClusterSchema,
  CNIPluginSchema,
  MLASettingsSchema,
} from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubeClient } from '../../kubernetes/client.ts';
import { countAt, flagAt, pick, textAt } from '../../kubernetes/json.ts';
import type { UuidMaker } from '../../report/ids.ts';
import { plainVersionOf, providerOf, versionOf, wordOf } from '../../report/kubermatic-enums.ts';
import { KUBERMATIC_API, listCustomResources } from './custom-resources.ts';
import { keysOf } from './seeds.ts';

/** Which KKP last worked on a cluster, in the words of KKP. */
const RECONCILED = 'ClusterControllerReconciledSuccessfully';

/** A user cluster, with what must stay here. */
export interface FoundCluster {
  readonly name: string;
  /** Without the seed, which only who asked it knows. */
  readonly message: Cluster;
  /** The name of its datacenter. */
  readonly datacenter: string | undefined;
  /** Where its control plane is, in the seed. */
  readonly namespace: string;
}

/** The user clusters that a seed runs, those that are paused or being deleted among them, in the order of the Kubernetes API. */
export function listUserClusters(seed: KubeClient, uuidOf: UuidMaker): Promise<readonly FoundCluster[]> {
  return listCustomResources(seed, `${KUBERMATIC_API}/clusters`, (object): FoundCluster | undefined => {
    const name = textAt(object, 'metadata', 'name');
    if (name === undefined) return undefined;
    return {
      name,
      message: convert(name, object, uuidOf),
      datacenter: textAt(object, 'spec', 'cloud', 'dc'),
      namespace: textAt(object, 'status', 'namespaceName') ?? `cluster-${name}`,
    };
  });
}

function convert(name: string, object: unknown, uuidOf: UuidMaker): Cluster {
  const spec = pick(object, 'spec');
  const project = textAt(object, 'metadata', 'labels', 'project-id');
  const exposeStrategy = wordOf('exposeStrategy', textAt(spec, 'exposeStrategy'));
  const etcdClusterSize = countAt(spec, 'componentsOverride', 'etcd', 'clusterSize');
  const kubernetesServerVersion = plainVersionOf(textAt(spec, 'version'));
  const kubermaticVersion = versionOf(textAt(object, 'status', 'conditions', RECONCILED, 'kubermaticVersion'));
  const containerRuntime = wordOf('containerRuntime', textAt(spec, 'containerRuntime'));
  return create(ClusterSchema, {
    uuid: uuidOf('cluster', name),
    ...(project === undefined ? {} : { projectUuid: uuidOf('project', project) }),
    cniPlugin: create(CNIPluginSchema, {
      type: wordOf('cniPlugin', textAt(spec, 'cniPlugin', 'type')) ?? '',
      version: versionOf(textAt(spec, 'cniPlugin', 'version')) ?? '',
    }),
    exposeStrategy,
    etcdClusterSize,
    kubernetesServerVersion,
    kubermaticVersion,
    containerRuntime,
    cloud: convertCloud(spec, uuidOf),
    opaIntegrationEnabled: flagAt(spec, 'opaIntegration', 'enabled') ?? false,
    clusterNetwork: convertNetwork(spec),
    mla: create(MLASettingsSchema, {
      monitoringEnabled: flagAt(spec, 'mla', 'monitoringEnabled') ?? false,
      loggingEnabled: flagAt(spec, 'mla', 'loggingEnabled') ?? false,
    }),
    // Kubermatic keeps keys up to date where nothing is said. Its own agent says false there.
    userSshKeyAgentEnabled: flagAt(spec, 'enableUserSSHKeyAgent') ?? true,
  });
}

function convertCloud(spec: unknown, uuidOf: UuidMaker): Cluster['cloud'] {
  const provider = providerOf(keysOf(pick(spec, 'cloud')), textAt(spec, 'cloud', 'providerName'));
  const datacenter = textAt(spec, 'cloud', 'dc');
  return create(CloudSchema, {
    providerName: provider,
    ...(datacenter === undefined ? {} : { datacenterUuid: uuidOf('datacenter', datacenter) }),
  });
}

function convertNetwork(spec: unknown): Cluster['clusterNetwork'] {
  const ipFamily = wordOf('ipFamily', textAt(spec, 'clusterNetwork', 'ipFamily'));
  const konnectivityEnabled = flagAt(spec, 'clusterNetwork', 'konnectivityEnabled');
  return create(ClusterNetworkSchema, { ipFamily, konnectivityEnabled });
}
