import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { type Record as KubermaticRecord, RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { SpartakusError } from '../runtime/errors.ts';
import { isReportId } from './report-id.ts';
import { checkTexts } from './text-bounds.ts';

/** 9999-12-31T23:59:59Z in seconds since 1970: the last time of RFC 3339, and so of protobuf JSON. */
const LAST_SECOND = 253_402_300_799n;

/**
 * Checks the rules of report.proto that a decoder does not check. The legacy API, as the original, does not require a cluster id.
 *
 * @throws SpartakusError of kind `invalid` with the field's JSON path
 */
export function validateReport(report: Report, { requireClusterId }: { readonly requireClusterId: boolean }): void {
  const { clusterId, reportId, observedAt } = report;
  if (requireClusterId && clusterId.trim() === '')
    throw invalid('clusterID', 'is required: a text that is stable for the life of the cluster, such as a random UUID');
  validateIdAndTime(reportId, 'observedAt', observedAt);
  checkTexts(ReportSchema, report);
}

/** Checks the rules of record.proto. Throws as {@link validateReport}. */
export function validateKubermaticRecord(record: KubermaticRecord): void {
  validateIdAndTime(record.reportId, 'time', record.time);
  checkTexts(RecordSchema, record);
}

function validateIdAndTime(reportId: string, timeField: string, time: Timestamp | undefined): void {
  if (reportId !== '' && !isReportId(reportId))
    throw invalid('reportID', 'must be a UUIDv7 in lower case, or be left out');
  if (time !== undefined && !isStorableTime(time)) throw invalid(timeField, 'must be a date from 1970 to 9999');
}

export function isStorableTime({ seconds, nanos }: Timestamp): boolean {
  return seconds >= 0n && seconds <= LAST_SECOND && nanos >= 0 && nanos <= 999_999_999;
}

function invalid(field: string, rule: string): SpartakusError {
  return new SpartakusError('invalid', `${field} ${rule}`, { field });
}
