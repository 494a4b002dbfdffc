import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { PolicySchema } from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import { parseDatabase } from '../../src/delivery/open-sink.ts';
import type { VolunteerConfig } from '../../src/volunteer/run.ts';
import { startVolunteer, type Volunteer } from '../../src/volunteer/volunteer.ts';
import { type GrpcCollector, startGrpcCollector } from '../support/grpc-collector.ts';
import {
  type KubeApi,
  type KubeApiOptions,
  openServiceAccount,
  type ServiceAccount,
  startKubeApi,
} from '../support/kube-api.ts';
import { createKeptLog, type KeptLog } from '../support/log.ts';
import { createManualClock } from '../support/manual-clock.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const NODES = '/api/v1/nodes';
const SECRET = '/api/v1/namespaces/kubermatic/secrets/spartakus-volunteer';
/** No permission but that of /version. */
const EVERYTHING = ['/version', NODES, SECRET];

let account: ServiceAccount;
let collector: GrpcCollector;
let clock: ReturnType<typeof createManualClock>;
let log: KeptLog;
const closers: (() => void | Promise<void>)[] = [];

beforeEach(async () => {
  [account, collector] = await Promise.all([openServiceAccount(), startGrpcCollector()]);
  clock = createManualClock(new Date('2026-11-21T00:26:49.000Z'));
  log = createKeptLog();
  closers.push(
    () => account.close(),
    () => collector.close(),
  );
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function startApi(options: KubeApiOptions = {}): Promise<KubeApi> {
  // The key of ids is kept, so that it is not created, and the ids of all reports are the same.
  const secrets = new Map([[SECRET, { data: { 'id-key': Buffer.alloc(32, 7).toString('base64') } }]]);
  const api = await startKubeApi({ secrets, ...options });
  closers.push(() => api.close());
  return api;
}

/** The address of an API server that does not listen yet. */
async function reserveApi(): Promise<{ readonly api: KubeApi; readonly port: number }> {
  const api = await startKubeApi();
  await api.close();
  return { api, port: Number(api.env.KUBERNETES_SERVICE_PORT) };
}

async function start(api: Pick<KubeApi, 'env'>, config: Partial<VolunteerConfig> = {}): Promise<Volunteer> {
  const volunteer = await startVolunteer(
    {
      clusterId: 'auto',
      idSecret: 'spartakus-volunteer',
      periodMs: DAY_MS,
      database: parseDatabase(`grpc://127.0.0.1:${collector.port}`),
      ...config,
    },
    {
      version: 'v2.0.0',
      clock,
      random: () => 0.5,
      randomBytes,
      logger: log.logger,
      stdout: new PassThrough(),
      env: api.env,
      serviceAccountDir: account.dir,
    },
  );
  closers.push(() => volunteer.close());
  return volunteer;
}

const stored = () => [...collector.stored.values()].toSorted((one, other) => one.sequence - other.sequence);
const hasStored = (count: number) => vi.waitFor(() => expect(collector.stored.size).toBe(count), { interval: 5 });
const missing = () => stored().map(({ missing: fields }) => fields.map(({ what, reason }) => `${what} ${reason}`));

/** Lets time pass, at most so long, until there are so many reports. Resolves to the time in milliseconds. */
async function passUntilStored(count: number, maxMs: number): Promise<number> {
  const startedMs = clock.now().getTime();
  const isMade = () => log.messages('info').filter((message) => message === 'The report is stored.').length >= count;
  while (!isMade() && clock.now().getTime() - startedMs < maxMs) {
    await clock.pass(1000, 1);
    await new Promise(setImmediate);
  }
  await hasStored(count);
  return clock.now().getTime() - startedMs;
}

/** Lets time pass until a one-shot ends. Resolves to the time in milliseconds. */
async function passUntilEnded({ done }: Volunteer): Promise<number> {
  const startedMs = clock.now().getTime();
  let isEnded = false;
  const ended = done.then(() => {
    isEnded = true;
  });
  // Two sleep at a time: the timeout, and the wait for the next attempt.
  while (!isEnded) await Promise.race([clock.pass(1000, 2), ended]);
  return clock.now().getTime() - startedMs;
}

test.each([401, 403, 503] as const)(
  'an API server that has just started and responds with %d costs neither a report nor a field of it',
  async (status) => {
    const api = await startApi({ starting: { times: 12, status } });
    await start(api);

    await passUntilStored(1, 5 * MINUTE_MS);

    expect(missing()).toStrictEqual([[]]);
    expect(stored()[0]?.nodes).not.toHaveLength(0);
    expect(log.messages('warn')).toStrictEqual([]);
  },
);

test('a volunteer that starts before the API server reports as soon as that runs', async () => {
  const { api, port } = await reserveApi();
  await start(api);
  await clock.pass(20 * MINUTE_MS, 1);
  expect(log.messages('warn')).toStrictEqual([expect.stringMatching(/^No report can be made: .*ECONNREFUSED/)]);
  await startApi({ port, starting: { times: 5, status: 403 } });

  await passUntilStored(1, 6 * MINUTE_MS);

  expect(missing()).toStrictEqual([[]]);
});

test('a token that is rejected is loaded again, and the report does not wait for a day', async () => {
  const api = await startApi({ token: 'next' });
  await start(api);
  await clock.pass(20 * MINUTE_MS, 1);
  expect(log.messages('warn')).toStrictEqual([expect.stringMatching(/^No report can be made: .*401 Unauthorized/)]);
  await account.writeToken('next');

  await passUntilStored(1, 6 * MINUTE_MS);

  expect(missing()).toStrictEqual([[]]);
});

test('a volunteer without any permission sends nothing, and reports soon after they are granted', async () => {
  const forbidden = [...EVERYTHING];
  await start(await startApi({ forbidden }));
  await clock.pass(30 * MINUTE_MS, 1);
  expect(stored()).toStrictEqual([]);
  forbidden.length = 0;

  await passUntilStored(1, 6 * MINUTE_MS);

  expect(missing()).toStrictEqual([[]]);
});

test('a permission that is missing is believed after less than a minute, and does not delay later reports', async () => {
  const api = await startApi({ forbidden: [NODES] });
  await start(api, { periodMs: 4 * MINUTE_MS });

  await expect(passUntilStored(1, MINUTE_MS)).resolves.toBeGreaterThanOrEqual(30_000);
  const before = api.requests.length;
  await clock.pass(5 * MINUTE_MS, 1);
  await hasStored(2);

  expect(missing()).toStrictEqual([['nodes[] not permitted'], ['nodes[] not permitted']]);
  expect(api.requests.slice(before).map(({ target }) => target)).toStrictEqual(['/version', `${NODES}?limit=100`]);
});

test('a permission that is granted after a report makes another one long before the period has passed', async () => {
  const forbidden = [NODES];
  const api = await startApi({ forbidden });
  await start(api);
  await passUntilStored(1, MINUTE_MS);
  const before = api.requests.length;
  await clock.pass(60 * MINUTE_MS, 1);
  expect(api.requests.slice(before).map(({ target }) => target)).toStrictEqual(Array(3).fill(`${NODES}?limit=1`));
  forbidden.length = 0;

  await passUntilStored(2, 60 * MINUTE_MS);

  expect(missing()).toStrictEqual([['nodes[] not permitted'], []]);
  expect(log.messages('info')).toContain(
    'A permission that the last report missed is granted now: the next report is made at once.',
  );
});

test('a permission that stays missing costs a few small requests a day', async () => {
  const api = await startApi({ forbidden: [NODES] });
  await start(api);
  await passUntilStored(1, MINUTE_MS);
  const before = api.requests.length;

  await clock.pass(23 * 60 * MINUTE_MS, 1);

  expect(api.requests.length - before).toBeLessThan(12);
});

test('a permission that is missing again is checked again as soon as the first time', async () => {
  const forbidden = [NODES];
  const api = await startApi({ forbidden });
  await start(api, { periodMs: 120 * MINUTE_MS });
  await passUntilStored(1, MINUTE_MS);
  forbidden.length = 0;
  await passUntilStored(2, 6 * MINUTE_MS);
  forbidden.push(NODES);
  await passUntilStored(3, 122 * MINUTE_MS);
  const before = api.requests.length;

  await clock.pass(6 * MINUTE_MS, 1);

  expect(api.requests.slice(before).map(({ target }) => target)).toStrictEqual([`${NODES}?limit=1`]);
});

test('a collector that asks for fewer reports gets none for a permission', async () => {
  const { receiptOf } = collector;
  const policy = create(PolicySchema, { nextReportAfter: durationFromMs(2 * DAY_MS) });
  collector.receiptOf = (report) => ({ ...receiptOf(report), policy });
  const api = await startApi({ forbidden: [NODES] });
  await start(api);
  await passUntilStored(1, MINUTE_MS);
  await clock.pass(5 * MINUTE_MS, 1);
  const before = api.requests.length;

  await clock.pass(DAY_MS, 1);

  expect(api.requests.slice(before)).toStrictEqual([]);
});

test('stopped while it retries, it sends nothing, and records no missing fields', async () => {
  const volunteer = await start(await startApi({ forbidden: [NODES], readyz: 500 }));
  await clock.pass(2 * MINUTE_MS, 1);

  await volunteer.close();

  await expect(volunteer.done).resolves.toStrictEqual({ status: 'closed' });
  expect(stored()).toStrictEqual([]);
  expect(log.messages('warn', 'error')).toStrictEqual([]);
});

test('it is live while it retries, and not ready before the first report', async () => {
  const { healthPort } = await start(await startApi({ forbidden: [NODES], readyz: 500 }), { healthPort: 0 });
  const statusOf = async (name: string) => (await fetch(`http://127.0.0.1:${healthPort}/${name}`)).status;

  await clock.pass(4 * MINUTE_MS, 1);

  expect([await statusOf('livez'), await statusOf('readyz')]).toStrictEqual([200, 503]);
});

test('a one-shot waits for the API server until the timeout', async () => {
  const { api, port } = await reserveApi();
  const volunteer = await start(api, { periodMs: 0, timeoutMs: 4 * MINUTE_MS });
  await clock.pass(3 * MINUTE_MS, 2);
  await startApi({ port });

  await expect(passUntilEnded(volunteer)).resolves.toBeLessThan(MINUTE_MS);
  await expect(volunteer.done).resolves.toStrictEqual({ status: 'stored' });
});

test('a one-shot that cannot read the cluster within the timeout fails, and says why', async () => {
  const { api } = await reserveApi();
  const volunteer = await start(api, { periodMs: 0, timeoutMs: MINUTE_MS });

  await expect(passUntilEnded(volunteer)).resolves.toBe(MINUTE_MS);
  await expect(volunteer.done).resolves.toMatchObject({ status: 'failed', error: { kind: 'unavailable' } });
  expect(log.messages('error')).toStrictEqual([
    expect.stringMatching(/^No report was stored: The report was not made within 60 s \(--timeout\): .*ECONNREFUSED/),
  ]);
});

test('a one-shot ends at the timeout although a request has no response', async () => {
  const api = await startApi({ silent: ['/version'] });
  const volunteer = await start(api, { periodMs: 0, timeoutMs: MINUTE_MS });
  await api.firstRequest();

  await clock.pass(MINUTE_MS, 1);

  await expect(volunteer.done).resolves.toMatchObject({ status: 'failed', error: { kind: 'unavailable' } });
  expect(stored()).toStrictEqual([]);
});

test('a one-shot whose permissions are missing ends long before the timeout, and names each field', async () => {
  const volunteer = await start(await startApi({ forbidden: EVERYTHING }), { periodMs: 0 });

  await expect(passUntilEnded(volunteer)).resolves.toBeLessThan(MINUTE_MS);
  await expect(volunteer.done).resolves.toMatchObject({ status: 'failed', error: { kind: 'forbidden' } });
  expect(log.messages('error')).toStrictEqual([
    expect.stringMatching(/^No report was stored: Nothing can be read\. masterVersion: .* nodes\[\]: /),
  ]);
});

test('a one-shot with few permissions has time left for the delivery', async () => {
  const api = await startApi({ forbidden: [NODES], readyz: 500 });
  const volunteer = await start(api, { periodMs: 0, timeoutMs: 2 * MINUTE_MS });

  await expect(passUntilEnded(volunteer)).resolves.toBeLessThan(1.1 * MINUTE_MS);
  await expect(volunteer.done).resolves.toStrictEqual({ status: 'stored' });
});
