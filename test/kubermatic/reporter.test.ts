import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type ReporterConfig,
  type ReporterEnd,
  type ReporterOptions,
  startReporter,
} from '../../src/kubermatic/reporter.ts';
import { startTestCollector, type TestCollector } from '../support/collector.ts';
import { startServer, type TestServer } from '../support/http-server.ts';
import { readFixture } from '../support/kube-api.ts';
import { createKeptLog, type KeptLog } from '../support/log.ts';
import { createMortalFiles } from '../support/mortal-files.ts';
import { sampled } from '../support/sampled.ts';

const CLIENT_UUID = '7c0f3c52-5b1e-4d0a-9b0e-3f4f2a9d6e11';
const TIME = '2024-05-06T00:00:06.071255038Z';
const MAX_BYTES = 20 * 2 ** 20;
const TRANSPORTS = ['http', 'grpc'] as const;

let collector: TestCollector;
let work: string;
let dir: string;
let log: KeptLog;
/** A clock that moves on by a second with each reading, and by the whole time with each sleep, without waiting. */
let nowMs: number;
const clock = {
  now: () => new Date((nowMs += 1000)),
  sleep: (ms: number) => {
    nowMs += ms;
    return Promise.resolve();
  },
};

beforeAll(async () => {
  collector = await startTestCollector({
    limits: {
      maxJsonBytes: MAX_BYTES,
      maxProtobufBytes: MAX_BYTES,
      maxBodyBytes: 8 * MAX_BYTES,
      maxPendingBytes: 4 * MAX_BYTES,
      reportsPerHourPerCluster: 0,
      requestsPerSecondPerAddress: 0,
    },
  });
});

beforeEach(async () => {
  [work] = await Promise.all([mkdtemp(path.join(tmpdir(), 'spartakus-records-')), forget()]);
  dir = path.join(work, 'records');
  await mkdir(dir);
  log = createKeptLog();
  nowMs = Date.now();
});

afterEach(() => rm(work, { recursive: true, force: true }));

afterAll(() => collector.close());

async function forget(): Promise<void> {
  await Promise.all([collector.reports.deleteMany({}), collector.kubermaticRecords.deleteMany({})]);
}

const urlOf = (transport: string): string =>
  transport === 'grpc' ? `grpc://127.0.0.1:${collector.port}` : `${collector.url}/api/kubermatic/v1`;

async function run(config: Partial<ReporterConfig> = {}, options: Partial<ReporterOptions> = {}): Promise<ReporterEnd> {
  const { transport = 'http' } = config;
  const reporter = await startReporter(
    { transport, recordDir: dir, clientUuid: CLIENT_UUID, url: urlOf(transport), timeoutMs: 1000, ...config },
    { clock, random: () => 0.5, logger: log.logger, stdout: new PassThrough(), env: {}, ...options },
  );
  return await reporter.done;
}

/** Records of the agents of both projects: with an id, without one, and without a time. */
const RECORDS: Readonly<Record<string, object>> = {
  'record-1.json': {
    kind: 'kubermatic',
    version: 'v2',
    time: TIME,
    report_id: '018f4b33-53b7-74a9-9a51-253240f0db5d',
    users: [{ uuid: 'a' }],
  },
  'record-2.json': { kind: 'kubermatic', version: 'v2', time: TIME, users: [{ uuid: 'b' }] },
  'record-3.json': { kind: 'kubernetes', version: 'v2', time: TIME, kubernetes_version: 'v1.28.7', nodes: [] },
  'record-4.json': { kind: 'kubermatic', users: [{ uuid: 'c' }] },
};

async function fill(records: Readonly<Record<string, unknown>> = RECORDS): Promise<void> {
  for (const [name, record] of Object.entries(records))
    await writeFile(path.join(dir, name), typeof record === 'string' ? record : JSON.stringify(record));
}

/** Every file in the record directory. */
const left = async (): Promise<readonly string[]> => (await readdir(dir)).toSorted();
const storedUsers = async (): Promise<unknown> =>
  (await collector.kubermaticRecords.find().toArray())
    .flatMap(({ users }) => (users as { uuid: string }[]).map(({ uuid }) => uuid))
    .toSorted();

