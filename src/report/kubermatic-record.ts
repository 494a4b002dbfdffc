import type { JsonValue } from '@bufbuild/protobuf';
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { type Record as KubermaticRecord, RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { type GoJsonOptions, readGoJson, invalidBody } from './go-json.ts';
import { normaliseKubermaticRecord } from './normalise/normalise-record.ts';
import { isReportId } from './report-id.ts';
import { isStorableTime } from './validate.ts';

/** The released agent sends one owner of an SSH key as a string; the proposed one sends a list. */
export const RECORD_JSON_OPTIONS: GoJsonOptions = {
  anySpelling: true,
  textsAsLists: new Set(['SSHKey.ownerProjectUUID']),
};
export const RECORD_KINDS: ReadonlySet<string> = new Set(['kubernetes', 'kubermatic']);
const VERSIONS: ReadonlySet<string> = new Set(['', 'v1', 'v2']);
/** Go's zero time, 0001-01-01T00:00:00Z, in seconds since 1970. */
const GO_ZERO_TIME = -62_135_596_800n;

/**
 * Decodes the record file of any agent, and gives its values the known forms in which they are sent; quantities stay as exact as they are.
 * Throws a SpartakusError `invalid` with the path of the invalid field.
 */
export function readRecord(json: JsonValue): KubermaticRecord {
  const record = readGoJson(RecordSchema, json, RECORD_JSON_OPTIONS);
  checkRecord(record, '');
  readTime(record.time, 'time');
  normaliseKubermaticRecord(record, { exactQuantities: true });
  return record;
}

export function checkRecord({ kind, version, reportId }: KubermaticRecord, path: string): void {
  if (!RECORD_KINDS.has(kind)) throw invalidBody(`${path}kind`, 'expected "kubernetes" or "kubermatic"');
  checkVersion(version, `${path}version`);
  if (reportId !== '' && !isReportId(reportId))
    throw invalidBody(`${path}reportID`, 'expected a UUIDv7 in lower case, or nothing');
}

export function checkVersion(version: string, path: string): void {
  if (!VERSIONS.has(version)) throw invalidBody(path, 'expected "v1" or "v2"');
}

/** A time that can be stored; undefined if it is absent or Go's zero time. Throws a SpartakusError `invalid` with the path. */
export function readTime(time: Timestamp | undefined, path: string): Timestamp | undefined {
  if (time === undefined || (time.seconds === GO_ZERO_TIME && time.nanos === 0)) return undefined;
  if (!isStorableTime(time)) throw invalidBody(path, 'expected a date from 1970 to 9999');
  return time;
}
