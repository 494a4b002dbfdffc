import { type DescMessage, getOption, type JsonObject, type JsonValue, toJson } from '@bufbuild/protobuf';
import { field_policy } from '../../gen/spartakus/options/v1/options_pb.js';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { listCollected } from './collected.ts';

/** The schema version of the original's JSON: Spartakus v1.1.0. */
export const LEGACY_SCHEMA_VERSION = 1;

/** The newest that this program knows. */
export const CURRENT_SCHEMA_VERSION = Math.max(...listCollected().map(({ since }) => since));

/**
 * The version to make reports with.
 *
 * @param given by the administrator; none newer than this program's
 * @param kept that of the release that was installed first. One that is newer is of a release that was taken back.
 */
export function chooseSchemaVersion(given: number | undefined, kept: number | undefined): number {
  return Math.min(given ?? kept ?? CURRENT_SCHEMA_VERSION, CURRENT_SCHEMA_VERSION);
}

/** A schema version as text, 1 or more; undefined where it is none. */
export function parseSchemaVersion(text: string): number | undefined {
  return /^[1-9]\d{0,4}$/.test(text) ? Number(text) : undefined;
}

/** What to take out of a message's JSON, by the message's descriptor; messages with nothing to take out have no trim. */
interface Trim {
  readonly drop: readonly string[];
  readonly nested: readonly (readonly [jsonName: string, trim: Trim])[];
}

/**
 * A report as protobuf JSON with only those fields that a schema version knows. Which fields these are is said by `since` in the
 * schema's field options, and nowhere else.
 */
export function reportJson(report: Report, schemaVersion: number): JsonObject {
  const json = toJson(ReportSchema, report);
  if (!isObject(json)) throw new TypeError('The JSON of a message is an object.');
  const trim = trimOf(ReportSchema, schemaVersion);
  if (trim !== undefined) applyTrim(json, trim);
  return json;
}

function trimOf(schema: DescMessage, schemaVersion: number): Trim | undefined {
  const drop: string[] = [];
  const nested: [string, Trim][] = [];
  for (const field of schema.fields) {
    const { since } = getOption(field, field_policy);
    // 0 is a field without a policy: a mistake in the schema, and not a reason to send it.
    if (since === 0 || since > schemaVersion) {
      drop.push(field.jsonName);
      continue;
    }
    const trim = field.message === undefined ? undefined : trimOf(field.message, schemaVersion);
    if (trim !== undefined) nested.push([field.jsonName, trim]);
  }
  return drop.length + nested.length === 0 ? undefined : { drop, nested };
}

function applyTrim(json: JsonObject, { drop, nested }: Trim): void {
  for (const name of drop) delete json[name];
  for (const [name, trim] of nested) {
    for (const value of asList(json[name])) {
      if (isObject(value)) applyTrim(value, trim);
    }
  }
}

function asList(value: JsonValue | undefined): readonly JsonValue[] {
  if (Array.isArray(value)) return value;
  return value === undefined ? [] : [value];
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
