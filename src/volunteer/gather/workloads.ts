import { create } from '@bufbuild/protobuf';
import { type Bucket, BucketSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { Summaries } from './summaries.ts';

/** The resources of which there are histograms; fields of the message Workloads have the same names. */
export const WORKLOADS = ['pods', 'services', 'deployments', 'statefulsets', 'daemonsets', 'jobs'] as const;

export type Workload = (typeof WORKLOADS)[number];

/** How many namespaces hold how many of these, in powers of two, from the smallest bucket to the largest. */
export async function countWorkloads(summaries: Summaries, workload: Workload): Promise<Bucket[]> {
  const { countByNamespace } = await summaries(workload);
  const namespaces = new Map<number, number>();
  for (const count of countByNamespace.values()) {
    const atLeast = 2 ** Math.floor(Math.log2(count));
    namespaces.set(atLeast, (namespaces.get(atLeast) ?? 0) + 1);
  }
  return [...namespaces]
    .toSorted(([a], [b]) => a - b)
    .map(([atLeast, count]) => create(BucketSchema, { atLeast, namespaces: count }));
}
