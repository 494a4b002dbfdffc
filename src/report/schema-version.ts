import { type DescMessage, type JsonObject, toJson } from '@bufbuild/protobuf';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { isObject } from './go-json.ts';
import { listFields } from './schema-fields.ts';

/** The schema version of the original Spartakus v1.1.0. */
export const LEGACY_SCHEMA_VERSION = 1;

const SINCE = new Map(listFields().map(({ descriptor, since }) => [descriptor, since]));

export const CURRENT_SCHEMA_VERSION = Math.max(...SINCE.values());

/** The schema version of new reports: `given` by the administrator, else `kept` by the first release, but at most this program's. */
export function chooseSchemaVersion(given: number | undefined, kept: number | undefined): number {
  return Math.min(given ?? kept ?? CURRENT_SCHEMA_VERSION, CURRENT_SCHEMA_VERSION);
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
