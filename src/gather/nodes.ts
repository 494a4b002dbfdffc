import { NodeListSchema } from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import type { Node as KubeNode } from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import type { Node } from '../../gen/spartakus/report/v1/report_pb.js';
import { assembleNode } from '../report/assemble.ts';
import { SpartakusError } from '../report/errors.ts';
import { PROTOBUF_TYPE, readProtobuf } from './kube-answer.ts';
import type { KubeClient } from './kube.ts';

/** Enough that round trips cost little, and few enough that a page of large nodes stays small in memory. */
const PAGE_SIZE = 100;

/** How often a list is begun anew before it is given up; a list expires when it takes longer than etcd's compaction, 5 minutes. */
const MAX_STARTS = 3;

export interface NodesOptions {
  /** The key of node ids; see cluster-key.ts. */
  readonly key: string;
  /** Nodes a request. */
  readonly pageSize?: number;
}

/**
 * The nodes of the cluster, anonymous, in the order of the Kubernetes API.
 *
 * They are read in pages, and each page is reduced to what a report holds before the next is asked for. A list that expires on the
 * way (410, https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks) begins anew: a
 * report is of one moment.
 */
export async function listNodes(kube: KubeClient, { key, pageSize = PAGE_SIZE }: NodesOptions): Promise<readonly Node[]> {
  for (let start = 1; start <= MAX_STARTS; start++) {
    const nodes = await listOnce(kube, key, pageSize);
    if (nodes !== undefined) return nodes;
  }
  throw new SpartakusError(
    'unavailable',
    `The list of nodes expired before its last page ${MAX_STARTS} times in a row. Is the Kubernetes API server under heavy load?`,
  );
}

/** The whole list, or undefined where it expired on the way. */
async function listOnce(kube: KubeClient, key: string, pageSize: number): Promise<readonly Node[] | undefined> {
  const nodes: Node[] = [];
  let continueToken = '';
  do {
    const more = continueToken === '' ? '' : `&continue=${encodeURIComponent(continueToken)}`;
    const answer = await kube.get(`/api/v1/nodes?limit=${pageSize}${more}`, PROTOBUF_TYPE);
    if (answer.status === 410) return undefined;
    const page = readProtobuf(answer, NodeListSchema);
    for (const node of page.items) nodes.push(convert(key, node));
    const next = page.metadata?.continueToken ?? '';
    if (next !== '' && next === continueToken) {
      throw new SpartakusError('internal', 'The Kubernetes API answered a page of nodes with the token of that same page.');
    }
    continueToken = next;
  } while (continueToken !== '');
  return nodes;
}

function convert(key: string, node: KubeNode): Node {
  const info = node.status?.nodeInfo;
  return assembleNode(key, {
    name: node.metadata?.name ?? '',
    machineId: info?.machineId ?? '',
    systemUuid: info?.systemUuid ?? '',
    operatingSystem: info?.operatingSystem ?? '',
    osImage: info?.osImage ?? '',
    kernelVersion: info?.kernelVersion ?? '',
    architecture: info?.architecture ?? '',
    containerRuntimeVersion: info?.containerRuntimeVersion ?? '',
    kubeletVersion: info?.kubeletVersion ?? '',
    providerId: node.spec?.providerId ?? '',
    capacity: Object.entries(node.status?.capacity ?? {}).map(([resource, amount]) => [resource, amount.string] as const),
  });
}
