import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Record as KubermaticRecord, RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { parseDatabase } from '../../../src/collector/store/database-spec.ts';
import { openStore } from '../../../src/collector/store/open.ts';
import { createStdoutStore } from '../../../src/collector/store/stdout.ts';
import { createReportId } from '../../../src/report/report-id.ts';
import type { ReportStore } from '../../../src/report/report-sink.ts';
import { toDocument, toKubermaticDocument } from '../../../src/report/stored-document.ts';
import { makeTestDatabase, type TestDatabase } from '../../support/database.ts';
import { makeReport } from '../../support/reports.ts';

const TIME = new Date('2024-05-06T00:00:14.208Z');
const RECEIVED_AT = new Date('2026-11-21T10:00:00.123Z');

let database: TestDatabase;
let store: ReportStore;

beforeAll(async () => {
  database = await makeTestDatabase();
  store = await openStore(parseDatabase(database.spec), {
    appName: 'spartakus-test',
    storeTimeoutMs: 10_000,
    stdout: process.stdout,
  });
});

afterAll(() => database.remove(() => store.close()));

function makeRecord(): KubermaticRecord {
  return create(RecordSchema, {
    kind: 'kubermatic',
    time: timestampFromDate(TIME),
    clusters: [{ uuid: 'c', etcdClusterSize: 3, opaIntegrationEnabled: false, cloud: { providerName: 'aws' } }],
    reportId: createReportId(TIME, crypto.getRandomValues(new Uint8Array(16))),
    clientUuid: 'u',
  });
}

test('a put of both kinds stores each in its collection, and returns outcomes in order', async () => {
  const [first, second] = [makeRecord(), makeRecord()];
  const large = makeRecord();
  large.kubermaticVersion = 'x'.repeat(16 * 1024 * 1024);
  const report = makeReport();
  await store.put([{ kubermaticRecord: first, receivedAt: RECEIVED_AT }]);

  const outcomes = await store.put([
    { kubermaticRecord: large, receivedAt: RECEIVED_AT },
    { report, receivedAt: RECEIVED_AT },
    {
      kubermaticRecord: second,
      receivedAt: RECEIVED_AT,
      origin: { protocol: 'grpc', recordedAddress: '192.0.2.1:80' },
    },
    { kubermaticRecord: first, receivedAt: RECEIVED_AT },
  ]);

  expect(outcomes.map(({ status }) => status)).toStrictEqual(['failed', 'stored', 'stored', 'duplicate']);
  const reports = await database.reports();
  await expect(reports.find().toArray()).resolves.toStrictEqual([toDocument(report, RECEIVED_AT)]);
  await expect(reports.db.collection('kubermaticRecords').find().toArray()).resolves.toStrictEqual([
    toKubermaticDocument(first, RECEIVED_AT),
    toKubermaticDocument(second, RECEIVED_AT, { origin: { protocol: 'grpc', recordedAddress: '192.0.2.1:80' } }),
  ]);
});

test('the document of a record has JSON names, and a date for its time', () => {
  const record = makeRecord();

  expect(toKubermaticDocument(record, RECEIVED_AT, { country: 'DE' })).toStrictEqual({
    _id: record.reportId,
    receivedAt: RECEIVED_AT,
    country: 'DE',
    kind: 'kubermatic',
    time: TIME,
    clusters: [{ uuid: 'c', etcdClusterSize: 3, cloud: { provider: 'aws' }, opaIntegrationEnabled: false }],
    clientUUID: 'u',
  });
});

test('stdout prints a line for each kind', async () => {
  const output = new PassThrough();
  const [record, report] = [makeRecord(), makeReport()];

  await createStdoutStore(output).put([
    { kubermaticRecord: record, receivedAt: RECEIVED_AT },
    { report, receivedAt: RECEIVED_AT },
  ]);
  output.end();

  const lines = (await text(output)).trimEnd().split('\n');
  expect(lines).toStrictEqual(
    [toKubermaticDocument(record, RECEIVED_AT), toDocument(report, RECEIVED_AT)].map((document) =>
      JSON.stringify(document),
    ),
  );
});
