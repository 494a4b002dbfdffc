import { expect, test } from 'vitest';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import type { Outcome } from '../../src/report/report-sink.ts';
import { ALL, idsOf } from '../contract/spool.ts';
import { AWAY, rejectionOf, settle, START, STORED, useDeliveryFixture } from '../support/delivery-fixture.ts';
import { makeReport } from '../support/reports.ts';

const fixture = useDeliveryFixture();

test('onSettled is called once a report is settled, and not before', async () => {
  const [good, bad, later] = (await fixture.waitInSpool(3)) as [Report, Report, Report];
  const rejection = rejectionOf('no');
  fixture.collector.answer = ({ reportId }) =>
    ({ [good.reportId]: STORED, [bad.reportId]: rejection })[reportId] ?? AWAY;
  const settled: (readonly [string, Outcome, number])[] = [];

  fixture.start({ onSettled: (id, outcome) => settled.push([id, outcome, fixture.spool.size().reports]) });
  await fixture.clock.asleep();

  expect(settled).toStrictEqual([
    [good.reportId, STORED, 2],
    [bad.reportId, rejection, 1],
  ]);
  expect(idsOf(await fixture.spool.oldest(ALL))).toStrictEqual([later.reportId]);
});

test('the last success is that of the last report of a batch', async () => {
  const backlog = await fixture.waitInSpool(3);
  fixture.collector.answer = ({ reportId }) => (reportId === backlog[2]?.reportId ? { status: 'duplicate' } : STORED);

  fixture.start();
  await settle();

  expect(fixture.counters.count('stored')).toBe(3);
  expect(fixture.counters.count('rejected')).toBe(0);
  expect(fixture.counters.lastSuccess()).toStrictEqual({ at: START, outcome: 'duplicate' });
  expect(fixture.counters.failures()).toStrictEqual([]);
});

test('each report that fails counts, whether it is retried or not', async () => {
  const [bad] = (await fixture.waitInSpool(3)) as [Report];
  fixture.collector.answer = ({ reportId }) => (reportId === bad.reportId ? rejectionOf('no') : AWAY);

  fixture.start();
  await fixture.clock.asleep();

  expect(fixture.counters.lastSuccess()).toBeUndefined();
  expect(fixture.counters.failing()).toBe('unavailable');
  expect(fixture.counters.failures()).toStrictEqual([
    { during: 'delivery', cause: 'invalid', count: 1 },
    { during: 'delivery', cause: 'unavailable', count: 2 },
  ]);
});

test('it is logged how many reports are stored, and how many are rejected for which reason', async () => {
  const backlog = await fixture.waitInSpool(6);
  const outcomes = [
    STORED,
    rejectionOf('The first.'),
    rejectionOf('The second.'),
    rejectionOf('The first.'),
    STORED,
    STORED,
  ];
  fixture.collector.answer = ({ reportId }) =>
    outcomes[backlog.findIndex((report) => report.reportId === reportId)] ?? STORED;
  const running = fixture.start();
  await settle();

  await running.add(makeReport());
  await settle();

  const rejected = { kind: 'invalid', field: undefined };
  expect(fixture.log.lines).toStrictEqual([
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
  fixture.collector.answer = () => AWAY;
  const running = fixture.start();
  expect(running.lastError()).toBeUndefined();
  await running.add(makeReport());
  await fixture.clock.asleep();
  expect(running.lastError()).toMatchObject({ kind: 'unavailable', message: 'No response.' });
  fixture.collector.answer = () => STORED;

  fixture.clock.advance(10_000);
  await settle();

  expect(running.lastError()).toBeUndefined();
});

test('after the deadline no attempt is made, and the reports stay until another one is added', async () => {
  fixture.collector.answer = () => AWAY;
  await fixture.waitInSpool(2);
  let idle = 0;
  const running = fixture.start({ deadlineMs: START.getTime() + 2_000, onIdle: () => void (idle += 1) });

  await settle();

  expect([fixture.collector.puts, idle, fixture.clock.sleepers()]).toStrictEqual([[2], 1, 0]);
  expect(running.lastError()).toMatchObject({ kind: 'unavailable' });
  expect(fixture.counters.failing()).toBe('unavailable');
  expect(fixture.spool.size().reports).toBe(2);
});

test('an outage that is still there at the deadline has not ended', async () => {
  fixture.collector.answer = () => AWAY;
  await fixture.waitInSpool(1);
  const running = fixture.start({ deadlineMs: START.getTime() + 4_000 });
  await fixture.clock.asleep();

  fixture.clock.advance(2_500);
  await settle();

  expect([fixture.collector.puts, fixture.clock.sleepers(), running.lastError()?.kind]).toStrictEqual([
    [1, 1],
    0,
    'unavailable',
  ]);
  expect(fixture.log.messages()).toStrictEqual([expect.stringMatching(/^No report can be delivered: No response\./)]);
});
