import type { Record as KubermaticRecord } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { Report } from '../../../gen/spartakus/report/v1/report_pb.js';
import { normaliseKubermaticRecord } from '../../report/normalise/normalise-record.ts';
import { normaliseReport } from '../../report/normalise/normalise-report.ts';
import type { EncodedDocument, EncodedEntry, Submission } from '../../report/report-sink.ts';
import { validateKubermaticRecord, validateReport } from '../../report/validate.ts';

type Decoded = Exclude<Submission, Pick<EncodedEntry, 'encodedDocument'>>;

export interface ValidSubmission {
  readonly clusterId: string;
  readonly content: Report | KubermaticRecord | EncodedDocument;
}

/** Throws SpartakusError `invalid`. An encoded document was validated before it was encoded. */
export function validateSubmission(submission: Submission, requireClusterId: boolean): ValidSubmission {
  if ('encodedDocument' in submission)
    return { clusterId: submission.encodedDocument.clusterId, content: submission.encodedDocument };
  if ('report' in submission) {
    validateReport(submission.report, { requireClusterId });
    return { clusterId: submission.report.clusterId, content: submission.report };
  }
  validateKubermaticRecord(submission.kubermaticRecord);
  return { clusterId: submission.kubermaticRecord.clientUuid, content: submission.kubermaticRecord };
}

export function normaliseSubmission(submission: Decoded): void {
  if ('report' in submission) normaliseReport(submission.report);
  else normaliseKubermaticRecord(submission.kubermaticRecord);
}

export function reportIdOf(submission: Submission): string {
  if ('encodedDocument' in submission) return submission.encodedDocument.reportId;
  return 'report' in submission ? submission.report.reportId : submission.kubermaticRecord.reportId;
}
