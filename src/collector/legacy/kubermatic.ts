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

export interface KubermaticOptions {
  /** Whether the countries that a client sends are kept, as two letters; nothing else of a location ever is. */
  readonly keepCountry: boolean;
}

/** What one body of Kubermatic's reporter becomes. */
export interface KubermaticSubmission {
  /** Of the records of kind "kubernetes". */
  readonly reports: readonly Report[];
  /** The records of kind "kubermatic". */
  readonly records: readonly KubermaticRecord[];
  /** Where the client says that it is: two capital letters, where the operator keeps them. */
  readonly country?: string;
}

/** The most records of one envelope: a real one has two. Without a bound one body could become hundreds of thousands of documents. */
const MAX_RECORDS = 1000;
/** Says what the hash is for, and how its input is made: another way to make it must have another label. */
const ID_LABEL = 'spartakus kubermatic record id v1';

/**
 * Whether a body of POST /api/v1 is one of Kubermatic's reporter, or a record of its agents. A body of Spartakus has a clusterID, or
 * none of the keys that are looked for here.
 */
export function isKubermaticReport(json: JsonValue): boolean {
  if (!isObject(json)) return false;
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
 * The reports and records in an envelope of Kubermatic's reporter, or in a bare record. Keys in either spelling; everything is
 * checked before anything is handed back, so that a body is stored whole or not at all. Neither a node's external IP nor a place is
 * ever read.
 *
 * These clients send no report id, and a reporter that failed sends the same files again, in a new envelope: the id is derived from
 * the record, see {@link deriveId}, so that it is stored once.
 *
 * @throws SpartakusError of kind `invalid` with the path of the field that is wrong
 */
export function readKubermaticReport(json: JsonValue, { keepCountry }: KubermaticOptions): KubermaticSubmission {
  const { envelope, pathOf } = readJsonEnvelope(json);
  return readEnvelope(envelope, { keepCountry }, pathOf);
}

/**
 * The same for an envelope that came as a message; its records become those that are handed back.
 *
 * @param pathOf what the path of a record's field starts with
 * @throws SpartakusError of kind `invalid` with the path of the field that is wrong
 */
export function readEnvelope(
  envelope: Envelope,
  { keepCountry }: KubermaticOptions,
  pathOf = (index: number): string => `records[${index}].`,
): KubermaticSubmission {
  checkVersion(envelope.version, 'version');
  if (envelope.records.length > MAX_RECORDS)
    throw invalidBody('records', `expected at most ${MAX_RECORDS}, got ${envelope.records.length}`);
  const envelopeTime = readTime(envelope.time, 'time');
  const reports: Report[] = [];
  const records: KubermaticRecord[] = [];
  for (const [index, record] of envelope.records.entries()) {
    checkRecord(record, pathOf(index));
    if (record.clientUuid === '') record.clientUuid = envelope.clientUuid;
    const time = readTime(record.time, `${pathOf(index)}time`) ?? envelopeTime;
    if (time === undefined) delete record.time;
    else record.time = time;
    if (record.kind === 'kubernetes') reports.push(toReport(record));
    else records.push(toKubermaticRecord(record, keepCountry));
  }
  const country = keepCountry ? firstCountryOf(envelope) : undefined;
  return country === undefined ? { reports, records } : { reports, records, country };
}

/** The envelope, or a bare record in one; and what the path of a record's field starts with. */
function readJsonEnvelope(json: JsonValue): {
  readonly envelope: Envelope;
  readonly pathOf: (index: number) => string;
} {
  const keys = new Set(isObject(json) ? Object.keys(json).map(foldKey) : []);
  if (keys.has('kind') && !keys.has('records')) {
    const record = readGoJson(RecordSchema, json, RECORD_JSON_OPTIONS);
    return { envelope: create(EnvelopeSchema, { records: [record] }), pathOf: () => '' };
  }
  const envelope = readGoJson(EnvelopeSchema, json, RECORD_JSON_OPTIONS);
  if (envelope.clientUuid === '' && envelope.records.length === 0) {
    throw invalidBody('', 'it has neither client_uuid and records, as an envelope, nor a kind, as a record');
  }
  return { envelope, pathOf: (index) => `records[${index}].` };
}

/** The report of a record of kind "kubernetes". Seeds and the like, which are not of this kind, stay behind. */
function toReport(record: KubermaticRecord): Report {
  const { clientUuid, time, kubernetesVersion, nodes } = record;
  const report = create(ReportSchema, { clusterId: clientUuid, nodes });
  if (time !== undefined) {
    report.timestamp = String(time.seconds);
    report.observedAt = time;
  }
  if (kubernetesVersion !== undefined) report.masterVersion = kubernetesVersion;
  report.reportId =
    record.reportId === '' ? deriveId(record.kind, time, toBinary(ReportSchema, report)) : record.reportId;
  return report;
}

/** A record of kind "kubermatic" as it is stored. Nodes, which are not of this kind, stay behind. */
function toKubermaticRecord(record: KubermaticRecord, keepCountry: boolean): KubermaticRecord {
  record.nodes = [];
  for (const seed of record.seeds) {
    for (const place of [seed, ...seed.datacenters]) {
      const country = keepCountry ? countryOf(place.country) : undefined;
      if (country === undefined) delete place.country;
      else place.country = country;
    }
  }
  if (record.reportId === '') record.reportId = deriveId(record.kind, record.time, toBinary(RecordSchema, record));
  return record;
}

/**
 * The id of a record that came without one: a UUIDv7 whose time is the record's and whose 74 random bits are taken from
 *
 *     SHA-256(field("spartakus kubermatic record id v1") field(kind) field(content))
 *
 * where field(bytes) is their length (unsigned, 32 bits, big endian) and then the bytes, and the content is what will be stored in
 * protobuf's encoding, fields in the schema's order; it has the client's UUID. The same record of the same client has the same id
 * therefore, however often it is sent. Without any time there is none: a cluster that has not changed would look like a record that
 * was sent again, and the collector gives such a record an id of the moment it comes.
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

/** The first country among the places that an envelope names, the client's before the master's. */
function firstCountryOf({ clientLocation, location, masterLocation }: Envelope): string | undefined {
  return [clientLocation, location, masterLocation]
    .flatMap((place) => [countryOf(place?.countryCode), countryOf(place?.country)])
    .find((country) => country !== undefined);
}
