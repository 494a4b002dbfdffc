import { createHash } from 'node:crypto';
import { create, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';
import { type Envelope, EnvelopeSchema } from '../../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import { type Record as KubermaticRecord, RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { type Report, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { foldKey, isObject, readGoJson, invalidBody } from '../../report/go-json.ts';
import { countryOf } from '../../report/kubermatic-enums.ts';
import {
  checkRecord,
  checkVersion,
  readTime,
  RECORD_JSON_OPTIONS,
  RECORD_KINDS,
} from '../../report/kubermatic-record.ts';
import { createReportId } from '../../report/report-id.ts';
import type { Submission } from '../../report/report-sink.ts';
import { checkTexts } from '../../report/text-bounds.ts';

export interface KubermaticOptions {
  /** Whether to keep countries, as codes of ISO 3166-1 alpha-2. Nothing else of a location is kept. */
  readonly keepCountry: boolean;
}

export interface KubermaticSubmission {
  /** One per record, in the same order: a report for the kind "kubernetes", the record itself for "kubermatic". */
  readonly entries: readonly Submission[];
  /** The country that the client states, in as a code of ISO 3166-1 alpha-2, where it is kept. */
  readonly country?: string | undefined;
}

/** Per envelope; a real one has two. Otherwise one body could become hundreds of thousands of documents. */
const MAX_RECORDS = 1000;
/** Another definition of the hash's input needs another label. */
const ID_LABEL = 'spartakus kubermatic record id v1';

/** Whether a body is from Kubermatic's reporter, or a record of its agents. Spartakus' has a clusterID, or none of these keys. */
export function isKubermaticReport(json: JsonValue): boolean {
  if (!isObject(json) || Object.hasOwn(json, 'clusterID')) return false;
  const body = new Map(Object.entries(json).map(([key, value]) => [foldKey(key).replaceAll('_', ''), value]));
  if (body.has('clusterid')) return false;
  const kind = body.get('kind');
  return (
    typeof body.get('clientuuid') === 'string' ||
    Array.isArray(body.get('records')) ||
    (typeof kind === 'string' && RECORD_KINDS.has(kind))
  );
}

/**
 * Reads an envelope of Kubermatic's reporter, or a bare record, with keys in either spelling. External IPs of nodes and places are not
 * read. These clients send no report id and retry the same records in a new envelope, so {@link deriveId} derives it from the record.
 *
 * @throws SpartakusError `invalid` with the path of the field that is wrong
 */
export function readKubermaticReport(json: JsonValue, options: KubermaticOptions): KubermaticSubmission {
  const keys = new Set(isObject(json) ? Object.keys(json).map(foldKey) : []);
  if (keys.has('kind') && !keys.has('records')) {
    const record = readGoJson(RecordSchema, json, RECORD_JSON_OPTIONS);
    return readEnvelope(create(EnvelopeSchema, { records: [record] }), options, () => '');
  }
  const envelope = readGoJson(EnvelopeSchema, json, RECORD_JSON_OPTIONS);
  if (envelope.clientUuid === '' && envelope.records.length === 0) {
    throw invalidBody('', 'expected client_uuid and records, as in an envelope, or a kind, as in a record');
  }
  return readEnvelope(envelope, options);
}

/**
 * Modifies the records; they become the entries.
 *
 * @param pathOf the prefix of the paths of a record's fields
 * @throws SpartakusError `invalid` with the path of the field that is wrong
 */
export function readEnvelope(
  envelope: Envelope,
  { keepCountry }: KubermaticOptions,
  pathOf = (index: number): string => `records[${index}].`,
): KubermaticSubmission {
  checkVersion(envelope.version, 'version');
  checkTexts(EnvelopeSchema, envelope);
  if (envelope.records.length > MAX_RECORDS)
    throw invalidBody('records', `expected at most ${MAX_RECORDS}, got ${envelope.records.length}`);
  const envelopeTime = readTime(envelope.time, 'time');
  const entries = envelope.records.map((record, index): Submission => {
    checkRecord(record, pathOf(index));
    if (record.clientUuid === '') record.clientUuid = envelope.clientUuid;
    const time = readTime(record.time, `${pathOf(index)}time`) ?? envelopeTime;
    if (time === undefined) delete record.time;
    else record.time = time;
    return record.kind === 'kubernetes'
      ? { report: toReport(record) }
      : { kubermaticRecord: toKubermaticRecord(record, keepCountry) };
  });
  return { entries, country: keepCountry ? firstCountryOf(envelope) : undefined };
}

function toReport(record: KubermaticRecord): Report {
  const { clientUuid, time, kubernetesVersion, nodes } = record;
  const report = create(ReportSchema, { clusterId: clientUuid, nodes });
  if (time !== undefined) {
    report.timestamp = String(time.seconds);
    report.observedAt = time;
  }
  if (kubernetesVersion !== undefined) report.masterVersion = kubernetesVersion;
  report.reportId =
    record.reportId === ''
      ? deriveId(record.kind, time, toBinary(ReportSchema, report, KNOWN_FIELDS))
      : record.reportId;
  return report;
}

function toKubermaticRecord(record: KubermaticRecord, keepCountry: boolean): KubermaticRecord {
  record.nodes = [];
  for (const seed of record.seeds) {
    for (const place of [seed, ...seed.datacenters]) {
      const country = keepCountry ? countryOf(place.country) : undefined;
      if (country === undefined) delete place.country;
      else place.country = country;
    }
  }
  if (record.reportId === '')
    record.reportId = deriveId(record.kind, record.time, toBinary(RecordSchema, record, KNOWN_FIELDS));
  return record;
}

/**
 * The id of a record without one: a UUIDv7 with the record's time, whose 74 random bits are taken from
 *
 *     SHA-256(field("spartakus kubermatic record id v1") field(kind) field(content))
 *
 * where field(bytes) is their length (unsigned, 32 bits, big endian) followed by the bytes, and the content is the stored message in
 * protobuf, in the order of field numbers, with the client's UUID. Empty without a time, since a cluster that has not changed would look
 * like a retry: the ingest gives such a record an id.
 */
function deriveId(kind: string, time: Timestamp | undefined, content: Uint8Array): string {
  if (time === undefined) return '';
  const hash = createHash('sha256');
  for (const field of [Buffer.from(ID_LABEL), Buffer.from(kind), content]) {
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(field.length);
    hash.update(length).update(field);
  }
  return createReportId(new Date(timestampMs(time)), hash.digest());
}

/** An id does not depend on fields that may be dropped. */
const KNOWN_FIELDS = { writeUnknownFields: false };

/** The client's before the master's. */
function firstCountryOf({ clientLocation, location, masterLocation }: Envelope): string | undefined {
  return [clientLocation, location, masterLocation]
    .flatMap((place) => [countryOf(place?.countryCode), countryOf(place?.country)])
    .find((country) => country !== undefined);
}
