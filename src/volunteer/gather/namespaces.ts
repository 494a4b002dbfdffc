import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { Gatherer } from './gatherer.ts';

export const namespacesGatherer: Gatherer = {
  path: 'namespaces',
  tolerance: 'all-but-unauthenticated',
  gather: async (report, { summarize }) => {
    report.namespaces = (await summarize(ReportSchema.field.namespaces)).count;
  },
};
