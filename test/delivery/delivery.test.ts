import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { createCounters, type Counters } from '../../src/delivery/counters.ts';
import { type Delivery, startDelivery } from '../../src/delivery/delivery.ts';
import { openSpool, type Spool } from '../../src/delivery/spool/spool.ts';
import type { Outcome, ReportEntry, ReportSink } from '../../src/report/report-sink.ts';
import { SpartakusError } from '../../src/runtime/errors.ts';
import { createHeartbeat, type Heartbeat } from '../../src/runtime/heartbeat.ts';
import { ALL, idsOf } from '../contract/spool.ts';
import { createDice } from '../support/dice.ts';
import { createKeptLog, type KeptLog } from '../support/log.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { makeReport } from '../support/reports.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const START = new Date('2026-11-21T00:00:00Z');
const STORED: Outcome = { status: 'stored' };

const away: Outcome = { status: 'failed', error: new SpartakusError('unavailable', 'No response.') };
const refusal = (message: string): Outcome => ({ status: 'failed', error: new SpartakusError('invalid', message) });

/** A sink with configurable outcomes, that records the stored reports and the size of each put. */
interface FakeCollector extends ReportSink {
  answer: (report: Report) => Outcome;
  /** Whether a put fails as a whole. */
  fails: (reports: readonly Report[]) => boolean;
  /** A put resolves after this. */
  ready: Promise<void>;
  readonly stored: string[];
  readonly puts: number[];
}

function createFakeCollector(): FakeCollector {
  const collector: FakeCollector = {
    stored: [],
    puts: [],
    answer: () => STORED,
    fails: () => false,
    ready: Promise.resolve(),
    put: async (entries: readonly ReportEntry[]) => {
      collector.puts.push(entries.length);
      await collector.ready;
      if (collector.fails(entries.map(({ report }) => report))) return entries.map(() => away);
      const outcomes = entries.map(({ report }) => collector.answer(report));
      collector.stored.push(
        ...entries.filter((_, index) => outcomes[index]?.status === 'stored').map(({ report }) => report.reportId),
      );
      return outcomes;
    },
    close: () => Promise.resolve(),
  };
  return collector;
}

let clock: ReturnType<typeof createManualClock>;
let log: KeptLog;
let counters: Counters;
let heartbeat: Heartbeat;
let collector: FakeCollector;
let spool: Spool;
let delivery: Delivery | undefined;

beforeEach(async () => {
  clock = createManualClock(START);
  log = createKeptLog();
  counters = createCounters();
  heartbeat = createHeartbeat(clock);
  collector = createFakeCollector();
  spool = await openSpool({ maxBytes: 10_000_000 }, { clock, logger: log.logger, counters });
});

afterEach(() => delivery?.close());

const start = (random: () => number = () => 0.5): Delivery => {
  delivery = startDelivery({
    spool,
    sink: collector,
    clock,
    random,
    logger: log.logger,
    counters,
    heartbeat,
    timeoutMs: 1000,
  });
  return delivery;
};

/** Runs everything that is due without time passing. */
const settle = () => new Promise<void>((resolve) => void setImmediate(resolve));

async function waitInSpool(count: number): Promise<readonly Report[]> {
  const reports = Array.from({ length: count }, makeReport);
  for (const report of reports) await spool.add(report);
  return reports;
}

test('at the start the backlog is streamed, oldest first, in one put', async () => {
  const backlog = await waitInSpool(5);

  start();
  await settle();

  expect(collector.stored).toStrictEqual(idsOf(backlog));
  expect(collector.puts).toStrictEqual([5]);
  expect(spool.size().reports).toBe(0);
});

test('a long backlog is sent in streams of a hundred', async () => {
  const backlog = await waitInSpool(250);

  start();
  await settle();

  expect(collector.puts).toStrictEqual([100, 100, 50]);
  expect(collector.stored).toStrictEqual(idsOf(backlog));
});

test('a report that is added is sent at once', async () => {
  const running = start();
  await settle();

  await running.add(makeReport());
  await settle();

  expect(collector.puts).toStrictEqual([1]);
  expect(counters.count('stored')).toBe(1);
  expect(counters.lastSuccess()).toStrictEqual({ at: START, outcome: 'stored' });
});

