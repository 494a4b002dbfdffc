import { create, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CollectorService, Outcome } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { type Envelope, EnvelopeSchema } from '../../../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import { SeedSchema } from '../../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { isReportId } from '../../../../src/report/report-id.ts';
import { startTestCollector, type TestCollector } from '../../../support/collector.ts';

/** A document may have 16 MiB; the message that makes one may be larger. */
const MAX_BYTES = 20 * 1024 * 1024;

let collector: TestCollector;

beforeAll(async () => {
  collector = await startTestCollector({ limits: { maxProtobufBytes: MAX_BYTES, reportsPerHourPerCluster: 0 } });
});

beforeEach(async () => {
  await collector.reports.deleteMany({});
  await collector.kubermaticRecords.deleteMany({});
});

afterAll(() => collector.close());

const TIME = '2024-05-06T00:00:06.071255038Z';
const envelope = (json: JsonValue): Envelope => fromJson(EnvelopeSchema, json);
const submit = (message?: Envelope, transport = createGrpcTransport({ baseUrl: collector.url })) =>
  createClient(CollectorService, transport).submitKubermaticReport(message === undefined ? {} : { envelope: message });
const failure = async (message?: Envelope): Promise<ConnectError> =>
  ConnectError.from(await submit(message).catch((error: unknown) => error));
const countAll = async (): Promise<readonly number[]> =>
  Promise.all([collector.reports.countDocuments(), collector.kubermaticRecords.countDocuments()]);

const two = (): Envelope =>
  envelope({
    version: 'v2',
    client_uuid: 'u',
    records: [
      { kind: 'kubermatic', version: 'v2', time: TIME, users: [{ uuid: 'a', is_admin: false }] },
      { kind: 'kubernetes', version: 'v2', time: TIME, kubernetes_version: 'v1.28.7', nodes: [{ id: 'n' }] },
    ],
  });

test('each record is answered by a receipt in its place, and the same envelope again as duplicates of the same ids', async () => {
  const { receipts } = await submit(two());
  const { receipts: again } = await submit(two());

  expect(receipts.map(({ outcome }) => outcome)).toStrictEqual([Outcome.STORED, Outcome.STORED]);
  expect(again.map(({ outcome }) => outcome)).toStrictEqual([Outcome.DUPLICATE, Outcome.DUPLICATE]);
  expect(again.map(({ reportId }) => reportId)).toStrictEqual(receipts.map(({ reportId }) => reportId));
  expect(receipts.map(({ reportId }) => isReportId(reportId))).toStrictEqual([true, true]);
  await expect(collector.kubermaticRecords.find().toArray()).resolves.toMatchObject([
    { _id: receipts[0]?.reportId, clientUUID: 'u', users: [{ uuid: 'a', isAdmin: false }] },
  ]);
  await expect(collector.reports.find().toArray()).resolves.toMatchObject([
    { _id: receipts[1]?.reportId, clusterID: 'u', masterVersion: 'v1.28.7' },
  ]);
});

test('over the legacy JSON API the same records are the same documents', async () => {
  await submit(two());
  const body = {
    client_uuid: 'u',
    records: [{ kind: 'kubermatic', version: 'v2', time: TIME, users: [{ uuid: 'a', is_admin: false }] }],
  };

  const { status } = await fetch(`${collector.url}/api/kubermatic/v1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

  expect(status).toBe(204);
  await expect(countAll()).resolves.toStrictEqual([1, 1]);
});

test('Connect with JSON works too', async () => {
  const transport = createConnectTransport({ baseUrl: collector.url, httpVersion: '1.1', useBinaryFormat: false });

  await expect(submit(two(), transport)).resolves.toMatchObject({
    receipts: [{ outcome: Outcome.STORED }, { outcome: Outcome.STORED }],
  });
});

test.each<[string, Envelope | undefined, string]>([
  ['no envelope', undefined, 'envelope is required'],
  ['no client', envelope({ records: [{ kind: 'kubermatic' }] }), 'envelope.client_uuid is required'],
  [
    'a kind that is none',
    envelope({ client_uuid: 'u', records: [{ kind: 'kubermatic' }, { kind: 'k3s' }] }),
    'envelope.records[1].kind',
  ],
  [
    'an id that is none',
    envelope({ client_uuid: 'u', records: [{ kind: 'kubermatic', reportID: 'x' }] }),
    'envelope.records[0].report_id',
  ],
  [
    'a date that cannot be stored',
    envelope({ client_uuid: 'u', records: [{ kind: 'kubermatic', time: '1969-12-31T23:59:59Z' }] }),
    'envelope.records[0].time',
  ],
])('%s is INVALID_ARGUMENT, and nothing is stored', async (_name, message, said) => {
  const error = await failure(message);

  expect(error.code).toBe(Code.InvalidArgument);
  expect(error.rawMessage).toContain(said);
  await expect(countAll()).resolves.toStrictEqual([0, 0]);
});

test('a record that the database cannot take is rejected by itself, and the others are stored', async () => {
  const message = two();
  message.records[0]!.seeds = Array.from({ length: 17_000 }, () => create(SeedSchema, { uuid: 'x'.repeat(1_000) }));

  const { receipts } = await submit(message, createGrpcTransport({ baseUrl: collector.url, writeMaxBytes: MAX_BYTES }));

  expect(receipts).toMatchObject([
    { outcome: Outcome.REFUSED, refusal: { code: Code.ResourceExhausted } },
    { outcome: Outcome.STORED },
  ]);
  await expect(countAll()).resolves.toStrictEqual([1, 0]);
});

test('countries are kept only where the operator asks for it, and nothing else of a place', async () => {
  const record = { kind: 'kubermatic', time: TIME, seeds: [{ uuid: 's', country: 'de' }] };
  const message = envelope({
    client_uuid: 'u',
    client_location: { country: 'Sweden', country_code: 'SE' },
    records: [record],
  });
  await submit(message);
  const dropped = await collector.kubermaticRecords.find().toArray();
  await collector.close();
  collector = await startTestCollector({ keepCountry: true });
  await submit(message);
  const kept = await collector.kubermaticRecords.find().toArray();

  expect(dropped).toHaveLength(1);
  expect(JSON.stringify(dropped)).not.toMatch(/country|"SE"|"de"/i);
  expect(kept).toMatchObject([{ country: 'SE', seeds: [{ uuid: 's', country: 'DE' }] }]);
  expect(JSON.stringify(kept)).not.toContain('Sweden');
});
