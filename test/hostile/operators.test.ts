import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startTestCollector, type TestCollector } from '../support/collector.ts';
import { SUBMIT_PATH } from '../support/raw-grpc.ts';

let collector: TestCollector;

beforeAll(async () => {
  collector = await startTestCollector();
});

beforeEach(async () => {
  await collector.reports.deleteMany({});
});

afterAll(() => collector.close());

function post(path: string, body: string | Uint8Array<ArrayBuffer>): Promise<Response> {
  return fetch(collector.url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
}

/** The paths that accept JSON, and the body of a report for each. */
const PATHS = [
  ['/api/v1', (report: string) => report],
  [SUBMIT_PATH, (report: string) => `{"report": ${report}}`],
] as const;

const ODD_NAMES = ['$where', '$ne', '__proto__', 'constructor', 'a.b', '\0', 'toString'];

test.each(PATHS)(
  'names with a meaning in MongoDB or JavaScript are stored as plain strings, by %s',
  async (path, wrap) => {
    const extensions = JSON.stringify(ODD_NAMES.map((name) => ({ name, value: '{"$gt": ""}' })));

    await expect(
      post(path, wrap(`{"clusterID": "$cluster", "masterVersion": "$$ROOT", "extensions": ${extensions}}`)),
    ).resolves.toMatchObject({ ok: true });

    const document = await collector.reports.findOne({ clusterID: '$cluster' });
    expect(document).toMatchObject({ masterVersion: '$$ROOT', extensions: JSON.parse(extensions) as unknown });
    const counted = await collector.reports
      .aggregate([{ $group: { _id: '$masterVersion', reports: { $sum: 1 } } }])
      .toArray();
    expect(counted).toStrictEqual([{ _id: '$$ROOT', reports: 1 }]);
  },
);

test.each(PATHS)('an operator in the place of a string is rejected, by %s', async (path, wrap) => {
  for (const wrong of [
    '{"clusterID": {"$ne": ""}}',
    '{"clusterID": "c", "masterVersion": {"$gt": ""}}',
    '{"clusterID": "c", "nodes": {"$each": []}}',
  ]) {
    await expect(post(path, wrap(wrong))).resolves.toMatchObject({ status: 400 });
  }
  await expect(collector.reports.countDocuments()).resolves.toBe(0);
});

test.each(PATHS)('keys that name prototypes have no effect and are not stored, by %s', async (path, wrap) => {
  const body =
    '{"clusterID": "c", "__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}, "$set": {"x": 1}, "a.b": 1}';

  await expect(post(path, wrap(body))).resolves.toMatchObject({ ok: true });

  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  const document = await collector.reports.findOne({ clusterID: 'c' });
  expect(Object.keys(document ?? {}).toSorted()).toStrictEqual(['_id', 'clusterID', 'receivedAt']);
});

test('invalid UTF-8 is stored as U+FFFD, as by the original collector', async () => {
  const body = Buffer.concat([Buffer.from('{"clusterID": "c'), Buffer.from([0xff, 0xc3, 0x28]), Buffer.from('"}')]);

  await expect(post('/api/v1', body)).resolves.toMatchObject({ status: 204 });
  await expect(collector.reports.findOne()).resolves.toMatchObject({ clusterID: 'c��(' });
});