test('onIdle is called when the spool is empty, and not before', async () => {
  await waitInSpool(2);
  collector.answer = () => away;
  let idle = 0;
  const onIdle = (): void => void (idle += 1);
  delivery = startDelivery({
    spool,
    sink: collector,
    clock,
    random: () => 0.5,
    logger: log.logger,
    counters,
    heartbeat,
    timeoutMs: 1000,
    onIdle,
  });
  await clock.asleep();
  expect(idle).toBe(0);
  collector.answer = () => STORED;

  clock.advance(10_000);
  await settle();

  expect(idle).toBe(1);
});

test('a failed delivery is retried', async () => {
  collector.answer = () => away;
  const report = makeReport();
  const running = start();
  await running.add(report);
  await clock.asleep();
  collector.answer = () => STORED;

  clock.advance(10_000);
  await settle();

  expect(collector.stored).toStrictEqual([report.reportId]);
  expect(collector.puts).toStrictEqual([1, 1]);
});

test('a report leaves the spool on its receipt and not before', async () => {
  collector.answer = () => away;
  await start().add(makeReport());
  await clock.asleep();
  expect(spool.size().reports).toBe(1);
  collector.answer = () => ({ status: 'duplicate' });

  clock.advance(10_000);
  await settle();

  expect(spool.size().reports).toBe(0);
});

test('a sink that rejects is a failure that is retried', async () => {
  collector.put = () => Promise.reject(new Error('broken'));
  await start().add(makeReport());

  await clock.asleep();

  expect(spool.size().reports).toBe(1);
  expect(delivery?.lastError()).toMatchObject({ kind: 'internal' });
});

test('rejected reports are not retried, and logged once with the reason', async () => {
  collector.answer = () => refusal('The node id is missing.');
  await waitInSpool(3);

  start();
  await settle();

  expect(collector.puts).toStrictEqual([3]);
  expect(spool.size().reports).toBe(0);
  expect(counters.count('rejected')).toBe(3);
  expect(log.messages()).toStrictEqual(['3 reports were rejected for good, and not stored: The node id is missing.']);
});

test('each report of one put is settled by its own outcome', async () => {
  const [good, bad, later] = (await waitInSpool(3)) as [Report, Report, Report];
  collector.answer = ({ reportId }) => ({ [good.reportId]: STORED, [bad.reportId]: refusal('no') })[reportId] ?? away;

  start();
  await clock.asleep();

  expect(collector.stored).toStrictEqual([good.reportId]);
  expect(idsOf(await spool.oldest(ALL))).toStrictEqual([later.reportId]);
});

test('while the collector is unavailable only the oldest report is tried, and then all at once', async () => {
  collector.answer = () => away;
  await waitInSpool(50);
  start();
  await clock.pass(2 * MINUTE_MS, 1);
  const probes = collector.puts.slice(1);
  collector.answer = () => STORED;

  clock.advance(5 * MINUTE_MS);
  await settle();

  expect(new Set(probes)).toStrictEqual(new Set([1]));
  expect(collector.puts.slice(-2)).toStrictEqual([1, 49]);
});

test.each([true, false])(
  'a report that always fails does not stop those behind it (where it fails the whole stream: %s)',
  async (wholeStream) => {
    const [poison, ...others] = (await waitInSpool(4)) as [Report, ...Report[]];
    const isPoison = ({ reportId }: Report): boolean => reportId === poison.reportId;
    collector.fails = (reports) => wholeStream && reports.some(isPoison);
    collector.answer = (report) => (isPoison(report) ? away : STORED);
    const running = start();
    await clock.asleep();
    const newest = makeReport();
    await running.add(newest);

    await clock.pass(HOUR_MS, 1);

    expect(collector.stored).toStrictEqual(idsOf([...others, newest]));
    expect(idsOf(await spool.oldest(ALL))).toStrictEqual([poison.reportId]);
  },
);

test('nextReportAfterMs is that of the latest receipt', async () => {
  const running = start();
  expect(running.nextReportAfterMs()).toBeUndefined();
  collector.answer = () => ({ status: 'stored', nextReportAfterMs: 7_200_000 });

  await running.add(makeReport());
  await settle();

  expect(running.nextReportAfterMs()).toBe(7_200_000);
});

test('a retry waits for as long as the collector asks', async () => {
  collector.answer = () => ({
    status: 'failed',
    error: new SpartakusError('overloaded', 'Too many.', { retryAfterMs: 90_000 }),
  });
  await start().add(makeReport());

  await expect(clock.asleep()).resolves.toBe(92_250);
});