test('a collector on another machine without TLS is a warning, before anything is sent', async () => {
  await run({ transport: 'grpc', url: 'grpc://collector.invalid' });
  await run({ transport: 'grpc' });

  expect(log.messages('warn').filter((message) => message.includes('without encryption'))).toHaveLength(1);
});

describe('stopped between any two operations and run again, nothing is lost and nothing doubled', () => {
  test.each(TRANSPORTS)('over %s', async (transport) => {
    let died = true;
    let moments = 0;
    for (; died; moments += 1) {
      await Promise.all([forget(), fill()]);
      const files = createMortalFiles(moments);

      const stopped = await run({ transport }, { files });
      const again = await run({ transport });

      died = files.isDead();
      expect({ moments, stopped: stopped.status, again: again.status }).toStrictEqual({
        moments,
        stopped: died ? 'failed' : 'done',
        again: 'done',
      });
      expect({
        moments,
        left: await left(),
        users: await storedUsers(),
        reports: await collector.reports.countDocuments(),
      }).toStrictEqual({ moments, left: [], users: ['a', 'b', 'c'], reports: 1 });
    }
    // Reading a begun report, listing, four records, writing the report, four removals, and removing the report.
    expect(moments).toBeGreaterThan(16);
  });

  test('stopped twice, at any two moments', async () => {
    // In a part, each moment is in two pairs.
    const part = sampled(4, 1);
    for (let first = 6; first < 14; first++) {
      for (let second = first % part; second < 8; second += part) {
        await Promise.all([forget(), fill()]);

        await run({}, { files: createMortalFiles(first) });
        await run({}, { files: createMortalFiles(second) });
        await run();

        expect({ first, second, left: await left(), users: await storedUsers() }).toStrictEqual({
          first,
          second,
          left: [],
          users: ['a', 'b', 'c'],
        });
      }
    }
  });

  test('a response that is lost', async () => {
    const lossy = await startProxy((_status, response) => response.destroy());
    await fill();

    const lost = await run({ url: lossy.url });
    const stored = await storedUsers();
    const [kept, pending] = [await left(), await readdir(`${dir}.pending`)];
    const again = await run();

    expect([lost.status, stored, again.status]).toStrictEqual(['failed', ['a', 'b', 'c'], 'done']);
    expect([kept, pending]).toStrictEqual([Object.keys(RECORDS), ['.report.pending']]);
    expect([await left(), await storedUsers(), await collector.reports.countDocuments()]).toStrictEqual([
      [],
      ['a', 'b', 'c'],
      1,
    ]);
    await lossy.close();
  });

  test('a begun report is sent again byte for byte, with its client, and newer records in another report', async () => {
    const lossy = await startProxy((_status, response) => response.destroy());
    const proxy = await startProxy((status, response) => response.writeHead(status).end());
    await fill();
    await run({ url: lossy.url });
    await fill({ 'record-5.json': { kind: 'kubermatic', time: TIME, users: [{ uuid: 'd' }] } });
    await run({ url: proxy.url, clientUuid: 'another' });

    expect(proxy.bodies).toHaveLength(2);
    expect(proxy.bodies[0]).toBe(lossy.bodies[0]);
    expect(JSON.parse(proxy.bodies[1] ?? '')).toMatchObject({
      client_uuid: 'another',
      records: [{ users: [{ uuid: 'd' }] }],
    });
    await Promise.all([lossy.close(), proxy.close()]);
  });
});

