import type { JsonValue } from '@bufbuild/protobuf';
import { type Report, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { type GoJsonOptions, readGoJson } from '../../report/go-json.ts';
import { listFields } from '../../report/schema-fields.ts';
import { LEGACY_SCHEMA_VERSION } from '../../report/schema-version.ts';

const OPTIONS: GoJsonOptions = {
  newer: new Set(
    listFields()
      .filter(({ since }) => since > LEGACY_SCHEMA_VERSION)
      .map(({ descriptor }) => descriptor),
  ),
};

/**
 * Reads legacy Spartakus JSON (kubernetes-retired/spartakus, pkg/report/record.go), which is the protobuf JSON of Report. A client may use
 * a name that the original did not have for something else.
 *
 * @param onDropped called for each field of such a name whose value is not of the field's type
 * @throws SpartakusError `invalid` with the path of the field that has the wrong type
 */
export function readSpartakusReport(json: JsonValue, onDropped: () => void = () => undefined): Report {
  return readGoJson(ReportSchema, json, OPTIONS, onDropped);
}
