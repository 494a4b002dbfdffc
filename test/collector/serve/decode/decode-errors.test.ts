import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { deserialize, serialize } from 'bson';
import { describe, expect, test } from 'vitest';
import {
  StreamReportsRequestSchema,
  SubmitKubermaticReportRequestSchema,
  SubmitReportRequestSchema,
} from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { type Report, ReportSchema } from '../../../../gen/spartakus/report/v1/report_pb.js';
import {
  decodeMessage,
  type DecodeOptions,
  isDecodable,
} from '../../../../src/collector/serve/decode/decode-message.ts';
import { toFields } from '../../../../src/report/stored-document.ts';
import { makeReport } from '../../../support/reports.ts';

const OPTIONS: DecodeOptions = { keepUnknownFields: false, normaliseLegacy: false, keepCountry: false };
const SUBMIT = SubmitReportRequestSchema.typeName;
const STREAM = StreamReportsRequestSchema.typeName;
const KUBERMATIC = SubmitKubermaticReportRequestSchema.typeName;
const TIME = { seconds: 1_700_000_000n };

const invalid = (message: string | RegExp, field?: string): Error =>
  expect.objectContaining({ kind: 'invalid', field, message: expect.stringMatching(message) as string }) as Error;
const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const encode = (report: Report): Uint8Array =>
  toBinary(SubmitReportRequestSchema, create(SubmitReportRequestSchema, { report }));
const protobuf = (type: string, bytes: Uint8Array, options: Partial<DecodeOptions> = {}) =>
  decodeMessage({ format: 'protobuf', type, bytes }, { ...OPTIONS, ...options });
const fromJson = (type: string, value: unknown, options: Partial<DecodeOptions> = {}) =>
  decodeMessage({ format: 'json', type, bytes: json(value) }, { ...OPTIONS, ...options });
const legacy = (path: '/api/v1' | '/api/kubermatic/v1', value: unknown, options: Partial<DecodeOptions> = {}) =>
  decodeMessage({ format: 'legacy', path, bytes: json(value) }, { ...OPTIONS, ...options });

/** What the document of the first entry has. */
function fieldsOf({ entries }: ReturnType<typeof decodeMessage>): Record<string, unknown> {
  const [entry] = entries;
  if (entry === undefined || 'error' in entry) throw entry?.error ?? new Error('no entry');
  return deserialize(entry.document.fields);
}

test('the requests of CollectorService are decodable, and no other message', () => {
  expect([SUBMIT, STREAM, KUBERMATIC, ReportSchema.typeName].map(isDecodable)).toStrictEqual([true, true, true, false]);
  expect(() => protobuf(ReportSchema.typeName, new Uint8Array())).toThrow(TypeError);
});

