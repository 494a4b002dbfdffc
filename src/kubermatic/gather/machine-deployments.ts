import { create } from '@bufbuild/protobuf';
import { type MachineDeployment, MachineDeploymentSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { countAt, pick, textAt } from '../../kubernetes/json.ts';
import { versionOf, wordOf } from '../../report/kubermatic-enums.ts';
import { listCustomResources } from './custom-resources.ts';

const PATH = '/apis/cluster.k8s.io/v1alpha1/namespaces/kube-system/machinedeployments';

const DEFAULT_REPLICAS = 1;

export function listMachineDeployments(cluster: KubernetesClient): Promise<readonly MachineDeployment[]> {
  return listCustomResources(cluster, PATH, (object) => {
    const template = pick(object, 'spec', 'template', 'spec');
    const system = textAt(template, 'providerSpec', 'value', 'operatingSystem');
    return [
      create(MachineDeploymentSchema, {
        os: system === undefined ? undefined : (wordOf('operatingSystem', system) ?? 'unknown'),
        kubeletVersion: versionOf(textAt(template, 'versions', 'kubelet')),
        numberOfReplicas: countAt(object, 'spec', 'replicas') ?? DEFAULT_REPLICAS,
      }),
    ];
  });
}
