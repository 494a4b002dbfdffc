import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import type { Delivery } from '../../src/delivery/delivery.ts';
import type { Outcome } from '../../src/report/report-sink.ts';
import { SpartakusError } from '../../src/runtime/errors.ts';
import { ALL, idsOf } from '../contract/spool.ts';
import {
  AWAY,
  createDeliveryFixture,
  type DeliveryFixture,
  settle,
  START,
  STORED,
} from '../support/delivery-fixture.ts';
import { expectNothingLeftOpen } from '../support/held.ts';
import { makeReport } from '../support/reports.ts';

expectNothingLeftOpen();

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const refusal = (message: string): Outcome => ({ status: 'failed', error: new SpartakusError('invalid', message) });

let clock: DeliveryFixture['clock'];
let log: DeliveryFixture['log'];
let counters: DeliveryFixture['counters'];
let heartbeat: DeliveryFixture['heartbeat'];
let collector: DeliveryFixture['collector'];
let spool: DeliveryFixture['spool'];
let waitInSpool: DeliveryFixture['waitInSpool'];
let startFixture: DeliveryFixture['start'];
let delivery: Delivery | undefined;

beforeEach(async () => {
  ({
    clock,
    log,
    counters,
    heartbeat,
    collector,
    spool,
    waitInSpool,
    start: startFixture,
  } = await createDeliveryFixture());
});

afterEach(() => delivery?.close());

const start = (...options: Parameters<typeof startFixture>): Delivery => (delivery = startFixture(...options));

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
  collector.answer = () => AWAY;
  let idle = 0;
  const onIdle = (): void => void (idle += 1);
  start(undefined, onIdle);
  await clock.asleep();
  expect(idle).toBe(0);
  collector.answer = () => STORED;

  clock.advance(10_000);
  await settle();

  expect(idle).toBe(1);
});

test('a failed delivery is retried', async () => {
  collector.answer = () => AWAY;
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
  collector.answer = () => AWAY;
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
  expect(delivery?.lastError()).toMatchObject({ kind: 'internal', message: 'broken' });
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
  collector.answer = ({ reportId }) => ({ [good.reportId]: STORED, [bad.reportId]: refusal('no') })[reportId] ?? AWAY;

  start();
  await clock.asleep();

  expect(collector.stored).toStrictEqual([good.reportId]);
  expect(idsOf(await spool.oldest(ALL))).toStrictEqual([later.reportId]);
});

test('while the collector is unavailable only the oldest report is tried, and then all at once', async () => {
  collector.answer = () => AWAY;
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

test('every tenth attempt sends the reports behind the oldest too, as many as usual', async () => {
  collector.answer = () => AWAY;
  await waitInSpool(150);
  start();

  await clock.pass(HOUR_MS, 1);

  expect(collector.puts.slice(0, 14)).toStrictEqual([100, ...Array<number>(10).fill(1), 100, 49, 1]);
});

test.each([true, false])(
  'a report that always fails does not stop those behind it (where it fails the whole stream: %s)',
  async (wholeStream) => {
    const [poison, ...others] = (await waitInSpool(4)) as [Report, ...Report[]];
    const isPoison = ({ reportId }: Report): boolean => reportId === poison.reportId;
    collector.fails = (reports) => wholeStream && reports.some(isPoison);
    collector.answer = (report) => (isPoison(report) ? AWAY : STORED);
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

describe('the heartbeat', () => {
  /** What the heartbeat allows a busy machine. */
  const SLACK_MS = 5 * MINUTE_MS;
  const isAliveAfter = (ms: number): boolean => {
    clock.advance(ms);
    return heartbeat.isAlive();
  };

  test('of a wait for a retry is alive until its end, and not after it', async () => {
    collector.answer = () => AWAY;
    await start().add(makeReport());
    const waitMs = await clock.asleep();
    // Nothing beats any more.
    await delivery?.close();

    expect(isAliveAfter(waitMs + SLACK_MS)).toBe(true);
    expect(isAliveAfter(1)).toBe(false);
  });

  test('of a delivery is alive for the time of each of its reports, and not after it', async () => {
    const hanging = Promise.withResolvers<void>();
    collector.ready = hanging.promise;
    await waitInSpool(3);
    start();
    await settle();
    expect(collector.puts).toStrictEqual([3]);

    expect(isAliveAfter(3 * 1_000 + SLACK_MS)).toBe(true);
    expect(isAliveAfter(1)).toBe(false);
    hanging.resolve();
    await settle();
    expect(heartbeat.isAlive()).toBe(true);
  });

  test('of an idle loop is alive without end', async () => {
    start();
    await settle();

    expect(isAliveAfter(1000 * HOUR_MS)).toBe(true);
  });
});

test('there is at most one attempt a second, whatever the random number', async () => {
  collector.answer = () => AWAY;
  await start(() => 0).add(makeReport());

  await clock.pass(10 * MINUTE_MS, 1);

  expect(collector.puts.length).toBeLessThanOrEqual(601);
});

test('closing stops the retries at once, and the reports stay in the spool', async () => {
  collector.answer = () => AWAY;
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

test('a put has at most a MiB of reports, and a larger report is sent alone', async () => {
  const sized = (kib: number): Report => create(ReportSchema, { ...makeReport(), version: 'x'.repeat(kib * 1024) });
  const backlog = [sized(500), sized(500), sized(500), sized(1_500), sized(1), sized(1)];
  for (const report of backlog) await spool.add(report);

  start();
  await settle();

  expect(collector.puts).toStrictEqual([2, 1, 1, 2]);
  expect(collector.stored).toStrictEqual(idsOf(backlog));
});

test('closing an idle delivery ends it, and a second time has no effect', async () => {
  const running = start();
  await settle();

  await running.close();
  await expect(running.close()).resolves.toBeUndefined();

  expect(collector.puts).toStrictEqual([]);
});