describe('protobuf', () => {
  test.each([SUBMIT, STREAM])('%s without a report is rejected by itself', (type) => {
    expect(protobuf(type, new Uint8Array())).toMatchObject({
      dialect: 'report',
      entries: [{ reportId: '', error: { kind: 'invalid', message: 'report is required' } }],
    });
  });

  test.each([SUBMIT, STREAM, KUBERMATIC])('that is not valid is no %s', (type) => {
    expect(() => protobuf(type, Buffer.from([0x0a, 0x7f]))).toThrow(
      invalid(`the message cannot be decoded as ${type}`),
    );
  });

  test('with an item of a list that is longer than the report is not valid', () => {
    const nodes = ReportSchema.field.nodes.number;
    const report = new BinaryWriter().tag(nodes, WireType.LengthDelimited).uint32(5).raw(new Uint8Array(4)).finish();
    const request = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(report).finish();

    expect(() => protobuf(SUBMIT, request)).toThrow(invalid('cannot be decoded'));
  });

  test('with a list of another wire type is not valid, and a report of another wire type is none', () => {
    const clusterId = toBinary(ReportSchema, create(ReportSchema, { clusterId: 'c' }));
    const nodes = new BinaryWriter().tag(ReportSchema.field.nodes.number, WireType.Varint).uint32(7).finish();
    const reportOf = (bytes: Uint8Array) => new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(bytes).finish();
    const other = new BinaryWriter().tag(1, WireType.Varint).uint32(1).finish();

    expect(() => protobuf(STREAM, reportOf(Buffer.concat([clusterId, nodes])))).toThrow(invalid('cannot be decoded'));
    expect(protobuf(STREAM, Buffer.concat([other, reportOf(clusterId)]))).toMatchObject({
      entries: [{ document: { clusterId: 'c' } }],
    });
  });

  test('with a field of a report and its items in any order is the same document', () => {
    const report = makeReport();
    report.nodes = create(ReportSchema, { nodes: [{ id: 'a' }, { id: 'b' }] }).nodes;
    report.extensions = create(ReportSchema, { extensions: [{ name: 'example.com/a', value: 'ä' }] }).extensions;
    const { reportID: _, ...fields } = toFields(ReportSchema, report);

    expect(fieldsOf(protobuf(SUBMIT, encode(report)))).toStrictEqual(deserialize(serialize(fields)));
  });
});

describe('JSON', () => {
  test('without a report is invalid', () => {
    expect(() => fromJson(SUBMIT, {})).toThrow(invalid('^report is required$', 'report'));
  });

  test.each([
    [{ report: { clusterID: 7 } }, 'report.cluster_id', /^report\.cluster_id: .*SubmitReportRequest cannot be decoded/],
    [[], undefined, /^spartakus\.collector\.v1\.SubmitReportRequest cannot be decoded from JSON: ./],
  ])('that is no request names its wrong field, where there is one: %j', (value, field, message) => {
    expect(() => fromJson(SUBMIT, value)).toThrow(invalid(message, field));
  });

  test('of a stream is named as that', () => {
    expect(() => fromJson(STREAM, [])).toThrow(invalid('StreamReportsRequest cannot be decoded'));
  });

  test('that nests too deep, and what is no JSON, is invalid', () => {
    const deep = Buffer.from(`{"x":${'['.repeat(1_000)}${']'.repeat(1_000)}}`);

    expect(() => decodeMessage({ format: 'json', type: SUBMIT, bytes: deep }, OPTIONS)).toThrow(invalid('deep|nest'));
    expect(() => decodeMessage({ format: 'json', type: SUBMIT, bytes: Buffer.from('{') }, OPTIONS)).toThrow(
      expect.objectContaining({ kind: 'invalid' }) as Error,
    );
  });

  test('may have fields that the schema does not have', () => {
    expect(fromJson(SUBMIT, { report: { clusterID: 'c', noSuchField: 1 } })).toMatchObject({
      dialect: 'report',
      entries: [{ document: { kind: 'report', clusterId: 'c', reportId: '', droppedFields: 0 } }],
    });
  });

  test.each([
    ['without a cluster', { version: 'v' }, 'clusterID'],
    ['with a long text', { clusterID: 'c', nodes: [{ osImage: 'x'.repeat(1_025) }] }, 'nodes[0].osImage'],
  ])('of a report %s has its error, with the id of the report', (_what, report, field) => {
    const reportID = makeReport().reportId;

    expect(fromJson(SUBMIT, { report: { ...report, reportID } })).toMatchObject({
      entries: [{ reportId: reportID, error: { kind: 'invalid', field } }],
    });
  });

  test('of an envelope has an entry for each record, and names wrong fields', () => {
    const envelope = { version: 'v2', client_uuid: 'u', client_location: { countryCode: 'DE' } };
    const records = [
      { kind: 'kubernetes', client_uuid: ' ' },
      { kind: 'kubernetes', nodes: [{ id: 'n' }] },
    ];

    const decoded = fromJson(KUBERMATIC, { envelope: { ...envelope, records } });

    expect(decoded).toMatchObject({
      dialect: 'kubermatic',
      country: undefined,
      entries: [{ error: { kind: 'invalid' } }, { document: { kind: 'report', clusterId: 'u' } }],
    });
    expect(() => fromJson(KUBERMATIC, { envelope: { client_uuid: 7 } })).toThrow(
      invalid(/^envelope\.client_uuid: .*SubmitKubermaticReportRequest/, 'envelope.client_uuid'),
    );
    expect(() => fromJson(KUBERMATIC, {})).toThrow(invalid('envelope is required', 'envelope'));
  });
});

