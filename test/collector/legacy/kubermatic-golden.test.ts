import { readFile } from 'node:fs/promises';
import { type JsonValue, toJson } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { readKubermaticReport } from '../../../src/collector/legacy/kubermatic.ts';
import { parseJson } from '../../../src/report/go-json.ts';
import { toDocument, toKubermaticDocument } from '../../../src/report/stored-document.ts';
import { byKind } from '../../support/kubermatic-submission.ts';

const SAMPLES = ['report-v1', 'report-v1-location', 'report-v2', 'record-kubermatic-v2', 'record-kubermatic-proposal'];

const sample = async (name: string): Promise<JsonValue> =>
  parseJson(await readFile(new URL(`../../fixtures/kubermatic/${name}.json`, import.meta.url)));

describe('golden files: the body beside the reports and records that it becomes and the documents that are stored', () => {
  test.each(SAMPLES)('%s', async (name) => {
    const body = await sample(name);
    const { reports, records: kept } = byKind(readKubermaticReport(body, { keepCountry: false }));
    const receivedAt = new Date('2026-11-21T10:00:00Z');
    const golden = {
      body,
      reports: reports.map((report) => ({
        report: toJson(ReportSchema, report),
        document: toDocument(report, receivedAt),
      })),
      records: kept.map((record) => ({
        record: toJson(RecordSchema, record),
        document: toKubermaticDocument(record, receivedAt),
      })),
    };

    // Addresses and places of the samples.
    expect(JSON.stringify([golden.reports, golden.records])).not.toMatch(
      /192\.0\.2|external|location|country|Frankfurt|Ashburn,|Basement/i,
    );
    await expect(`${JSON.stringify(golden, null, 2)}\n`).toMatchFileSnapshot(`../../golden/kubermatic/${name}.json`);
  });
});
