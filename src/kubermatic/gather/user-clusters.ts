import { create } from '@bufbuild/protobuf';
import { type Cluster, ClusterSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { countAt, flagAt, pick, textAt } from '../../kubernetes/json.ts';
import type { UuidMaker } from '../../report/ids.ts';
import { plainVersionOf, providerOf, versionOf, wordOf } from '../../report/kubermatic-enums.ts';
import { listKubermaticObjects } from './custom-resources.ts';
import { keysOf } from './seeds.ts';

/** The condition with the version of Kubermatic that last reconciled a cluster. */
const RECONCILED = 'ClusterControllerReconciledSuccessfully';

/** Only the message is sent. */
export interface ListedCluster {
  readonly name: string;
  /** Without the seed. */
  readonly message: Cluster;
  readonly datacenter: string | undefined;
  /** Of its control plane in the seed. */
  readonly namespace: string;
}

/**
 * Lists the user clusters of a seed, including those that are paused or being deleted.
 *
 * @param withProjects whether they name their projects
 */
export function listUserClusters(
  seed: KubernetesClient,
  uuidOf: UuidMaker,
  withProjects: boolean,
): Promise<readonly ListedCluster[]> {
  return listKubermaticObjects(seed, 'clusters', (object, name) => ({
    name,
    message: convert(name, object, uuidOf, withProjects),
    datacenter: textAt(object, 'spec', 'cloud', 'dc'),
    namespace: textAt(object, 'status', 'namespaceName') ?? `cluster-${name}`,
  }));
}

function convert(name: string, object: unknown, uuidOf: UuidMaker, withProjects: boolean): Cluster {
  const spec = pick(object, 'spec');
  const project = withProjects ? textAt(object, 'metadata', 'labels', 'project-id') : undefined;
  const datacenter = textAt(spec, 'cloud', 'dc');
  return create(ClusterSchema, {
    uuid: uuidOf('cluster', name),
    projectUuid: project === undefined ? undefined : uuidOf('project', project),
    cniPlugin: {
      type: wordOf('cniPlugin', textAt(spec, 'cniPlugin', 'type')) ?? '',
      version: versionOf(textAt(spec, 'cniPlugin', 'version')) ?? '',
    },
    exposeStrategy: wordOf('exposeStrategy', textAt(spec, 'exposeStrategy')),
    etcdClusterSize: countAt(spec, 'componentsOverride', 'etcd', 'clusterSize'),
    kubernetesServerVersion: plainVersionOf(textAt(spec, 'version')),
    kubermaticVersion: versionOf(textAt(object, 'status', 'conditions', RECONCILED, 'kubermaticVersion')),
    containerRuntime: wordOf('containerRuntime', textAt(spec, 'containerRuntime')),
    cloud: {
      providerName: providerOf(keysOf(pick(spec, 'cloud')), textAt(spec, 'cloud', 'providerName')),
      datacenterUuid: datacenter === undefined ? undefined : uuidOf('datacenter', datacenter),
    },
    opaIntegrationEnabled: flagAt(spec, 'opaIntegration', 'enabled') ?? false,
    clusterNetwork: {
      ipFamily: wordOf('ipFamily', textAt(spec, 'clusterNetwork', 'ipFamily')),
      konnectivityEnabled: flagAt(spec, 'clusterNetwork', 'konnectivityEnabled'),
    },
    mla: {
      monitoringEnabled: flagAt(spec, 'mla', 'monitoringEnabled') ?? false,
      loggingEnabled: flagAt(spec, 'mla', 'loggingEnabled') ?? false,
    },
    // Kubermatic's default is true; its own agent sends false there.
    userSshKeyAgentEnabled: flagAt(spec, 'enableUserSSHKeyAgent') ?? true,
  });
}
