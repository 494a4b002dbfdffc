import { type Node as KubernetesNode, NodeListSchema } from '../../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import type { Node } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { listPages, protobufPages } from '../../kubernetes/pagination.ts';
import { PROTOBUF_TYPE } from '../../kubernetes/response.ts';
import { assembleNode } from '../../report/assemble.ts';
import type { NodeIdentifier } from '../../report/ids.ts';
import { normaliseCloudProvider } from '../../report/normalise/cloud-provider.ts';
import type { NormaliseOptions } from '../../report/normalise/normalise-report.ts';
import type { Gatherer } from './gatherer.ts';

const PAGE_SIZE = 100;

export const nodesGatherer: Gatherer = {
  path: 'nodes[]',
  tolerance: 'forbidden',
  gather: async (report, { kube, identify, pageSize, exactQuantities }) => {
    report.nodes = await listNodes(kube, identify, { pageSize, exactQuantities });
  },
};

export interface NodeOptions extends NormaliseOptions {
  /** Nodes per request. */
  readonly pageSize?: number;
}

/** Lists the nodes in the order of the Kubernetes API, without names and other identifying data. */
export function listNodes(
  kube: KubernetesClient,
  identify: NodeIdentifier,
  { pageSize = PAGE_SIZE, ...options }: NodeOptions = {},
): Promise<Node[]> {
  return listPages(
    kube,
    { path: '/api/v1/nodes', accept: PROTOBUF_TYPE, read: protobufPages(NodeListSchema), pageSize },
    (): Node[] => [],
    (nodes, node) => void nodes.push(convert(node, identify, options)),
  );
}

function convert(
  { metadata, spec, status }: KubernetesNode,
  identify: NodeIdentifier,
  options: NormaliseOptions,
): Node {
  const info = status?.nodeInfo;
  const facts = {
    id: identify({ name: metadata?.name ?? '', machineId: info?.machineId ?? '', systemUuid: info?.systemUuid ?? '' }),
    operatingSystem: info?.operatingSystem,
    osImage: info?.osImage,
    kernelVersion: info?.kernelVersion,
    architecture: info?.architecture,
    containerRuntimeVersion: info?.containerRuntimeVersion,
    kubeletVersion: info?.kubeletVersion,
    cloudProvider: normaliseCloudProvider(spec?.providerId ?? ''),
    capacity: Object.entries(status?.capacity ?? {}).map(([resource, { string: value }]) => ({ resource, value })),
  };
  return assembleNode(facts, options);
}
