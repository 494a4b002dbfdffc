import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/report/report-sink.ts';
import { SpartakusError } from '../../src/runtime/errors.ts';
import { idsOf } from '../contract/spool.ts';
import { AWAY, settle, STORED, useDeliveryFixture } from '../support/delivery-fixture.ts';
import { makeReport } from '../support/reports.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const fixture = useDeliveryFixture();

describe.each(['unauthenticated', 'forbidden', 'not-found'] as const)('reports that are %s', (kind) => {
  const rejected: Outcome = { status: 'failed', error: new SpartakusError(kind, 'Change the token.') };

  test('stay in the spool, and are retried slowly until they are stored', async () => {
    const backlog = await fixture.waitInSpool(3);
    fixture.collector.answer = () => rejected;
    fixture.start();
    await fixture.clock.pass(24 * HOUR_MS, 1);
    const attempts = fixture.collector.puts.length;
    expect([
      fixture.spool.size().reports,
      fixture.counters.count('rejected'),
      fixture.counters.failing(),
    ]).toStrictEqual([3, 0, kind]);
    fixture.collector.answer = () => STORED;

    fixture.clock.advance(HOUR_MS);
    await settle();

    expect(fixture.collector.stored).toStrictEqual(idsOf(backlog));
    // About every 45 minutes; every tenth attempt sends the other reports too.
    expect(attempts).toBeLessThan(45);
    expect(fixture.counters.failing()).toBeUndefined();
  });

  test('are logged once a day', async () => {
    fixture.collector.answer = () => rejected;
    await fixture.start().add(makeReport());

    await fixture.clock.pass(23 * HOUR_MS, 1);

    expect(fixture.log.messages()).toStrictEqual([
      'No report can be delivered: Change the token. It will be retried; while it fails, this is logged once a day.',
    ]);
    expect(fixture.log.lines[0]?.fields).toStrictEqual({ kind, waiting: 1 });
    expect(fixture.counters.failures()).toMatchObject([{ during: 'delivery', cause: kind }]);
  });
});

test('another cause of an outage is logged within about an hour, and the old one again only after another hour', async () => {
  let kind: 'unavailable' | 'unauthenticated' = 'unavailable';
  fixture.collector.answer = () => ({ status: 'failed', error: new SpartakusError(kind, `${kind}.`) });
  await fixture.start().add(makeReport());
  await fixture.clock.pass(HOUR_MS / 2, 1);
  kind = 'unauthenticated';

  await fixture.clock.pass(2 * HOUR_MS, 1);

  expect(fixture.log.messages()).toStrictEqual([
    'No report can be delivered: unavailable. It will be retried; while it fails, this is logged once a day.',
    expect.stringMatching(/^No report can be delivered, for 1 h( \d+ min)? now: unauthenticated\.$/),
  ]);
});

describe('after an outage, each report is in one number of the log', () => {
  const storedIn = (): readonly unknown[] =>
    fixture.log.lines.flatMap(({ fields }) => ('reports' in fields ? [fields.reports] : []));

  test('with the reports that were made after the last failed attempt', async () => {
    fixture.collector.answer = () => AWAY;
    const running = fixture.start();
    await running.add(makeReport());
    await fixture.clock.asleep();
    for (let more = 0; more < 10; more++) await running.add(makeReport());
    fixture.collector.answer = () => STORED;

    fixture.clock.advance(5000);
    await settle();

    expect(fixture.collector.stored).toHaveLength(11);
    expect(fixture.log.messages('info')).toStrictEqual([
      'Reports are delivered again, after 5 s: 11 reports waited, and are stored.',
    ]);
    expect(storedIn()).toStrictEqual([11]);
  });

  test('where the collector fails again between them', async () => {
    const backlog = await fixture.waitInSpool(5);
    fixture.collector.answer = () => AWAY;
    fixture.start();
    await fixture.clock.asleep();
    fixture.collector.answer = ({ reportId }) => (reportId < (backlog[3]?.reportId ?? '') ? STORED : AWAY);
    fixture.clock.advance(5000);
    await settle();
    expect(fixture.log.messages('info')).toStrictEqual(['3 reports are stored.']);
    fixture.collector.answer = () => STORED;

    fixture.clock.advance(HOUR_MS);
    await settle();

    expect(storedIn()).toStrictEqual([3, 2]);
  });

  test('where the volunteer stops before the end', async () => {
    const backlog = await fixture.waitInSpool(2);
    fixture.collector.answer = () => AWAY;
    const running = fixture.start();
    await fixture.clock.asleep();
    fixture.collector.answer = ({ reportId }) => {
      if (reportId === backlog[0]?.reportId) void running.close();
      return STORED;
    };
    fixture.clock.advance(5000);
    await settle();
    await running.close();

    expect([fixture.collector.stored.length, ...storedIn()]).toStrictEqual([1, 1]);
    expect(fixture.log.messages('info')).toStrictEqual(['The report is stored.']);
  });
});

describe('an air-gapped cluster logs once a day', () => {
  test('when the outage begins, once a day, and when it ends, with its duration and the number of reports', async () => {
    fixture.collector.answer = () => AWAY;
    const running = fixture.start();
    await running.add(makeReport());
    await fixture.clock.pass(24 * HOUR_MS, 1);
    await running.add(makeReport());
    await fixture.clock.pass(49 * HOUR_MS, 1);
    fixture.collector.answer = () => STORED;
    fixture.clock.advance(5 * MINUTE_MS);
    await settle();

    const all = fixture.log.messages();
    expect(all).toStrictEqual([
      'No report can be delivered: No response. It will be retried; while it fails, this is logged once a day.',
      expect.stringMatching(/^No report can be delivered, for 1 d( \d+ (min|s))? now: No response\.$/),
      expect.stringMatching(/^No report can be delivered, for 2 d( \d+ (min|s))? now: No response\.$/),
      expect.stringMatching(/^No report can be delivered, for 3 d( \d+ (min|s))? now: No response\.$/),
      'Reports are delivered again, after 3 d 1 h: 2 reports waited, and are stored.',
    ]);
    expect(fixture.log.messages('error')).toStrictEqual([]);
  });
});
