import { create } from '@bufbuild/protobuf';
import { LifetimesSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { Gatherer } from './gatherer.ts';

const HOUR_SECONDS = 3600;

/** The range of the average age of the objects of each resource. Unset where there are too few. */
export const lifetimeGatherers: readonly Gatherer[] = LifetimesSchema.fields
  .filter(({ deprecated }) => !deprecated)
  .map((field) => ({
    path: `lifetimes.${field.jsonName}`,
    tolerance: 'all-but-unauthenticated',
    gather: async (report, { summarize }) => {
      const { averageAgeSeconds } = await summarize(field);
      if (averageAgeSeconds === undefined) return;
      report.lifetimes ??= create(LifetimesSchema);
      Object.assign(report.lifetimes, { [field.localName]: ageRangeOf(averageAgeSeconds) });
    },
  }));

/** The lower bound of the range in hours: 0, or a power of two. */
function ageRangeOf(seconds: number): number {
  const hours = seconds / HOUR_SECONDS;
  return hours < 1 ? 0 : 2 ** Math.floor(Math.log2(hours));
}
