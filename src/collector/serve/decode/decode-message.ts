import { type DescMessage, fromBinary, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import {
  StreamReportsRequestSchema,
  SubmitKubermaticReportRequestSchema,
  SubmitReportRequestSchema,
} from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { RecordSchema } from '../../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { ReportSchema } from '../../../../gen/spartakus/report/v1/report_pb.js';
import { parseJson } from '../../../report/go-json.ts';
import type { EncodedDocument, Submission } from '../../../report/report-sink.ts';
import { encodeFields, MAX_DOCUMENT_BYTES } from '../../../report/stored-document.ts';
import { dropUnknownFieldsOf } from '../../../report/unknown-fields.ts';
import { messageOf, SpartakusError } from '../../../runtime/errors.ts';
import { normaliseSubmission, reportIdOf, validateSubmission } from '../../ingest/prepare.ts';
import { type LegacyPath, readLegacyBody } from '../../legacy/body.ts';
import { checkJsonBounds } from '../admission/json-bounds.ts';
import { checkProtobufBounds } from '../admission/protobuf-bounds.ts';
import { findWrongField } from '../rpc/field-path.ts';
import { readRequestEnvelope } from '../rpc/request-envelope.ts';
import { documentTooLarge, encodeReport } from './encode-report.ts';
import type { Encoding } from './inflate.ts';

export interface DecodeOptions {
  readonly keepUnknownFields: boolean;
  readonly normaliseLegacy: boolean;
  readonly keepCountry: boolean;
}

/** The requests of CollectorService, by name. */
const REQUESTS: ReadonlyMap<string, DescMessage> = new Map(
  [SubmitReportRequestSchema, StreamReportsRequestSchema, SubmitKubermaticReportRequestSchema].map((schema) => [
    schema.typeName,
    schema,
  ]),
);

/** A message, as it was received. */
export type DecodeJob = (
  | { readonly format: 'protobuf' | 'json'; readonly type: string }
  | { readonly format: 'legacy'; readonly path: LegacyPath }
) & {
  readonly bytes: Uint8Array;
  readonly compressed?: {
    readonly encoding: Encoding;
    /** As `statedLength` returns it. */
    readonly length: number;
    readonly maxBytes: number;
  };
};

/** A document, or why there is none. */
export type DecodedEntry =
  | { readonly document: EncodedDocument }
  /** Not valid, which concerns this report of an envelope or a stream alone. */
  | { readonly reportId: string; readonly error: SpartakusError };

export interface Decoded {
  readonly dialect: 'report' | 'spartakus' | 'coreos' | 'kubermatic';
  readonly entries: readonly DecodedEntry[];
  readonly country?: string | undefined;
  /** Dropped from a legacy body before it was decoded. */
  readonly unknownFields?: number | undefined;
  /** Of SubmitReport. */
  readonly validateOnly?: boolean | undefined;
}

export function isDecodable(type: string): boolean {
  return REQUESTS.has(type);
}

/**
 * Does everything with a decompressed message that needs no other: checks bounds, decodes, validates and encodes the documents of its reports.
 *
 * @throws SpartakusError `invalid` or `too-large` where the whole message is rejected; its field is a path from the request in JSON names
 */
export function decodeMessage(job: DecodeJob, options: DecodeOptions): Decoded {
  const { bytes } = job;
  if (job.format === 'legacy') {
    const { dialect, entries, country, unknownFields } = readLegacyBody(job.path, parseJson(bytes), options);
    return { dialect, country, unknownFields, entries: entries.map((entry) => encode(entry, dialect, options, false)) };
  }
  const { type } = job;
  const schema = REQUESTS.get(type);
  if (schema === undefined) throw new TypeError(`${type} is no request of CollectorService`);
  if (job.format === 'protobuf') {
    checkProtobufBounds(schema, bytes);
    return type === SubmitKubermaticReportRequestSchema.typeName
      ? decodeEnvelope(() => fromBinary(SubmitKubermaticReportRequestSchema, bytes), options)
      : decodeReport(schema, bytes, options);
  }
  checkJsonBounds(bytes);
  const json = parseJson(bytes);
  if (type === SubmitKubermaticReportRequestSchema.typeName)
    return decodeEnvelope(() => readJson(SubmitKubermaticReportRequestSchema, json), options);
  const request = readJson(SubmitReportRequestSchema, json, schema);
  const { report } = request;
  if (report === undefined) throw new SpartakusError('invalid', 'report is required', { field: 'report' });
  // A request of a stream is read as one of SubmitReport, and has no such field.
  const validateOnly = schema === SubmitReportRequestSchema && request.validateOnly;
  return { dialect: 'report', validateOnly, entries: [encode({ report }, 'report', options, true)] };
}

/** Both requests have the report in the same field. */
function decodeReport(schema: DescMessage, bytes: Uint8Array, { keepUnknownFields }: DecodeOptions): Decoded {
  let reportId = '';
  let validateOnly = false;
  try {
    const { report, rest } = splitRequest(bytes);
    if (schema === SubmitReportRequestSchema) ({ validateOnly } = fromBinary(SubmitReportRequestSchema, rest));
    if (report === undefined) throw new SpartakusError('invalid', 'report is required');
    const document = encodeReport(report, keepUnknownFields, (decoded) => (reportId = decoded.reportId));
    return { dialect: 'report', validateOnly, entries: [{ document }] };
  } catch (error) {
    if (!(error instanceof SpartakusError)) throw undecodable(schema, error);
    return { dialect: 'report', validateOnly, entries: [{ reportId, error }] };
  }
}

/** The report of a request, encoded, and the other fields. One that is sent in parts is their concatenation. */
function splitRequest(request: Uint8Array): { readonly report: Uint8Array | undefined; readonly rest: Uint8Array } {
  const parts: Uint8Array[] = [];
  const rest: Uint8Array[] = [];
  const reader = new BinaryReader(request);
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, wireType] = reader.tag();
    if (number === SubmitReportRequestSchema.field.report.number && wireType === WireType.LengthDelimited) {
      parts.push(reader.bytes());
    } else {
      reader.skip(wireType, number);
      rest.push(request.subarray(start, reader.pos));
    }
  }
  return { report: parts.length > 1 ? Buffer.concat(parts) : parts[0], rest: Buffer.concat(rest) };
}

