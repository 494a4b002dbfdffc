import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTestCollector, type TestCollector } from '../../../support/collector.ts';

const PATHS = ['/api/kubermatic/v1', '/api/v1'] as const;
/** A BSON document may have at most 16 MiB; the body that makes one may be larger. */
const MAX_JSON_BYTES = 20 * 1024 * 1024;

let collector: TestCollector;

beforeAll(async () => {
  collector = await startTestCollector({ limits: { maxJsonBytes: MAX_JSON_BYTES } });
});

beforeEach(async () => {
  await collector.reports.deleteMany({});
  await collector.kubermaticRecords.deleteMany({});
});

afterAll(() => collector.close());

interface Golden {
  readonly body: { readonly time: string; readonly records: readonly object[] };
  readonly reports: readonly { readonly document: object }[];
  readonly records: readonly { readonly document: object }[];
}

const golden = async (name: string): Promise<Golden> =>
  JSON.parse(await readFile(new URL(`../../../golden/kubermatic/${name}.json`, import.meta.url), 'utf8')) as Golden;

const post = (body: object, path: string = PATHS[0], url = collector.url): Promise<Response> =>
  fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** As a golden file has it: in JSON, and without the time of receipt. */
const asJson = (documents: readonly object[]): unknown =>
  JSON.parse(JSON.stringify(documents.map((document) => ({ ...document, receivedAt: '' }))));
const countAll = async (): Promise<readonly number[]> =>
  Promise.all([collector.reports.countDocuments(), collector.kubermaticRecords.countDocuments()]);

describe.each(PATHS)('POST %s', (path) => {
  test.each(['report-v1', 'report-v1-location', 'report-v2', 'record-kubermatic-v2', 'record-kubermatic-proposal'])(
    '%s is answered 204 without a body, and stored as the golden file has it',
    async (name) => {
      const { body, reports, records } = await golden(name);

      const response = await post(body, path);

      expect(response.status).toBe(204);
      await expect(response.text()).resolves.toBe('');
      expect(asJson(await collector.reports.find().toArray())).toStrictEqual(
        asJson(reports.map(({ document }) => document)),
      );
      expect(asJson(await collector.kubermaticRecords.find().toArray())).toStrictEqual(
        asJson(records.map(({ document }) => document)),
      );
    },
  );

  test('a wrong record among good ones is answered 400, and nothing is stored', async () => {
    const { body } = await golden('report-v2');

    const response = await post({ ...body, records: [...body.records, { kind: 'k3s' }] }, path);

    expect(response.status).toBe(400);
    await expect(response.text()).resolves.toBe(
      'Error: the body is not a report: records[2].kind: expected "kubernetes" or "kubermatic"\n',
    );
    await expect(countAll()).resolves.toStrictEqual([0, 0]);
  });
});

test('a record is stored with types: dates, numbers and booleans', async () => {
  await post((await golden('report-v2')).body);

  const typed = await collector.kubermaticRecords.findOne({
    receivedAt: { $type: 'date' },
    time: { $type: 'date' },
    'clusters.etcdClusterSize': { $type: 'int' },
    'clusters.opaIntegrationEnabled': { $type: 'bool' },
    'users.isAdmin': false,
    'sshKeys.ownerProjectUUID': { $type: 'string' },
    clientUUID: '7c0f3c52-5b1e-4d0a-9b0e-3f4f2a9d6e11',
  });

  expect(typed?.['time']).toStrictEqual(new Date('2024-05-06T00:00:14.208Z'));
});

test('the same files in a later envelope are stored once, and what is new among them as well', async () => {
  const { body } = await golden('report-v2');
  const later = {
    ...body,
    time: '2024-05-07T00:00:19Z',
    records: [...body.records, { kind: 'kubermatic', version: 'v2', time: '2024-05-07T00:00:14Z' }],
  };

  const statuses = [(await post(body)).status, (await post(body)).status, (await post(later)).status];

  expect(statuses).toStrictEqual([204, 204, 204]);
  await expect(countAll()).resolves.toStrictEqual([1, 2]);
});

test('records without any time are all stored: they could be of two days', async () => {
  const body = { client_uuid: 'u', records: [{ kind: 'kubermatic' }, { kind: 'kubernetes' }] };

  const statuses = [(await post(body)).status, (await post(body)).status];

  expect(statuses).toStrictEqual([204, 204]);
  await expect(countAll()).resolves.toStrictEqual([2, 2]);
});

test('a record that cannot be stored fails its body, and the others are stored when it comes again without it', async () => {
  const { body } = await golden('report-v2');
  const large = {
    kind: 'kubermatic',
    time: '2024-05-06T00:00:14Z',
    seeds: Array.from({ length: 17_000 }, () => ({ uuid: 'x'.repeat(1_000) })),
  };

  const failed = await post({ ...body, records: [...body.records, large] });
  const again = await post(body);

  expect([failed.status, again.status]).toStrictEqual([413, 204]);
  await expect(countAll()).resolves.toStrictEqual([1, 1]);
});

test('an envelope without records is answered 204, and nothing is stored', async () => {
  await expect(post({ version: 'v2', client_uuid: 'u' })).resolves.toMatchObject({ status: 204 });
  await expect(countAll()).resolves.toStrictEqual([0, 0]);
});

test('a report of Spartakus on the path of Kubermatic is answered 400, and says what is expected', async () => {
  const response = await post({ clusterID: 'c' });

  expect(response.status).toBe(400);
  await expect(response.text()).resolves.toContain('expected client_uuid and records');
});

test('the indexes of records are those of reports, by client', async () => {
  const indexes = await collector.kubermaticRecords.indexes();

  expect(indexes.map(({ key }) => key as unknown)).toStrictEqual([
    { _id: 1 },
    { clientUUID: 1, receivedAt: -1 },
    { receivedAt: -1 },
    { quarantined: 1, receivedAt: 1 },
    { 'facts.late': 1 },
  ]);
});
