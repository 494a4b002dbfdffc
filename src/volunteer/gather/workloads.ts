import { create } from '@bufbuild/protobuf';
import { type Bucket, BucketSchema, WorkloadsSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { Gatherer } from './gatherer.ts';

/** For each resource, a histogram of namespaces by their number of objects. */
export const workloadGatherers: readonly Gatherer[] = WorkloadsSchema.fields.map((field) => ({
  path: `workloads.${field.jsonName}[]`,
  tolerance: 'all-but-unauthenticated',
  gather: async (report, { summarize }) => {
    const { countByNamespace } = await summarize(field);
    report.workloads ??= create(WorkloadsSchema);
    Object.assign(report.workloads, { [field.localName]: histogramOf(countByNamespace.values()) });
  },
}));

/** Buckets by powers of two, in ascending order. */
function histogramOf(counts: Iterable<number>): Bucket[] {
  const namespaces = new Map<number, number>();
  for (const count of counts) {
    const atLeast = 2 ** Math.floor(Math.log2(count));
    namespaces.set(atLeast, (namespaces.get(atLeast) ?? 0) + 1);
  }
  return [...namespaces]
    .toSorted(([a], [b]) => a - b)
    .map(([atLeast, count]) => create(BucketSchema, { atLeast, namespaces: count }));
}
