import { type DescMessage, type JsonObject, toJson } from '@bufbuild/protobuf';
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { isObject } from './go-json.ts';
import { listFields, type SchemaField } from './schema-fields.ts';

/** The schema version of the original Spartakus v1.1.0. */
export const LEGACY_SCHEMA_VERSION = 1;

/**
 * The newest schema version whose fields are sent without --agree: that of the first release. It never changes, because an upgrade is no
 * consent: fields of later versions are sent only where the administrator raises --agree.
 */
export const DEFAULT_AGREED_VERSION = 2;

const SINCE = new Map(listFields().map(({ descriptor, since }) => [descriptor, since]));

export const CURRENT_SCHEMA_VERSION = Math.max(
  ...[...listFields(), ...listFields(RecordSchema)].map(({ treatmentSince }) => treatmentSince),
);

/** Whether who agreed to a schema version agreed to a field as it is sent now. A field without a policy is never agreed to. */
export function isAgreed({ since, treatmentSince }: SchemaField, agreed: number): boolean {
  return since > 0 && treatmentSince <= agreed;
}

/** A schema version, 1 or more; undefined for any other text. */
export function parseSchemaVersion(text: string): number | undefined {
  return /^[1-9]\d{0,4}$/.test(text) ? Number(text) : undefined;
}

/** A report as protobuf JSON, without the fields that are newer than a schema version. */
export function reportJson(report: Report, schemaVersion: number): JsonObject {
  const json = toJson(ReportSchema, report) as JsonObject;
  deleteNewer(ReportSchema, json, schemaVersion);
  return json;
}

function deleteNewer({ fields }: DescMessage, json: JsonObject, schemaVersion: number): void {
  for (const field of fields) {
    const since = SINCE.get(field) ?? 0;
    if (since === 0 || since > schemaVersion) delete json[field.jsonName];
    else if (field.message !== undefined)
      for (const value of [json[field.jsonName]].flat()) {
        if (isObject(value)) deleteNewer(field.message, value, schemaVersion);
      }
  }
}
