import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { type Delivery, type DeliveryOptions, startDelivery } from '../../src/delivery/delivery.ts';
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
import { makeReport } from '../support/reports.ts';

const refusal = (message: string): Outcome => ({ status: 'failed', error: new SpartakusError('invalid', message) });

let clock: DeliveryFixture['clock'];
let log: DeliveryFixture['log'];
let counters: DeliveryFixture['counters'];
let heartbeat: DeliveryFixture['heartbeat'];
let collector: DeliveryFixture['collector'];
let spool: DeliveryFixture['spool'];
let waitInSpool: DeliveryFixture['waitInSpool'];
let delivery: Delivery | undefined;

beforeEach(async () => {
  ({ clock, log, counters, heartbeat, collector, spool, waitInSpool } = await createDeliveryFixture());
});

afterEach(() => delivery?.close());

const startWith = (options: Partial<DeliveryOptions>): Delivery => {
  const { logger } = log;
  const given = { spool, sink: collector, clock, random: () => 0.5, logger, counters, heartbeat, timeoutMs: 1_000 };
  return (delivery = startDelivery({ ...given, ...options }));
};

test('onSettled is called once a report is settled, and not before', async () => {
  const [good, bad, later] = (await waitInSpool(3)) as [Report, Report, Report];
  const rejection = refusal('no');
  collector.answer = ({ reportId }) => ({ [good.reportId]: STORED, [bad.reportId]: rejection })[reportId] ?? AWAY;
  const settled: (readonly [string, Outcome, number])[] = [];

  startWith({ onSettled: (id, outcome) => settled.push([id, outcome, spool.size().reports]) });
  await clock.asleep();

  expect(settled).toStrictEqual([
    [good.reportId, STORED, 2],
    [bad.reportId, rejection, 1],
  ]);
  expect(idsOf(await spool.oldest(ALL))).toStrictEqual([later.reportId]);
});

test('the last success is that of the last report of a batch', async () => {
  const backlog = await waitInSpool(3);
  collector.answer = ({ reportId }) => (reportId === backlog[2]?.reportId ? { status: 'duplicate' } : STORED);

  startWith({});
  await settle();

  expect(counters.count('stored')).toBe(3);
  expect(counters.count('rejected')).toBe(0);
  expect(counters.lastSuccess()).toStrictEqual({ at: START, outcome: 'duplicate' });
  expect(counters.failures()).toStrictEqual([]);
});

test('each report that fails counts, whether it is retried or not', async () => {
  const [bad] = (await waitInSpool(3)) as [Report];
  collector.answer = ({ reportId }) => (reportId === bad.reportId ? refusal('no') : AWAY);

  startWith({});
  await clock.asleep();

  expect(counters.lastSuccess()).toBeUndefined();
  expect(counters.failing()).toBe('unavailable');
  expect(counters.failures()).toStrictEqual([
    { during: 'delivery', cause: 'invalid', count: 1 },
    { during: 'delivery', cause: 'unavailable', count: 2 },
  ]);
});

test('it is logged how many reports are stored, and how many are rejected for which reason', async () => {
  const backlog = await waitInSpool(6);
  const outcomes = [STORED, refusal('The first.'), refusal('The second.'), refusal('The first.'), STORED, STORED];
  collector.answer = ({ reportId }) => outcomes[backlog.findIndex((report) => report.reportId === reportId)] ?? STORED;
  const running = startWith({});
  await settle();

  await running.add(makeReport());
  await settle();

  const rejected = { kind: 'invalid', field: undefined };
  expect(log.lines).toStrictEqual([
    { level: 'info', fields: { reports: 3 }, message: '3 reports are stored.' },
    {
      level: 'error',
      fields: { ...rejected, reports: 2 },
      message: '2 reports were rejected for good, and not stored: The first.',
    },
    {
      level: 'error',
      fields: { ...rejected, reports: 1 },
      message: '1 report was rejected for good, and not stored: The second.',
    },
    { level: 'info', fields: { reports: 1 }, message: 'The report is stored.' },
  ]);
});

test('lastError is that of the last attempt', async () => {
  collector.answer = () => AWAY;
  const running = startWith({});
  expect(running.lastError()).toBeUndefined();
  await running.add(makeReport());
  await clock.asleep();
  expect(running.lastError()).toMatchObject({ kind: 'unavailable', message: 'No response.' });
  collector.answer = () => STORED;

  clock.advance(10_000);
  await settle();

  expect(running.lastError()).toBeUndefined();
});

test('after the deadline no attempt is made, and the reports stay until another one is added', async () => {
  collector.answer = () => AWAY;
  await waitInSpool(2);
  let idle = 0;
  const running = startWith({ deadlineMs: START.getTime() + 2_000, onIdle: () => void (idle += 1) });

  await settle();

  expect([collector.puts, idle, clock.sleepers()]).toStrictEqual([[2], 1, 0]);
  expect(running.lastError()).toMatchObject({ kind: 'unavailable' });
  expect(counters.failing()).toBe('unavailable');
  expect(spool.size().reports).toBe(2);
});

test('an outage that is still there at the deadline has not ended', async () => {
  collector.answer = () => AWAY;
  await waitInSpool(1);
  const running = startWith({ deadlineMs: START.getTime() + 4_000 });
  await clock.asleep();

  clock.advance(2_500);
  await settle();

  expect([collector.puts, clock.sleepers(), running.lastError()?.kind]).toStrictEqual([[1, 1], 0, 'unavailable']);
  expect(log.messages()).toStrictEqual([expect.stringMatching(/^No report can be delivered: No response\./)]);
});
