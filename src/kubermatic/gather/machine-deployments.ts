import { create } from '@bufbuild/protobuf';
import { type MachineDeployment, MachineDeploymentSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubeClient } from '../../kubernetes/client.ts';
import { countAt, pick, textAt } from '../../kubernetes/json.ts';
import { versionOf, wordOf } from '../../report/kubermatic-enums.ts';
import { listCustomResources } from './custom-resources.ts';

/** Where Kubermatic keeps them, in each user cluster. */
const PATH = '/apis/cluster.k8s.io/v1alpha1/namespaces/kube-system/machinedeployments';

/** How many machines Kubernetes means where nothing is said. */
const DEFAULT_REPLICAS = 1;

/** The groups of machines of a user cluster. Their schema promises nothing, so each thing may be missing. */
export function listMachineDeployments(cluster: KubeClient): Promise<readonly MachineDeployment[]> {
  return listCustomResources(cluster, PATH, (object) => {
    const template = pick(object, 'spec', 'template', 'spec');
    const system = textAt(template, 'providerSpec', 'value', 'operatingSystem');
    const kubeletVersion = versionOf(textAt(template, 'versions', 'kubelet'));
    return create(MachineDeploymentSchema, {
      ...(system === undefined ? {} : { os: wordOf('operatingSystem', system) ?? 'unknown' }),
      kubeletVersion,
      numberOfReplicas: countAt(object, 'spec', 'replicas') ?? DEFAULT_REPLICAS,
    });
  });
}
