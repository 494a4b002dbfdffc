import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { reportIdOf, validateSubmission } from '../../../src/collector/ingest/prepare.ts';
import type { EncodedDocument } from '../../../src/report/report-sink.ts';

const REPORT_ID = '01890a5d-ac96-774b-bcce-b302099a8057';
const report = create(ReportSchema, { clusterId: 'of the report', reportId: REPORT_ID });
const kubermaticRecord = create(RecordSchema, { kind: 'kubermatic', clientUuid: 'of the client', reportId: REPORT_ID });
const encodedDocument: EncodedDocument = {
  kind: 'report',
  clusterId: 'of the document',
  reportId: REPORT_ID,
  fields: new Uint8Array(),
  droppedFields: 0,
};

test.each([
  ['report', { report }, 'of the report', report],
  ['record of Kubermatic', { kubermaticRecord }, 'of the client', kubermaticRecord],
  ['report that another thread has encoded', { encodedDocument }, 'of the document', encodedDocument],
])('the cluster, the content and the id of a %s are found', (_what, submission, clusterId, content) => {
  const valid = validateSubmission(submission, true);

  expect(valid.clusterId).toBe(clusterId);
  expect(valid.content).toBe(content);
  expect(reportIdOf(submission)).toBe(REPORT_ID);
});

test('a report needs a cluster id only where one is required', () => {
  const anonymous = { report: create(ReportSchema, { reportId: REPORT_ID }) };

  expect(validateSubmission(anonymous, false).clusterId).toBe('');
  expect(() => validateSubmission(anonymous, true)).toThrow(expect.objectContaining({ field: 'clusterID' }));
});
