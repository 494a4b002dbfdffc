import { create } from '@bufbuild/protobuf';
import { LifetimesSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { Gatherer } from './gatherer.ts';

const MAX_UINT32 = 2 ** 32 - 1;

/** The average age of the objects of each resource, in whole seconds. Unset where there are none. */
export const lifetimeGatherers: readonly Gatherer[] = LifetimesSchema.fields.map((field) => ({
  path: `lifetimes.${field.jsonName}`,
  tolerance: 'all-but-unauthenticated',
  gather: async (report, { summarize }) => {
    const { averageAgeSeconds } = await summarize(field);
    if (averageAgeSeconds === undefined) return;
    report.lifetimes ??= create(LifetimesSchema);
    Object.assign(report.lifetimes, { [field.localName]: Math.min(Math.round(averageAgeSeconds), MAX_UINT32) });
  },
}));
