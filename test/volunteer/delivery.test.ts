import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  Outcome as ReceiptOutcome,
  type StreamReportsRequest,
  StreamReportsResponseSchema,
} from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { parseDatabase } from '../../src/delivery/open-sink.ts';
import type { VolunteerConfig, VolunteerOptions } from '../../src/volunteer/run.ts';
import { startVolunteer, type Volunteer } from '../../src/volunteer/volunteer.ts';
import { createDice } from '../support/dice.ts';
import { type GrpcCollector, startGrpcCollector } from '../support/grpc-collector.ts';
import {
  FIXTURE_PAGE_SIZE,
  type KubeApi,
  type KubeApiOptions,
  openServiceAccount,
  type ServiceAccount,
  startKubeApi,
} from '../support/kube-api.ts';
import { createKeptLog, type KeptLog } from '../support/log.ts';
import { createManualClock } from '../support/manual-clock.ts';

const HOUR_MS = 3_600_000;
const START = new Date('2026-11-21T00:26:49.000Z');

let account: ServiceAccount;
let api: KubeApi;
let collector: GrpcCollector;
let clock: ReturnType<typeof createManualClock>;
let log: KeptLog;
let spoolDir: string;
/** The stored reports, in the order of their arrival. */
let arrived: Report[];
const closers: (() => void | Promise<void>)[] = [];