describe('which records are removed', () => {
  test.each(sampled<readonly (typeof TRANSPORTS)[number][]>(['grpc'], TRANSPORTS))(
    'over %s a record that the collector cannot take stays, and the others are stored',
    async (transport) => {
      const users = Array.from({ length: 17_000 }, () => ({ uuid: 'x'.repeat(1_000) }));
      await fill({ ...RECORDS, 'record-0.json': { kind: 'kubermatic', time: TIME, users } });

      const end = await run({ transport, timeoutMs: 15_000 });

      expect(end).toMatchObject({ status: 'failed', error: { kind: 'too-large' } });
      expect(await left()).toStrictEqual(['record-0.json']);
      expect(await storedUsers()).toStrictEqual(['a', 'b', 'c']);
    },
  );

  test('a report that is rejected as a whole is sent record by record, to find the record that causes it', async () => {
    const picky = await startProxy((status, response, body) =>
      response.writeHead(body.includes('"b"') ? 400 : status).end(),
    );
    await fill();

    const end = await run({ url: picky.url });

    expect(end).toMatchObject({ status: 'failed', error: { kind: 'invalid' } });
    expect(await left()).toStrictEqual(['record-2.json']);
    // The envelope has the hour only.
    expect(picky.bodies[0]).toMatch(/"time":"[^"]*:00:00Z"/);
    expect(picky.bodies.map((body) => (JSON.parse(body) as { records: unknown[] }).records.length)).toStrictEqual([
      4, 1, 1, 1, 1,
    ]);
    await picky.close();
  });

  test.each([301, 302, 400, 401, 403, 404, 405, 413, 500, 503])('status %i is no acknowledgement', async (status) => {
    const other = await startServer((_request, response) =>
      response.writeHead(status, { location: '/elsewhere' }).end('no'),
    );
    await fill();

    const end = await run({ url: other.url });

    expect(end.status).toBe('failed');
    expect((await left()).filter((name) => name.endsWith('.json'))).toStrictEqual(Object.keys(RECORDS));
    expect(log.messages('error')).toStrictEqual([expect.stringContaining(`status ${status}, "no"`)]);
    await other.close();
  });

  test.each([200, 202, 204])("status %i is one: Kubermatic's own collector need not say 204", async (status) => {
    const other = await startServer((_request, response) => response.writeHead(status).end('thanks'));
    await fill();

    await expect(run({ url: other.url })).resolves.toStrictEqual({ status: 'done', records: 4 });
    expect(await left()).toStrictEqual([]);
    await other.close();
  });

  test('a collector that is unavailable is tried again until the deadline', async () => {
    let asked = 0;
    const tired = await startServer((_request, response) => response.writeHead((asked += 1) < 3 ? 503 : 204).end());
    await fill();

    await expect(run({ url: tired.url, timeoutMs: 60_000 })).resolves.toMatchObject({ status: 'done' });
    expect(asked).toBe(3);
    await tired.close();
  });

  test('a file that is no record stays, is logged, and does not stop the others', async () => {
    await fill({
      ...RECORDS,
      'broken.json': '{"kind": ',
      'other.json': { kind: 'k3s' },
      'notes.txt': 'hello',
      '.hidden.json': '{}',
    });

    const end = await run();

    expect(end).toStrictEqual({ status: 'done', records: 4 });
    expect(await left()).toStrictEqual(['.hidden.json', 'broken.json', 'notes.txt', 'other.json']);
    expect(log.messages('warn')).toStrictEqual([
      expect.stringContaining('it is not JSON'),
      expect.stringContaining('expected "kubernetes" or "kubermatic"'),
    ]);
  });

  test.each([
    ['no JSON', '{"files": ['],
    ['another thing', '[]'],
    ['no report', JSON.stringify({ files: ['record-1.json'], report: { records: 'x' } })],
    ['fewer records than files', JSON.stringify({ files: ['record-1.json'], report: { records: [] } })],
    [
      'a file elsewhere',
      JSON.stringify({ files: ['../record-1.json'], report: { records: [{ kind: 'kubermatic' }] } }),
    ],
  ])('a begun report that is corrupt (%s) is made again', async (_name, pending) => {
    await fill({ ...RECORDS, '.report.pending': pending });

    await expect(run()).resolves.toStrictEqual({ status: 'done', records: 4 });
    expect([await left(), await storedUsers()]).toStrictEqual([[], ['a', 'b', 'c']]);
  });

  test('hundreds of records make several reports, in the order of their names', async () => {
    const proxy = await startProxy((status, response) => response.writeHead(status).end());
    await fill(
      Object.fromEntries(
        Array.from({ length: 250 }, (_, index) => [
          `record-${String(index).padStart(3, '0')}.json`,
          { kind: 'kubermatic', time: TIME, users: [{ uuid: `u${index}` }] },
        ]),
      ),
    );

    await expect(run({ url: proxy.url })).resolves.toStrictEqual({ status: 'done', records: 250 });
    expect(proxy.bodies.map((body) => (JSON.parse(body) as { records: unknown[] }).records.length)).toStrictEqual([
      100, 100, 50,
    ]);
    expect(JSON.parse(proxy.bodies[0] ?? '')).toMatchObject({ records: { 1: { users: [{ uuid: 'u1' }] } } });
    await proxy.close();
  });

  test('an empty directory sends nothing', async () => {
    const server = await startServer((_request, response) => response.writeHead(500).end());

    await expect(run({ url: server.url })).resolves.toStrictEqual({ status: 'done', records: 0 });
    await expect(run({ url: server.url, recordDir: path.join(dir, 'none') })).resolves.toMatchObject({
      status: 'failed',
      error: { field: '--record-dir' },
    });
    expect(server.bodies).toStrictEqual([]);
    await server.close();
  });
});

