import { PassThrough } from 'node:stream';
import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Outcome as ReceiptOutcome, PolicySchema } from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import { parseDatabase } from '../../src/delivery/open-sink.ts';
import type { VolunteerConfig, VolunteerOptions } from '../../src/volunteer/run.ts';
import { startVolunteer, type Volunteer } from '../../src/volunteer/volunteer.ts';
import { failureOf } from '../support/failure.ts';
import { type GrpcCollector, startGrpcCollector } from '../support/grpc-collector.ts';
import { expectNothingLeftOpen } from '../support/held.ts';
import {
  FIXTURE_PAGE_SIZE,
  type KubeApi,
  type KubeApiOptions,
  openServiceAccount,
  type ServiceAccount,
  startKubeApi,
} from '../support/kube-api.ts';
import { createManualClock } from '../support/manual-clock.ts';

expectNothingLeftOpen();

const HOUR_MS = 3_600_000;
const START = new Date('2026-11-21T00:26:49.000Z');

/** The sum of the waits until 403 is final while /readyz responds with 200: 3/4 of 1 s, 2 s, 4 s, 8 s, 16 s and 32 s. */
const READY_MS = 47_250;

interface Line {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

let api: KubeApi;
const CLUSTER_ID = '2f9c93d3-156c-47aa-8802-578ffca9b50e';
let account: ServiceAccount;
let collector: GrpcCollector;
let lines: Line[];
let clock: ReturnType<typeof createManualClock>;
const closers: (() => void | Promise<void>)[] = [];

beforeEach(async () => {
  account = await openServiceAccount();
  collector = await startGrpcCollector();
  clock = createManualClock(START);
  lines = [];
  closers.push(
    () => account.close(),
    () => collector.close(),
  );
  await startApi();
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function startApi(options: KubeApiOptions = {}): Promise<void> {
  // The Secret exists: its creation would be one request more than the rate limit lets through at once.
  const data = { 'id-key': Buffer.alloc(32, 7).toString('base64') };
  const secrets = new Map([['/api/v1/namespaces/kubermatic/secrets/spartakus-volunteer', { data }]]);
  const started = await startKubeApi({ secrets, ...options });
  closers.push(() => started.close());
  api = started;
}

const write = (level: string) => (fields: object, message: string) => {
  lines.push({ level, fields, message });
};

async function start(
  config: Partial<VolunteerConfig> = {},
  options: Partial<VolunteerOptions> = {},
): Promise<Volunteer> {
  const volunteer = await startVolunteer(
    {
      clusterId: CLUSTER_ID,
      idSecret: 'spartakus-volunteer',
      periodMs: 24 * HOUR_MS,
      database: parseDatabase(`grpc://127.0.0.1:${collector.port}`),
      ...config,
    },
    {
      version: 'v2.0.0',
      clock,
      random: () => 0.5,
      randomBytes: (length) => new Uint8Array(length).fill(collector.stored.size + 1),
      logger: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
      stdout: new PassThrough(),
      env: api.env,
      serviceAccountDir: account.dir,
      pageSize: FIXTURE_PAGE_SIZE,
      ...options,
    },
  );
  closers.push(() => volunteer.close());
  return volunteer;
}

/** Sets the time until the next report in each receipt of the collector. */
function askForAReportAfter(ms: number): void {
  const policy = create(PolicySchema, { nextReportAfter: durationFromMs(ms) });
  const { receiptOf } = collector;
  collector.receiptOf = (report) => ({ ...receiptOf(report), policy });
}

/** Resolves once the volunteer has the receipt of its first report. */
const firstStored = () =>
  vi.waitFor(() => expect(lines.map(({ message }) => message)).toContain('The report is stored.'), { interval: 5 });

const stored = () => [...collector.stored.values()];
const errors = () => lines.filter(({ level }) => level === 'error');

test('a one-shot volunteer delivers one report and ends', async () => {
  const volunteer = await start({ periodMs: 0 });

  await expect(volunteer.done).resolves.toStrictEqual({ status: 'stored' });
  expect(stored().map(({ clusterId, sequence, nodes }) => [clusterId, sequence, nodes.length])).toStrictEqual([
    [CLUSTER_ID, 1, 6],
  ]);
});

test('a one-shot volunteer whose report is rejected ends with the error', async () => {
  collector.receiptOf = ({ reportId }) => ({
    reportId,
    outcome: ReceiptOutcome.REFUSED,
    refusal: { code: 3, reason: 'no' },
  });

  const volunteer = await start({ periodMs: 0 });

  await expect(volunteer.done).resolves.toMatchObject({ status: 'failed', error: { kind: 'invalid' } });
  expect(errors()).toHaveLength(1);
});

test('a one-shot volunteer that cannot read the cluster ends with the error, and sends nothing', async () => {
  await startApi({ forbidden: ['/version', '/api/v1/nodes'] });

  const volunteer = await start({ periodMs: 0 });
  await clock.pass(READY_MS, 2);

  await expect(volunteer.done).resolves.toMatchObject({ status: 'failed', error: { kind: 'forbidden' } });
  expect(stored()).toStrictEqual([]);
  expect(errors()[0]?.message).toContain('Grant the rule {nonResourceURLs: ["/version"], verbs: [get]}');
});

test('a right that is not granted is a warning that names the rule, and the rest is sent', async () => {
  await startApi({ forbidden: ['/api/v1/nodes'] });

  const volunteer = await start({ periodMs: 0 });
  await clock.pass(READY_MS, 2);

  await expect(volunteer.done).resolves.toStrictEqual({ status: 'stored' });
  expect(stored().map(({ missing }) => missing.map(({ what, reason }) => `${what}: ${reason}`))).toStrictEqual([
    ['nodes[]: not permitted'],
  ]);
  expect(lines.filter(({ level }) => level === 'warn').map(({ message }) => message)).toStrictEqual([
    expect.stringContaining('Grant the rule {apiGroups: [""], resources: [nodes], verbs: [list]}'),
  ]);
});

test('a one-shot volunteer to stdout prints what it would send', async () => {
  const stdout = new PassThrough();

  const volunteer = await start({ periodMs: 0, database: parseDatabase('stdout') }, { stdout });

  await expect(volunteer.done).resolves.toStrictEqual({ status: 'stored' });
  expect(String(stdout.read())).toContain(`"clusterID": "${CLUSTER_ID}"`);
});

test('every period a report is made, each with its own id, hour and sequence number', async () => {
  await start();

  for (const _ of [1, 2, 3]) {
    await expect(clock.asleep()).resolves.toBe(24 * HOUR_MS);
    clock.advance(24 * HOUR_MS);
  }
  await clock.asleep();
  await vi.waitFor(() => expect(collector.stored.size).toBe(4), { interval: 5 });

  const firstHour = Math.floor(START.getTime() / HOUR_MS) * 3600;
  expect(stored().map(({ sequence, timestamp }) => [sequence, timestamp])).toStrictEqual(
    [1, 2, 3, 4].map((sequence) => [sequence, String(firstHour + (sequence - 1) * 86_400)]),
  );
});

test('a collector can ask for a longer period', async () => {
  askForAReportAfter(48 * HOUR_MS);
  const spreadMs = 48 * HOUR_MS * 0.025;
  await start();
  await clock.asleep();
  await firstStored();

  clock.advance(24 * HOUR_MS);

  await expect(clock.asleep()).resolves.toBe(24 * HOUR_MS + spreadMs);
  expect(lines.at(-1)).toMatchObject({ level: 'info', fields: { askedMs: 48 * HOUR_MS } });
});

test('a collector cannot ask for a shorter period than configured', async () => {
  askForAReportAfter(1);
  await start();
  await clock.asleep();
  await firstStored();

  clock.advance(24 * HOUR_MS - 1);
  expect(collector.stored.size).toBe(1);
  clock.advance(1);

  await expect(clock.asleep()).resolves.toBe(24 * HOUR_MS);
});

test('a one-shot that cannot deliver retries until the timeout, and logs the reason and what to do', async () => {
  collector.serve = (stream) => stream.emit('error', { code: 14, details: 'away' });
  const volunteer = await start({ periodMs: 0, timeoutMs: 20_000 });

  // It ends with the last attempt before the timeout.
  void clock.pass(20_000, 2);

  await expect(volunteer.done).resolves.toMatchObject({ status: 'failed', error: { kind: 'unavailable' } });
  expect(errors().map(({ message }) => message)).toStrictEqual([
    `No report was stored: The collector at grpc://127.0.0.1:${collector.port} did not accept the report: away (gRPC code 14).`,
  ]);
});

test('closing ends the sleep between two reports at once', async () => {
  const volunteer = await start();
  await clock.asleep();

  await volunteer.close();

  await expect(volunteer.done).resolves.toStrictEqual({ status: 'closed' });
});

test('closing ends a gathering at once, and that is no error', async () => {
  await startApi({ silent: ['/version'] });
  const volunteer = await start();
  await api.firstRequest();

  await volunteer.close();

  await expect(volunteer.done).resolves.toStrictEqual({ status: 'closed' });
  expect(errors()).toStrictEqual([]);
});

test('closing waits for a delivery that ends within the grace', async () => {
  const arrived = Promise.withResolvers<() => void>();
  const serve = collector.serve;
  collector.serve = (stream) => arrived.resolve(() => serve(stream));
  const volunteer = await start({ periodMs: 0 });
  const goOn = await arrived.promise;

  const closing = volunteer.close();
  goOn();
  await closing;

  await expect(volunteer.done).resolves.toStrictEqual({ status: 'stored' });
});

test('closing cancels a delivery that takes longer than the grace', async () => {
  const arrived = Promise.withResolvers<void>();
  collector.serve = () => arrived.resolve();
  const volunteer = await start({ periodMs: 0 });
  await arrived.promise;
  await expect(clock.asleep()).resolves.toBe(300_000);

  const closing = volunteer.close();
  await expect(clock.asleep()).resolves.toBe(5000);
  clock.advance(5000);
  await closing;

  await expect(volunteer.done).resolves.toMatchObject({ status: 'failed', error: { kind: 'unavailable' } });
});

test.each<[string, Partial<VolunteerConfig>, KubeApiOptions]>([
  ['stored', { periodMs: 0 }, {}],
  ['failed', { periodMs: 0 }, { forbidden: ['/version', '/api/v1/nodes'] }],
])('a one-shot that has %s sleeps no more', async (status, config, apiOptions) => {
  await startApi(apiOptions);
  const { done } = await start(config);
  let isEnded = false;
  const ended = done.then(() => (isEnded = true));
  while (!isEnded) await Promise.race([clock.pass(1_000, 2), ended]);

  await expect(done).resolves.toMatchObject({ status });
  expect(clock.sleepers()).toBe(0);
});

test('a volunteer that is closed sleeps no more', async () => {
  const volunteer = await start();
  await firstStored();

  await volunteer.close();

  expect(clock.sleepers()).toBe(0);
});

test('close is idempotent', async () => {
  const volunteer = await start();

  await Promise.all([volunteer.close(), volunteer.close()]);

  await expect(volunteer.close()).resolves.toBeUndefined();
});

test('a wrong configuration is rejected at the start', async () => {
  const wrongKubeconfig = await failureOf(start({ kubeconfig: '/nonexistent' }));

  expect(wrongKubeconfig).toMatchObject({ kind: 'invalid', field: '--kubeconfig' });
});

test.each([
  ['grpc://collector.invalid', CLUSTER_ID, [expect.stringContaining('without encryption: use grpcs://')]],
  ['grpcs://collector.invalid', CLUSTER_ID, []],
  ['grpc://127.0.0.1:1', CLUSTER_ID, []],
  ['grpc://127.0.0.1:1', 'jane.doe', [expect.stringContaining('a keyed hash of it is sent')]],
  ['https://collector.invalid', 'jane.doe', [expect.stringContaining('is sent as it is: it must not describe')]],
  ['https://collector.invalid', 'auto', []],
])('at start, %s with the cluster id %s logs what the administrator should know', async (database, clusterId, says) => {
  await start({ database: parseDatabase(database), clusterId, initialDelayMs: HOUR_MS });

  const messages = lines.map(({ message }) => message).filter((message) => message !== 'The volunteer has started.');
  expect(messages).toStrictEqual(says);
  expect(JSON.stringify(lines)).not.toContain('jane.doe');
});

test('the log has neither the token nor the password in the URL', async () => {
  const volunteer = await start({
    periodMs: 0,
    database: parseDatabase('http://user:hunter2@127.0.0.1:1'),
    timeoutMs: 1000,
  });

  await volunteer.done;

  expect(errors()).toHaveLength(1);
  expect(JSON.stringify(lines)).not.toMatch(/hunter2|test-token/);
});