describe('an envelope', () => {
  const envelope = (init: MessageInitShape<typeof SubmitKubermaticReportRequestSchema>['envelope']) =>
    toBinary(SubmitKubermaticReportRequestSchema, create(SubmitKubermaticReportRequestSchema, { envelope: init }));
  const UNKNOWN = [{ no: 1_000, wireType: WireType.Varint, data: new Uint8Array([7]) }];

  test('has the country of its client only where it is kept', () => {
    const bytes = envelope({ version: 'v2', clientUuid: 'u', clientLocation: { countryCode: 'DE' }, records: [] });

    expect(protobuf(KUBERMATIC, bytes).country).toBeUndefined();
    expect(protobuf(KUBERMATIC, bytes, { keepCountry: true }).country).toBe('DE');
  });

  test.each([
    [false, 1],
    [true, 0],
  ])('has the unknown fields of its records where they are kept: %s', (keepUnknownFields, droppedFields) => {
    const record = { kind: 'kubermatic', time: TIME, clientUuid: 'u' };
    const request = create(SubmitKubermaticReportRequestSchema, {
      envelope: { version: 'v2', clientUuid: 'u', records: [record] },
    });
    request.envelope!.records[0]!.$unknown = UNKNOWN;
    const decoded = protobuf(KUBERMATIC, toBinary(SubmitKubermaticReportRequestSchema, request), { keepUnknownFields });

    expect(decoded).toMatchObject({ entries: [{ document: { kind: 'kubermaticRecord', droppedFields } }] });
    expect('unknownFields' in fieldsOf(decoded)).toBe(keepUnknownFields);
    expect(fieldsOf(decoded)).not.toHaveProperty('reportID');
  });

  test.each([true, false])('is normalised where that is set: %s', (normaliseLegacy) => {
    const records = [{ kind: 'kubernetes', time: TIME, nodes: [{ id: 'n', osImage: 'a private build' }] }];
    const bytes = envelope({ version: 'v2', clientUuid: 'u', records });

    const [node] = fieldsOf(protobuf(KUBERMATIC, bytes, { normaliseLegacy }))['nodes'] as { osImage: string }[];

    expect(node?.osImage === 'a private build').toBe(!normaliseLegacy);
  });
});

describe('a legacy body', () => {
  const NODES = [{ id: 'n', osImage: 'a private build' }];

  test('needs no cluster, and its unknown fields are counted', () => {
    expect(legacy('/api/v1', { version: 'v', sequence: {} })).toMatchObject({
      dialect: 'spartakus',
      unknownFields: 1,
      entries: [{ document: { kind: 'report', clusterId: '' } }],
    });
  });

  test.each([true, false])('is normalised where that is set: %s', (normaliseLegacy) => {
    const [node] = fieldsOf(legacy('/api/v1', { clusterID: 'c', nodes: NODES }, { normaliseLegacy }))['nodes'] as {
      osImage: string;
    }[];

    expect(node?.osImage === 'a private build').toBe(!normaliseLegacy);
  });

  test('of a report in JSON is never normalised over Connect', () => {
    const decoded = fromJson(SUBMIT, { report: { clusterID: 'c', nodes: NODES } }, { normaliseLegacy: true });

    expect(fieldsOf(decoded)).toMatchObject({ nodes: NODES });
  });
});
