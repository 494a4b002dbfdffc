import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { SpartakusError } from '../../src/runtime/errors.ts';
import { ALL, idsOf } from '../contract/spool.ts';
import { AWAY, rejectionOf, settle, START, STORED, useDeliveryFixture } from '../support/delivery-fixture.ts';
import { expectNothingLeftOpen } from '../support/held.ts';
import { makeReport } from '../support/reports.ts';

expectNothingLeftOpen();

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const fixture = useDeliveryFixture();

test('at the start the backlog is streamed, oldest first, in one put', async () => {
  const backlog = await fixture.waitInSpool(5);

  fixture.start();
  await settle();

  expect(fixture.collector.stored).toStrictEqual(idsOf(backlog));
  expect(fixture.collector.puts).toStrictEqual([5]);
  expect(fixture.spool.size().reports).toBe(0);
});

test('a long backlog is sent in streams of a hundred', async () => {
  const backlog = await fixture.waitInSpool(250);

  fixture.start();
  await settle();

  expect(fixture.collector.puts).toStrictEqual([100, 100, 50]);
  expect(fixture.collector.stored).toStrictEqual(idsOf(backlog));
});

test('a report that is added is sent at once', async () => {
  const running = fixture.start();
  await settle();

  await running.add(makeReport());
  await settle();

  expect(fixture.collector.puts).toStrictEqual([1]);
  expect(fixture.counters.count('stored')).toBe(1);
  expect(fixture.counters.lastSuccess()).toStrictEqual({ at: START, outcome: 'stored' });
});

test('onIdle is called when the spool is empty, and not before', async () => {
  await fixture.waitInSpool(2);
  fixture.collector.answer = () => AWAY;
  let idle = 0;
  const onIdle = (): void => void (idle += 1);
  fixture.start({ onIdle });
  await fixture.clock.asleep();
  expect(idle).toBe(0);
  fixture.collector.answer = () => STORED;

  fixture.clock.advance(10_000);
  await settle();

  expect(idle).toBe(1);
});

test('a failed delivery is retried', async () => {
  fixture.collector.answer = () => AWAY;
  const report = makeReport();
  const running = fixture.start();
  await running.add(report);
  await fixture.clock.asleep();
  fixture.collector.answer = () => STORED;

  fixture.clock.advance(10_000);
  await settle();

  expect(fixture.collector.stored).toStrictEqual([report.reportId]);
  expect(fixture.collector.puts).toStrictEqual([1, 1]);
});

test('a report leaves the spool on its receipt and not before', async () => {
  fixture.collector.answer = () => AWAY;
  await fixture.start().add(makeReport());
  await fixture.clock.asleep();
  expect(fixture.spool.size().reports).toBe(1);
  fixture.collector.answer = () => ({ status: 'duplicate' });

  fixture.clock.advance(10_000);
  await settle();

  expect(fixture.spool.size().reports).toBe(0);
});

test('a sink that rejects is a failure that is retried', async () => {
  fixture.collector.put = () => Promise.reject(new Error('broken'));
  const running = fixture.start();
  await running.add(makeReport());

  await fixture.clock.asleep();

  expect(fixture.spool.size().reports).toBe(1);
  expect(running.lastError()).toMatchObject({ kind: 'internal', message: 'broken' });
});

test('rejected reports are not retried, and logged once with the reason', async () => {
  fixture.collector.answer = () => rejectionOf('The node id is missing.');
  await fixture.waitInSpool(3);

  fixture.start();
  await settle();

  expect(fixture.collector.puts).toStrictEqual([3]);
  expect(fixture.spool.size().reports).toBe(0);
  expect(fixture.counters.count('rejected')).toBe(3);
  expect(fixture.log.messages()).toStrictEqual([
    '3 reports were rejected for good, and not stored: The node id is missing.',
  ]);
});

test('each report of one put is settled by its own outcome', async () => {
  const [good, bad, later] = (await fixture.waitInSpool(3)) as [Report, Report, Report];
  fixture.collector.answer = ({ reportId }) =>
    ({ [good.reportId]: STORED, [bad.reportId]: rejectionOf('no') })[reportId] ?? AWAY;

  fixture.start();
  await fixture.clock.asleep();

  expect(fixture.collector.stored).toStrictEqual([good.reportId]);
  expect(idsOf(await fixture.spool.oldest(ALL))).toStrictEqual([later.reportId]);
});

test('while the collector is unavailable only the oldest report is tried, and then all at once', async () => {
  fixture.collector.answer = () => AWAY;
  await fixture.waitInSpool(50);
  fixture.start();
  await fixture.clock.pass(2 * MINUTE_MS, 1);
  const probes = fixture.collector.puts.slice(1);
  fixture.collector.answer = () => STORED;

  fixture.clock.advance(5 * MINUTE_MS);
  await settle();

  expect(new Set(probes)).toStrictEqual(new Set([1]));
  expect(fixture.collector.puts.slice(-2)).toStrictEqual([1, 49]);
});

