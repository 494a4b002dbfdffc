import type { JsonValue } from '@bufbuild/protobuf';
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { type Record as KubermaticRecord, RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { type GoJsonOptions, readGoJson, wrong } from './go-json.ts';
import { isReportId } from './report-id.ts';
import { isStorableTime } from './validate.ts';

/** The released agent sends one owner of a key as a text, the proposal's a list of them. */
export const RECORD_JSON_OPTIONS: GoJsonOptions = {
  anySpelling: true,
  textsAsLists: new Set(['SSHKey.ownerProjectUUID']),
};
export const RECORD_KINDS: ReadonlySet<string> = new Set(['kubernetes', 'kubermatic']);
/** An absent version is taken: nothing hangs on it, for one message reads them all. */
const VERSIONS: ReadonlySet<string> = new Set(['', 'v1', 'v2']);
/** 0001-01-01T00:00:00Z in seconds since 1970: how Go writes a time that nobody set. */
const GO_ZERO_TIME = -62_135_596_800n;

/**
 * A record as an agent's file holds it, whichever agent's. A node's external IP and the texts of places are not read, so whoever sends it on
 * does not send them.
 *
 * @throws SpartakusError of kind `invalid` with the path of the field that is wrong
 */
export function readRecord(json: JsonValue): KubermaticRecord {
  const record = readGoJson(RecordSchema, json, RECORD_JSON_OPTIONS);
  checkRecord(record, '');
  readTime(record.time, 'time');
  return record;
}

export function checkRecord({ kind, version, reportId }: KubermaticRecord, path: string): void {
  if (!RECORD_KINDS.has(kind)) throw wrong(`${path}kind`, 'expected "kubernetes" or "kubermatic"');
  checkVersion(version, `${path}version`);
  if (reportId !== '' && !isReportId(reportId))
    throw wrong(`${path}reportID`, 'expected a UUIDv7 in lower case, or nothing');
}

export function checkVersion(version: string, path: string): void {
  if (!VERSIONS.has(version)) throw wrong(path, 'expected "v1" or "v2"');
}

/** A time that can be stored; undefined where there is none, or Go's zero. */
export function readTime(time: Timestamp | undefined, path: string): Timestamp | undefined {
  if (time === undefined || (time.seconds === GO_ZERO_TIME && time.nanos === 0)) return undefined;
  if (!isStorableTime(time)) throw wrong(path, 'expected a date from 1970 to 9999');
  return time;
}