function decodeEnvelope(
  read: () => { readonly envelope?: Parameters<typeof readRequestEnvelope>[0] },
  options: DecodeOptions,
): Decoded {
  let envelope: Parameters<typeof readRequestEnvelope>[0];
  try {
    ({ envelope } = read());
  } catch (error) {
    throw error instanceof SpartakusError ? error : undecodable(SubmitKubermaticReportRequestSchema, error);
  }
  const { entries, country } = readRequestEnvelope(envelope, options.keepCountry);
  return {
    dialect: 'kubermatic',
    country,
    entries: entries.map((entry) => encode(entry, 'kubermatic', options, true)),
  };
}

function encode(
  submission: Submission,
  dialect: Decoded['dialect'],
  { keepUnknownFields, normaliseLegacy }: DecodeOptions,
  requireClusterId: boolean,
): DecodedEntry {
  if ('encodedDocument' in submission) return { document: submission.encodedDocument };
  const reportId = reportIdOf(submission);
  try {
    const { clusterId } = validateSubmission(submission, requireClusterId);
    const [kind, schema, content] =
      'report' in submission
        ? (['report', ReportSchema, submission.report] as const)
        : (['kubermaticRecord', RecordSchema, submission.kubermaticRecord] as const);
    const droppedFields = keepUnknownFields ? 0 : dropUnknownFieldsOf(schema, content);
    if (normaliseLegacy && dialect !== 'report') normaliseSubmission(submission);
    const fields = encodeFields(schema, content);
    if (fields.length > MAX_DOCUMENT_BYTES) throw documentTooLarge();
    return { document: { kind, clusterId, reportId, fields, droppedFields } };
  } catch (error) {
    return { reportId, error: SpartakusError.from(error) };
  }
}

/** As Connect's server reads JSON. */
function readJson<Schema extends DescMessage>(schema: Schema, json: JsonValue, named: DescMessage = schema) {
  try {
    return fromJson(schema, json, { ignoreUnknownFields: true });
  } catch (error) {
    const field = findWrongField(schema, json);
    const text = `${named.typeName} cannot be decoded from JSON: ${messageOf(error)}`;
    throw new SpartakusError('invalid', field === undefined ? text : `${field}: ${text}`, { field });
  }
}

function undecodable(schema: DescMessage, cause: unknown): SpartakusError {
  return new SpartakusError('invalid', `the message cannot be decoded as ${schema.typeName}`, { cause });
}
