import { create, type MessageInitShape, toBinary, toJsonString } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, test } from 'vitest';
import {
  StreamReportsRequestSchema,
  SubmitKubermaticReportRequestSchema,
  SubmitReportRequestSchema,
} from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { type Report, ReportSchema } from '../../../../gen/spartakus/report/v1/report_pb.js';
import { decodeMessage, type DecodeOptions } from '../../../../src/collector/serve/decode/decode-message.ts';
import { documentOf } from '../../../../src/collector/store/encoded-document.ts';
import { toDocument } from '../../../../src/report/stored-document.ts';
import { makeReport } from '../../../support/reports.ts';

const OPTIONS: DecodeOptions = { keepUnknownFields: false, normaliseLegacy: false, keepCountry: false };
const RECEIVED = new Date(Date.UTC(2026, 10, 21));

function largeReport(init: Pick<MessageInitShape<typeof ReportSchema>, 'nodes' | 'masterVersion'> = {}): Report {
  const { $typeName: _type, ...report } = makeReport();
  const large: MessageInitShape<typeof ReportSchema> = {
    ...(report as object),
    masterVersion: 'v1.31.4',
    nodes: Array.from({ length: 400 }, (_, index) => ({
      id: `node-${index}`,
      osImage: 'Ubuntu 24.04 – größer',
      capacity: ['cpu', 'memory'].map((resource) => ({ resource, value: String(index) })),
    })),
    extensions: [{ name: 'example.com/a', value: 'x'.repeat(100_000) }],
    workloads: { pods: [{ atLeast: 1, namespaces: 2 }] },
    ...init,
  };
  return create(ReportSchema, large);
}

const encode = (report: Report): Uint8Array =>
  toBinary(SubmitReportRequestSchema, create(SubmitReportRequestSchema, { report }));

/** The stored document of a message in protobuf. */
function decoded(bytes: Uint8Array, options: Partial<DecodeOptions> = {}) {
  const type = SubmitReportRequestSchema.typeName;
  const { entries } = decodeMessage({ format: 'protobuf', type, bytes }, { ...OPTIONS, ...options });
  const [entry] = entries;
  if (entry === undefined || 'error' in entry) throw entry?.error ?? new Error('no entry');
  const encodedDocument = entry.document;
  return { ...documentOf({ encodedDocument, receivedAt: RECEIVED }), droppedFields: encodedDocument.droppedFields };
}

describe('a large report in protobuf', () => {
  test('is the same document as a small one would be', () => {
    const report = largeReport();

    expect(decoded(encode(report))).toStrictEqual({
      kind: 'report',
      document: toDocument(report, RECEIVED),
      droppedFields: 0,
    });
  });

  test('is the same document where the lists are mixed, and the report is sent in parts', () => {
    const report = largeReport();
    const { nodes, $typeName: _, ...rest } = report;
    const half = nodes.length / 2;
    const parts = [
      { ...rest, nodes: nodes.slice(0, half), extensions: [], workloads: undefined },
      { ...rest, nodes: nodes.slice(half) },
    ].map((part) => encode(create(ReportSchema, part)));

    expect(decoded(Buffer.concat(parts)).document).toStrictEqual(toDocument(report, RECEIVED));
  });

  test('has no list that is empty', () => {
    const report = largeReport({ nodes: [], masterVersion: 'x'.repeat(100) });

    expect(decoded(encode(report)).document).toStrictEqual(toDocument(report, RECEIVED));
  });

  test.each([true, false])('has the fields that the schema does not have, where they are kept: %s', (keep) => {
    const unknown = new BinaryWriter().tag(1_000, WireType.Varint).uint32(7).finish();
    const report = largeReport();
    report.nodes[5]!.$unknown = [{ no: 1_000, wireType: WireType.Varint, data: unknown.subarray(2) }];
    report.$unknown = [{ no: 1_001, wireType: WireType.Varint, data: unknown.subarray(2) }];

    const { document, droppedFields } = decoded(encode(report), { keepUnknownFields: keep });

    expect(droppedFields).toBe(keep ? 0 : 2);
    expect('unknownFields' in document).toBe(keep);
    expect((document['nodes'] as object[]).map((node) => 'unknownFields' in node).indexOf(true)).toBe(keep ? 5 : -1);
  });

  test.each([
    ['a node with a long text', (report: Report) => (report.nodes[3]!.osImage = 'x'.repeat(1_025)), 'nodes[3].osImage'],
    ['a long cluster id', (report: Report) => (report.clusterId = 'x'.repeat(257)), 'clusterID'],
    ['no cluster id', (report: Report) => (report.clusterId = ''), 'clusterID'],
  ])('is rejected by itself for %s', (_what, change, field) => {
    const report = largeReport();
    change(report);
    const job = { format: 'protobuf', type: StreamReportsRequestSchema.typeName, bytes: encode(report) } as const;

    expect(decodeMessage(job, OPTIONS).entries).toMatchObject([
      { reportId: report.reportId, error: { kind: 'invalid', field } },
    ]);
  });

  test('is rejected where its document is larger than MongoDB takes', () => {
    const text = 'x'.repeat(1_000);
    const capacity = Array.from({ length: 60 }, () => ({ resource: text, value: text }));
    const nodes = Array.from({ length: 150 }, () => ({ capacity }));

    expect(() => decoded(encode(largeReport({ nodes })))).toThrow(
      expect.objectContaining({ kind: 'too-large' }) as Error,
    );
  });

  test('is rejected where it cannot be decoded', () => {
    const bytes = encode(largeReport()).subarray(0, -1);

    expect(() => decoded(bytes)).toThrow(expect.objectContaining({ kind: 'invalid' }) as Error);
  });
});

