import {
  type ObjectMeta,
  PartialObjectMetadataListSchema,
} from '../../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import type { KubeClient } from '../../kubernetes/client.ts';
import { listPages, protobufPages } from '../../kubernetes/pages.ts';
import { PROTOBUF_TYPE } from '../../kubernetes/response.ts';

/** The lists that are summarised, by the resource's name. */
const LISTED_PATHS = {
  namespaces: '/api/v1/namespaces',
  pods: '/api/v1/pods',
  services: '/api/v1/services',
  deployments: '/apis/apps/v1/deployments',
  statefulsets: '/apis/apps/v1/statefulsets',
  daemonsets: '/apis/apps/v1/daemonsets',
  jobs: '/apis/batch/v1/jobs',
} as const;

export type ListedResource = keyof typeof LISTED_PATHS;

/** Metadata is small: about 500 bytes an object. */
const PAGE_SIZE = 500;

/** A list of metadata only: no specs travel, so nothing that stands in them can be read by mistake. */
export const METADATA_LIST_TYPE = `${PROTOBUF_TYPE};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`;

/** What is kept of the objects of one resource. */
export interface Summary {
  readonly count: number;
  /** How many each namespace holds. The names stay here. */
  readonly countByNamespace: ReadonlyMap<string, number>;
  /** Undefined where there is no object whose age is known. */
  readonly averageAgeSeconds: number | undefined;
}

/** Reads each list at most once, whoever asks for it, and keeps a summary of it. Rejects each time where reading it failed. */
export type Summaries = (resource: ListedResource) => Promise<Summary>;

/**
 * @param now ages are counted up to it; an object from the future has the age 0
 * @param pageSize objects a request
 */
export function createSummaries(kube: KubeClient, now: Date, pageSize = PAGE_SIZE): Summaries {
  const known = new Map<ListedResource, Promise<Summary>>();
  return (resource) => {
    const summary = known.get(resource) ?? summarise(kube, LISTED_PATHS[resource], now, pageSize);
    known.set(resource, summary);
    return summary;
  };
}

interface Tally {
  count: number;
  readonly countByNamespace: Map<string, number>;
  agedCount: number;
  ageSeconds: number;
}

async function summarise(kube: KubeClient, path: string, now: Date, pageSize: number): Promise<Summary> {
  const { count, countByNamespace, agedCount, ageSeconds } = await listPages(
    kube,
    { path, accept: METADATA_LIST_TYPE, read: protobufPages(PartialObjectMetadataListSchema), pageSize },
    (): Tally => ({ count: 0, countByNamespace: new Map(), agedCount: 0, ageSeconds: 0 }),
    (tally, { metadata }) => add(tally, metadata, now),
  );
  return { count, countByNamespace, averageAgeSeconds: agedCount === 0 ? undefined : ageSeconds / agedCount };
}

function add(tally: Tally, metadata: ObjectMeta | undefined, now: Date): void {
  const { namespace = '', creationTimestamp } = metadata ?? {};
  tally.count += 1;
  tally.countByNamespace.set(namespace, (tally.countByNamespace.get(namespace) ?? 0) + 1);
  if (creationTimestamp === undefined) return;
  tally.agedCount += 1;
  tally.ageSeconds += Math.max(0, now.getTime() / 1000 - Number(creationTimestamp.seconds));
}