beforeEach(async () => {
  [account, collector, spoolDir] = await Promise.all([
    openServiceAccount(),
    startGrpcCollector(),
    mkdtemp(path.join(tmpdir(), 'spartakus-spool-')),
  ]);
  clock = createManualClock(START);
  log = createKeptLog();
  arrived = [];
  const { receiptOf } = collector;
  collector.receiptOf = (report) => {
    arrived.push(report);
    return receiptOf(report);
  };
  // In the order of arrival; the default of this collector is the reverse.
  collector.serve = (stream) => {
    stream.on('data', ({ report }: StreamReportsRequest) => {
      if (report !== undefined)
        stream.write(create(StreamReportsResponseSchema, { receipt: collector.receiptOf(report) }));
    });
    stream.on('end', () => stream.end());
  };
  closers.push(
    () => account.close(),
    () => collector.close(),
    () => rm(spoolDir, { recursive: true, force: true }),
  );
  await startApi();
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function startApi(options: KubeApiOptions = {}): Promise<void> {
  api = await startKubeApi(options);
  closers.push(() => api.close());
}

async function start(
  config: Partial<VolunteerConfig> = {},
  options: Partial<VolunteerOptions> = {},
): Promise<Volunteer> {
  const volunteer = await startVolunteer(
    {
      clusterId: 'c',
      periodMs: HOUR_MS,
      database: parseDatabase(`grpc://127.0.0.1:${collector.port}`),
      spoolDir,
      ...config,
    },
    {
      version: 'v2.0.0',
      clock,
      randomBytes,
      random: () => 0.5,
      logger: log.logger,
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

/** The collector fails every stream with UNAVAILABLE until comeBack() is called. */
function goAway(): { readonly attempts: () => number; readonly comeBack: () => void } {
  const { serve } = collector;
  let attempts = 0;
  collector.serve = (stream) => {
    attempts += 1;
    stream.emit('error', { code: 14, details: 'away' });
  };
  return {
    attempts: () => attempts,
    comeBack: () => {
      collector.serve = serve;
    },
  };
}

/** See MOST_ATTEMPTS_IN_72_HOURS in test/delivery/delivery.test.ts. With stdout each report of a put counts. */
const MOST_TRIES = 2000 + 200 * 75;

const hasArrived = (count: number) => vi.waitFor(() => expect(arrived).toHaveLength(count), { interval: 5 });
const spooled = async () => (await readdir(spoolDir)).filter((name) => name.endsWith('.report'));

test('72 hours without a collector: gathering continues, nothing is lost, the order is kept, and the log is short', async () => {
  // A stream that fails and one that works cost less than thousands of connections, and the volunteer treats them alike.
  const texts: string[] = [];
  let attempts = 0;
  let away = true;
  const write = (text: string, done: (error?: Error) => void): void => {
    attempts += 1;
    if (!away) texts.push(text);
    done(away ? new Error('away') : undefined);
  };
  const stdout = Object.assign(new PassThrough(), { write });
  await start({ database: parseDatabase('stdout') }, { stdout, random: createDice(7) });

  await clock.pass(72 * HOUR_MS, 2);
  const [tries, waiting] = [attempts, (await spooled()).length];
  away = false;
  clock.advance(5 * 60_000);
  await vi.waitFor(
    () =>
      expect(log.messages('info').at(-1)).toMatch(
        /^Reports are delivered again, after 3 d.*: 7\d reports waited, and are stored\.$/,
      ),
    { interval: 5 },
  );

  expect(waiting).toBeGreaterThanOrEqual(71);
  expect(waiting).toBeLessThanOrEqual(75);
  expect(texts.length).toBeGreaterThanOrEqual(waiting);
  expect(texts.map((text) => /"sequence": (\d+)/.exec(text)?.[1])).toStrictEqual(
    texts.map((_, index) => String(index + 1)),
  );
  expect(tries).toBeLessThan(MOST_TRIES);
  expect(log.messages('warn').map((message) => message.slice(0, 31))).toStrictEqual([
    'No report can be delivered: The',
    'No report can be delivered, for',
    'No report can be delivered, for',
  ]);
  expect(log.messages('error')).toStrictEqual([]);
});

test('a collector that hangs does not stop the gathering', async () => {
  collector.serve = () => undefined;
  const volunteer = await start();

  for (const _ of [1, 2, 3]) {
    await clock.asleep();
    clock.advance(HOUR_MS);
  }
  await clock.asleep();

  await expect(spooled()).resolves.toHaveLength(4);
  const closing = volunteer.close();
  await clock.asleep();
  clock.advance(5000);
  await closing;
});

test('undelivered reports are sent after a restart, oldest first', async () => {
  const { comeBack } = goAway();
  const first = await start();
  await clock.pass(2.5 * HOUR_MS, 2);
  await first.close();
  comeBack();

  await start();
  await hasArrived(4);

  expect(arrived.map(({ sequence }) => sequence)).toStrictEqual([1, 2, 3, 1]);
  expect(log.messages('info')).toContain('3 reports were not delivered yet, and kept in the spool for the next run.');
});

test('without a spool directory, lost reports are logged at the end', async () => {
  goAway();
  const volunteer = await startVolunteer(
    { clusterId: 'c', periodMs: HOUR_MS, database: parseDatabase(`grpc://127.0.0.1:${collector.port}`) },
    {
      version: 'v2.0.0',
      clock,
      randomBytes,
      logger: log.logger,
      stdout: new PassThrough(),
      env: api.env,
      serviceAccountDir: account.dir,
    },
  );
  await clock.pass(1, 2);

  await volunteer.close();

  expect(log.messages('warn').at(-1)).toMatch(/^1 report was not delivered, and lost: kept in memory only\./);
});

test('a one-shot leaves its report in the spool, and the next one delivers both', async () => {
  const { comeBack } = goAway();
  const first = await start({ periodMs: 0, timeoutMs: 1000 });
  await expect(first.done).resolves.toMatchObject({ status: 'failed' });
  await expect(spooled()).resolves.toHaveLength(1);
  comeBack();
  clock.advance(1);

  const second = await start({ periodMs: 0 });

  await expect(second.done).resolves.toStrictEqual({ status: 'stored' });
  expect(arrived).toHaveLength(2);
  await expect(spooled()).resolves.toStrictEqual([]);
});

test('a one-shot tries more than once', async () => {
  const { attempts, comeBack } = goAway();
  const volunteer = await start({ periodMs: 0, timeoutMs: 60_000, initialDelayMs: HOUR_MS });
  await clock.pass(20_000, 2);
  comeBack();
  await clock.pass(30_000, 1);

  await expect(volunteer.done).resolves.toStrictEqual({ status: 'stored' });
  expect(attempts()).toBeGreaterThan(1);
});

test('a rejected report becomes a dead letter with its reason, and the next report is sent', async () => {
  const { receiptOf } = collector;
  collector.receiptOf = ({ reportId }) => ({
    reportId,
    outcome: ReceiptOutcome.REFUSED,
    refusal: { code: 3, reason: 'bad node', field: 'nodes[0].id' },
  });
  await start();
  await vi.waitFor(() => expect(log.messages('error')).toHaveLength(1), { interval: 5 });
  collector.receiptOf = receiptOf;

  await clock.asleep();
  clock.advance(HOUR_MS);
  await hasArrived(1);

  expect(arrived[0]?.sequence).toBe(2);
  await expect(readdir(path.join(spoolDir, 'rejected'))).resolves.toHaveLength(2);
  expect(log.messages('error')[0]).toContain('1 report was rejected for good, and not stored:');
});

test('the first report waits a random part of the initial delay', async () => {
  await start({ initialDelayMs: 60_000 }, { random: () => 0.25 });

  await expect(clock.asleep()).resolves.toBe(15_000);
  expect(api.requests).toStrictEqual([]);
  clock.advance(15_000);
  await hasArrived(1);
});

test('closing during the initial delay sends nothing', async () => {
  const volunteer = await start({ initialDelayMs: 60_000 });

  await volunteer.close();

  await expect(volunteer.done).resolves.toStrictEqual({ status: 'closed' });
  expect(api.requests).toStrictEqual([]);
});

test.each([
  [0, 0.95],
  [0.999_999, 1.05],
])('each period is up to a twentieth shorter or longer (random number %d)', async (random, factor) => {
  await start({}, { random: () => random });

  expect((await clock.asleep()) / HOUR_MS).toBeCloseTo(factor, 4);
});

test('a gathering that fails is retried soon, and logged when it begins, once a day, and when it ends', async () => {
  await startApi({ responses: { '/version': { status: 503, contentType: 'application/json', body: '{}' } } });
  await start({ periodMs: 24 * HOUR_MS });
  await clock.pass(25 * HOUR_MS, 1);
  const failing = log.messages();

  expect(failing.filter((message) => message.startsWith('No report can be made'))).toHaveLength(2);
  expect(arrived).toStrictEqual([]);
  expect(api.requests.length).toBeGreaterThan(24);
});

test('it is live from the start, ready after the first gathering, and not live when a loop hangs', async () => {
  const volunteer = await start({ healthPort: 0, initialDelayMs: 60_000 });
  const ask = async (): Promise<readonly number[]> =>
    Promise.all(
      ['livez', 'readyz'].map(async (name) => (await fetch(`http://127.0.0.1:${volunteer.healthPort}/${name}`)).status),
    );

  await expect(ask()).resolves.toStrictEqual([200, 503]);
  await clock.asleep();
  clock.advance(30_000);
  await hasArrived(1);
  await clock.asleep();
  await expect(ask()).resolves.toStrictEqual([200, 200]);
  await expect((await fetch(`http://127.0.0.1:${volunteer.healthPort}/metrics`)).text()).resolves.toContain(
    'spartakus_volunteer_reports_made_total 1\n',
  );
  const hangs = Promise.withResolvers<void>();
  collector.serve = () => hangs.resolve();
  clock.advance(HOUR_MS);
  await Promise.all([clock.asleep(), hangs.promise]);
  // The delivery of the second report hangs, for far longer than its timeout, and gathering goes on.
  clock.advance(30 * 60_000);
  await expect(ask()).resolves.toStrictEqual([503, 200]);

  const closing = volunteer.close();
  await clock.asleep();
  clock.advance(5000);
  await closing;
});