test('every tenth attempt sends the reports behind the oldest too, as many as usual', async () => {
  fixture.collector.answer = () => AWAY;
  await fixture.waitInSpool(150);
  fixture.start();

  await fixture.clock.pass(HOUR_MS, 1);

  expect(fixture.collector.puts.slice(0, 14)).toStrictEqual([100, ...Array<number>(10).fill(1), 100, 49, 1]);
});

test.each([true, false])(
  'a report that always fails does not stop those behind it (where it fails the whole stream: %s)',
  async (wholeStream) => {
    const [poison, ...others] = (await fixture.waitInSpool(4)) as [Report, ...Report[]];
    const isPoison = ({ reportId }: Report): boolean => reportId === poison.reportId;
    fixture.collector.fails = (reports) => wholeStream && reports.some(isPoison);
    fixture.collector.answer = (report) => (isPoison(report) ? AWAY : STORED);
    const running = fixture.start();
    await fixture.clock.asleep();
    const newest = makeReport();
    await running.add(newest);

    await fixture.clock.pass(HOUR_MS, 1);

    expect(fixture.collector.stored).toStrictEqual(idsOf([...others, newest]));
    expect(idsOf(await fixture.spool.oldest(ALL))).toStrictEqual([poison.reportId]);
  },
);

test('nextReportAfterMs is that of the latest receipt', async () => {
  const running = fixture.start();
  expect(running.nextReportAfterMs()).toBeUndefined();
  fixture.collector.answer = () => ({ status: 'stored', nextReportAfterMs: 7_200_000 });

  await running.add(makeReport());
  await settle();

  expect(running.nextReportAfterMs()).toBe(7_200_000);
});

test('a retry waits for as long as the collector asks', async () => {
  fixture.collector.answer = () => ({
    status: 'failed',
    error: new SpartakusError('overloaded', 'Too many.', { retryAfterMs: 90_000 }),
  });
  await fixture.start().add(makeReport());

  await expect(fixture.clock.asleep()).resolves.toBe(92_250);
});

describe('the heartbeat', () => {
  /** What the heartbeat allows a busy machine. */
  const SLACK_MS = 5 * MINUTE_MS;
  const isAliveAfter = (ms: number): boolean => {
    fixture.clock.advance(ms);
    return fixture.heartbeat.isAlive();
  };

  test('of a wait for a retry is alive until its end, and not after it', async () => {
    fixture.collector.answer = () => AWAY;
    await fixture.start().add(makeReport());
    const waitMs = await fixture.clock.asleep();
    // Nothing beats any more.
    await fixture.close();

    expect(isAliveAfter(waitMs + SLACK_MS)).toBe(true);
    expect(isAliveAfter(1)).toBe(false);
  });

  test('of a delivery is alive for the time of each of its reports, and not after it', async () => {
    const hanging = Promise.withResolvers<void>();
    fixture.collector.ready = hanging.promise;
    await fixture.waitInSpool(3);
    fixture.start();
    await settle();
    expect(fixture.collector.puts).toStrictEqual([3]);

    expect(isAliveAfter(3 * 1_000 + SLACK_MS)).toBe(true);
    expect(isAliveAfter(1)).toBe(false);
    hanging.resolve();
    await settle();
    expect(fixture.heartbeat.isAlive()).toBe(true);
  });

  test('of an idle loop is alive without end', async () => {
    fixture.start();
    await settle();

    expect(isAliveAfter(1000 * HOUR_MS)).toBe(true);
  });
});

test('there is at most one attempt a second, whatever the random number', async () => {
  fixture.collector.answer = () => AWAY;
  await fixture.start({ random: () => 0 }).add(makeReport());

  await fixture.clock.pass(10 * MINUTE_MS, 1);

  expect(fixture.collector.puts.length).toBeLessThanOrEqual(601);
});

test('closing stops the retries at once, and the reports stay in the spool', async () => {
  fixture.collector.answer = () => AWAY;
  const running = fixture.start();
  await running.add(makeReport());
  await fixture.clock.asleep();

  await running.close();

  expect(fixture.spool.size().reports).toBe(1);
});

test('closing waits for the put in progress', async () => {
  const answer = Promise.withResolvers<void>();
  fixture.collector.ready = answer.promise;
  const running = fixture.start();
  await running.add(makeReport());

  const closing = running.close();
  answer.resolve();
  await closing;

  expect(fixture.collector.stored).toHaveLength(1);
  expect(fixture.spool.size().reports).toBe(0);
});

test('a put has at most a MiB of reports, and a larger report is sent alone', async () => {
  const sized = (kib: number): Report => create(ReportSchema, { ...makeReport(), version: 'x'.repeat(kib * 1024) });
  const backlog = [sized(500), sized(500), sized(500), sized(1_500), sized(1), sized(1)];
  for (const report of backlog) await fixture.spool.add(report);

  fixture.start();
  await settle();

  expect(fixture.collector.puts).toStrictEqual([2, 1, 1, 2]);
  expect(fixture.collector.stored).toStrictEqual(idsOf(backlog));
});

test('closing an idle delivery ends it, and a second time has no effect', async () => {
  const running = fixture.start();
  await settle();

  await running.close();
  await expect(running.close()).resolves.toBeUndefined();

  expect(fixture.collector.puts).toStrictEqual([]);
});
