import type { JsonValue } from '@bufbuild/protobuf';
import { type Report, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { readGoJson } from '../../report/go-json.ts';

/**
 * Reads legacy Spartakus JSON (kubernetes-retired/spartakus, pkg/report/record.go), which is the protobuf JSON of Report.
 *
 * @throws SpartakusError `invalid` with the path of the field that has the wrong type
 */
export function readSpartakusReport(json: JsonValue): Report {
  return readGoJson(ReportSchema, json);
}
