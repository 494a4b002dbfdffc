import type { Record as KubermaticRecord } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import type { KubermaticSubmission } from '../../src/collector/legacy/kubermatic.ts';

export interface SubmissionByKind {
  readonly reports: readonly Report[];
  readonly records: readonly KubermaticRecord[];
}

/** The entries of a submission, by kind. */
export function byKind({ entries }: KubermaticSubmission): SubmissionByKind {
  return {
    reports: entries.flatMap((entry) => ('report' in entry ? [entry.report] : [])),
    records: entries.flatMap((entry) => ('kubermaticRecord' in entry ? [entry.kubermaticRecord] : [])),
  };
}