describe('a heartbeat', () => {
  test('is alive while it beats in time', async () => {
    collector.answer = () => away;
    await start().add(makeReport());
    const waitMs = await clock.asleep();

    expect(heartbeat.isAlive()).toBe(true);
    expect(createStuck(waitMs + 301_000).isAlive()).toBe(false);
  });

  test('of an idle loop is alive without end', async () => {
    start();
    await settle();

    clock.advance(1000 * HOUR_MS);

    expect(heartbeat.isAlive()).toBe(true);
  });

  function createStuck(laterMs: number): Heartbeat {
    let now = START;
    const stuck = createHeartbeat({ now: () => now });
    stuck.beat(2500);
    now = new Date(START.getTime() + laterMs);
    return stuck;
  }
});

describe('an air-gapped cluster logs once a day', () => {
  test('when the outage begins, once a day, and when it ends, with its duration and the number of reports', async () => {
    collector.answer = () => away;
    const running = start();
    await running.add(makeReport());
    await clock.pass(24 * HOUR_MS, 1);
    await running.add(makeReport());
    await clock.pass(49 * HOUR_MS, 1);
    collector.answer = () => STORED;
    clock.advance(5 * MINUTE_MS);
    await settle();

    const all = log.messages();
    expect(all).toStrictEqual([
      'No report can be delivered: No response. It will be retried; while it fails, this is logged once a day.',
      expect.stringMatching(/^No report can be delivered, for 1 d( \d+ (min|s))? now: No response\.$/),
      expect.stringMatching(/^No report can be delivered, for 2 d( \d+ (min|s))? now: No response\.$/),
      expect.stringMatching(/^No report can be delivered, for 3 d( \d+ (min|s))? now: No response\.$/),
      'The report is stored.',
      'The report is stored.',
      expect.stringMatching(/^Reports are delivered again, after 3 d 1 h; 2 reports waited\.$/),
    ]);
    expect(log.messages('error')).toStrictEqual([]);
  });
});

/**
 * In the long run a wait is a uniform part of 5 minutes: in 72 hours about 1,728 attempts. For there to be more than 2,000, 2,000 waits of
 * 150 s in the mean would have to take 40,800 s less than they do in the mean. By Hoeffding's inequality the chance of that is
 * exp(-2 · 40800² / (2000 · 300²)), one in a hundred million; the shorter waits of the first six minutes change nothing of that. Every
 * tenth attempt is two: the oldest report, and the others.
 */
const MOST_ATTEMPTS_IN_72_HOURS = 2200;

test.each([1, 2, 3])(
  '72 hours without a collector: no report is lost, then all arrive in order (seed %i)',
  async (seed) => {
    collector.answer = () => away;
    const running = start(createDice(seed));
    const made: Report[] = [];
    for (let hour = 0; hour < 72; hour++) {
      const report = makeReport();
      made.push(report);
      await running.add(report);
      await clock.pass(HOUR_MS, 1);
    }
    const attempts = collector.puts.length;
    collector.answer = () => STORED;
    await clock.asleep();
    clock.advance(5 * MINUTE_MS);
    await settle();

    expect(collector.stored).toStrictEqual(idsOf(made));
    expect(attempts).toBeGreaterThan(1500);
    expect(attempts).toBeLessThan(MOST_ATTEMPTS_IN_72_HOURS);
    expect(spool.size()).toStrictEqual({ reports: 0, bytes: 0, inMemory: 0 });
    expect(log.messages('warn')).toHaveLength(3);
    expect(log.messages('info').at(-1)).toMatch(/^Reports are delivered again, after 3 d.*; 72 reports waited\.$/);
  },
);

test('there is at most one attempt a second, whatever the random number', async () => {
  collector.answer = () => away;
  await start(() => 0).add(makeReport());

  await clock.pass(10 * MINUTE_MS, 1);

  expect(collector.puts.length).toBeLessThanOrEqual(601);
});

test('closing stops the retries at once, and the reports stay in the spool', async () => {
  collector.answer = () => away;
  const running = start();
  await running.add(makeReport());
  await clock.asleep();

  await running.close();

  expect(spool.size().reports).toBe(1);
});

test('closing waits for the put in progress', async () => {
  const answer = Promise.withResolvers<void>();
  collector.ready = answer.promise;
  const running = start();
  await running.add(makeReport());

  const closing = running.close();
  answer.resolve();
  await closing;

  expect(collector.stored).toHaveLength(1);
  expect(spool.size().reports).toBe(0);
});