describe('the content of a report', () => {
  test("records of Kubermatic's own agents are sent without addresses and places", async () => {
    const server = await startServer((_request, response) => response.writeHead(204).end());
    const sample = JSON.parse((await readFixture('kubermatic/report-v2.json')).toString()) as { records: object[] };
    await fill(Object.fromEntries(sample.records.map((record, index) => [`record-${index}.json`, record])));

    await run({ url: server.url });

    const body = JSON.parse(server.bodies[0] ?? '') as { records: { time: string }[] };
    expect(body).toMatchObject({
      version: 'v2',
      client_uuid: CLIENT_UUID,
      records: [
        { kind: 'kubernetes' },
        { kind: 'kubermatic', ssh_keys: [{ owner_project_uuid: [expect.any(String)] }, {}, {}] },
      ],
    });
    expect(server.bodies[0]).not.toMatch(/external_ip|192\.0\.2|location|Frankfurt|Basement/);
    expect(body.records.map(({ time }) => time)).toStrictEqual(
      sample.records.map((record) => (record as { time: string }).time),
    );
    await server.close();
  });

  test('stdout prints every record and changes nothing', async () => {
    const stdout = new PassThrough();
    await fill();

    await expect(run({ transport: 'stdout' }, { stdout })).resolves.toStrictEqual({ status: 'done', records: 4 });
    stdout.end();
    expect(JSON.parse(await text(stdout))).toMatchObject({
      version: 'v2',
      client_uuid: CLIENT_UUID,
      records: { length: 4 },
    });
    expect(await left()).toStrictEqual(Object.keys(RECORDS));
  });
});

test('closed while sending, it ends, and records without acknowledgement stay', async () => {
  const asked = Promise.withResolvers<void>();
  const silent = await startServer(() => asked.resolve());
  await fill();
  const reporter = await startReporter(
    { transport: 'http', recordDir: dir, clientUuid: CLIENT_UUID, url: silent.url, timeoutMs: 60_000 },
    { clock, random: () => 0.5, logger: log.logger, stdout: new PassThrough(), env: {} },
  );

  await asked.promise;
  await reporter.close();

  await expect(reporter.done).resolves.toMatchObject({ status: 'failed' });
  expect(await left()).toStrictEqual(Object.keys(RECORDS));
  expect(JSON.parse(await readFile(path.join(`${dir}.pending`, '.report.pending'), 'utf8'))).toMatchObject({
    files: Object.keys(RECORDS),
  });
  await silent.close();
});

/** A proxy for the collector that records each request and can change the response. */
function startProxy(
  onAnswer: (status: number, response: http.ServerResponse, body: string) => unknown,
): Promise<TestServer> {
  return startServer((body, response) => {
    const forward = fetch(urlOf('http'), { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    void forward.then(({ status }) => onAnswer(status, response, body));
  });
}