test('a large report in JSON is the same document, by Connect and by the legacy API', () => {
  const report = largeReport();
  const json = toJsonString(SubmitReportRequestSchema, create(SubmitReportRequestSchema, { report }));
  const legacy = JSON.stringify((JSON.parse(json) as { report: unknown }).report);
  const type = SubmitReportRequestSchema.typeName;

  for (const { entries } of [
    decodeMessage({ format: 'json', type, bytes: Buffer.from(json) }, OPTIONS),
    decodeMessage({ format: 'legacy', path: '/api/v1', bytes: Buffer.from(legacy) }, OPTIONS),
  ]) {
    const [entry] = entries;
    if (entry === undefined || 'error' in entry) throw new Error('no document');
    const { document } = documentOf({ encodedDocument: entry.document, receivedAt: RECEIVED });
    expect(document).toStrictEqual(toDocument(report, RECEIVED));
  }
});

test('validate_only is read of SubmitReport, before and after the report, and is no field of a stream', () => {
  const { typeName: submit } = SubmitReportRequestSchema;
  const { typeName: stream } = StreamReportsRequestSchema;
  const report = encode(largeReport());
  const flag = toBinary(SubmitReportRequestSchema, create(SubmitReportRequestSchema, { validateOnly: true }));
  const json = (content: object): Uint8Array => Buffer.from(JSON.stringify({ report: { clusterID: 'c' }, ...content }));
  const read = (format: 'protobuf' | 'json', type: string, bytes: Uint8Array): boolean =>
    decodeMessage({ format, type, bytes }, OPTIONS).validateOnly === true;

  for (const bytes of [Buffer.concat([flag, report]), Buffer.concat([report, flag])])
    expect([read('protobuf', submit, bytes), read('protobuf', stream, bytes)]).toStrictEqual([true, false]);
  for (const name of ['validateOnly', 'validate_only']) {
    const bytes = json({ [name]: true });
    expect([read('json', submit, bytes), read('json', stream, bytes)]).toStrictEqual([true, false]);
  }
  expect([read('protobuf', submit, report), read('json', submit, json({}))]).toStrictEqual([false, false]);
});

test('JSON with a field of the wrong type is rejected with its path', () => {
  const json = JSON.stringify({ report: { nodes: [{}, { capacity: [{ value: 1 }] }] } });
  const job = { format: 'json', type: SubmitReportRequestSchema.typeName, bytes: Buffer.from(json) } as const;

  expect(() => decodeMessage(job, OPTIONS)).toThrow(
    expect.objectContaining({ kind: 'invalid', field: 'report.nodes[1].capacity[0].value' }) as Error,
  );
});

test('of an envelope, each record has its own outcome', () => {
  const time = { seconds: 1_700_000_000n };
  const bytes = toBinary(
    SubmitKubermaticReportRequestSchema,
    create(SubmitKubermaticReportRequestSchema, {
      envelope: {
        version: 'v2',
        clientUuid: 'u',
        records: [
          { kind: 'kubermatic', time, kubermaticVersion: 'v2.25.0' },
          { kind: 'kubernetes', time, nodes: [{ id: 'n' }] },
        ],
      },
    }),
  );
  const type = SubmitKubermaticReportRequestSchema.typeName;

  const { entries, dialect } = decodeMessage({ format: 'protobuf', type, bytes }, OPTIONS);

  expect(dialect).toBe('kubermatic');
  expect(entries).toMatchObject([
    { document: { kind: 'kubermaticRecord', clusterId: 'u' } },
    { document: { kind: 'report', clusterId: 'u' } },
  ]);
});
