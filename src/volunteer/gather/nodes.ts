import { type Node as KubeNode, NodeListSchema } from '../../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import type { Node } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { KubeClient } from '../../kubernetes/client.ts';
import { listPages, protobufPages } from '../../kubernetes/pages.ts';
import { PROTOBUF_TYPE } from '../../kubernetes/response.ts';
import { assembleNode } from '../../report/assemble.ts';
import { cloudProviderOf } from '../../report/cloud-provider.ts';
import type { NodeIdentifier } from '../../report/ids.ts';

/** Enough that round trips cost little, and few enough that a page of large nodes stays small in memory. */
const PAGE_SIZE = 100;

export interface NodesOptions {
  /** Makes the ids. */
  readonly identify: NodeIdentifier;
  /** Nodes a request. */
  readonly pageSize?: number;
}

/** The nodes of the cluster, anonymous, in the order of the Kubernetes API. */
export function listNodes(
  kube: KubeClient,
  { identify, pageSize = PAGE_SIZE }: NodesOptions,
): Promise<readonly Node[]> {
  return listPages(
    kube,
    { path: '/api/v1/nodes', accept: PROTOBUF_TYPE, read: protobufPages(NodeListSchema), pageSize },
    (): Node[] => [],
    (nodes, node) => void nodes.push(convert(identify, node)),
  );
}

function convert(identify: NodeIdentifier, node: KubeNode): Node {
  const info = node.status?.nodeInfo;
  return assembleNode({
    id: identify({
      name: node.metadata?.name ?? '',
      machineId: info?.machineId ?? '',
      systemUuid: info?.systemUuid ?? '',
    }),
    operatingSystem: info?.operatingSystem,
    osImage: info?.osImage,
    kernelVersion: info?.kernelVersion,
    architecture: info?.architecture,
    containerRuntimeVersion: info?.containerRuntimeVersion,
    kubeletVersion: info?.kubeletVersion,
    cloudProvider: cloudProviderOf(node.spec?.providerId ?? ''),
    capacity: Object.entries(node.status?.capacity ?? {}).map(([resource, amount]) => ({
      resource,
      value: amount.string,
    })),
  });
}
