import { create, toBinary } from '@bufbuild/protobuf';
import { calculateObjectSize } from 'bson';
import { describe, expect, test } from 'vitest';
import { SubmitReportRequestSchema } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { ExtensionSchema, type Report, ReportSchema } from '../../../../gen/spartakus/report/v1/report_pb.js';
import { type DecodedEntry, decodeMessage } from '../../../../src/collector/serve/decode/decode-message.ts';
import { MAX_DOCUMENT_BYTES, toFields } from '../../../../src/report/stored-document.ts';
import { legacyJson } from '../../../support/protocols.ts';
import { makeReport } from '../../../support/reports.ts';

const OPTIONS = { keepUnknownFields: false, normaliseLegacy: false, keepCountry: false };
const TEXT_BYTES = 200_000;

function sizeOf(report: Report): number {
  const { reportID: _, ...fields } = toFields(ReportSchema, report);
  return calculateObjectSize(fields);
}

/** A report whose fields take so many bytes in a document. */
function reportOfSize(documentBytes: number): Report {
  const report = makeReport();
  const add = (value: string): unknown =>
    report.extensions.push(create(ExtensionSchema, { name: `example.com/${report.extensions.length}`, value }));
  const texts = Math.floor(documentBytes / TEXT_BYTES) - 1;
  for (let each = 0; each < texts; each += 1) add('x'.repeat(TEXT_BYTES));
  add('x');
  add('x');
  for (const last of report.extensions.slice(-2))
    last.value = 'x'.repeat(Math.min(TEXT_BYTES, 1 + documentBytes - sizeOf(report)));
  return report;
}

const decoders: readonly (readonly [string, (report: Report) => readonly DecodedEntry[]])[] = [
  [
    'protobuf',
    (report) =>
      decodeMessage(
        {
          format: 'protobuf',
          type: SubmitReportRequestSchema.typeName,
          bytes: toBinary(SubmitReportRequestSchema, create(SubmitReportRequestSchema, { report })),
        },
        OPTIONS,
      ).entries,
  ],
  [
    'the legacy API',
    (report) =>
      decodeMessage({ format: 'legacy', path: '/api/v1', bytes: Buffer.from(legacyJson(report)) }, OPTIONS).entries,
  ],
];

describe.each(decoders)('a report of %s', (_name, decode) => {
  test('whose fields take as many bytes as a document may have is decoded', () => {
    const report = reportOfSize(MAX_DOCUMENT_BYTES);
    expect(sizeOf(report)).toBe(MAX_DOCUMENT_BYTES);

    const [entry] = decode(report);

    expect(entry !== undefined && 'document' in entry ? entry.document.fields.length : entry?.error).toBe(
      MAX_DOCUMENT_BYTES,
    );
  });

  test('with one byte more is rejected for good, as too large', () => {
    const [entry] = decode(reportOfSize(MAX_DOCUMENT_BYTES + 1));

    expect(entry).toMatchObject({ error: { kind: 'too-large', retryable: false } });
  });
});
