import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Delivery } from '../../src/delivery/delivery.ts';
import type { Outcome } from '../../src/report/report-sink.ts';
import { SpartakusError } from '../../src/runtime/errors.ts';
import { idsOf } from '../contract/spool.ts';
import { AWAY, createDeliveryFixture, type DeliveryFixture, settle, STORED } from '../support/delivery-fixture.ts';
import { makeReport } from '../support/reports.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let clock: DeliveryFixture['clock'];
let log: DeliveryFixture['log'];
let counters: DeliveryFixture['counters'];
let collector: DeliveryFixture['collector'];
let spool: DeliveryFixture['spool'];
let waitInSpool: DeliveryFixture['waitInSpool'];
let startFixture: DeliveryFixture['start'];
let delivery: Delivery | undefined;

beforeEach(async () => {
  ({ clock, log, counters, collector, spool, waitInSpool, start: startFixture } = await createDeliveryFixture());
});

afterEach(() => delivery?.close());

const start = (...options: Parameters<typeof startFixture>): Delivery => (delivery = startFixture(...options));

describe.each(['unauthenticated', 'forbidden', 'not-found'] as const)('reports that are %s', (kind) => {
  const rejected: Outcome = { status: 'failed', error: new SpartakusError(kind, 'Change the token.') };

  test('stay in the spool, and are retried slowly until they are stored', async () => {
    const backlog = await waitInSpool(3);
    collector.answer = () => rejected;
    start();
    await clock.pass(24 * HOUR_MS, 1);
    const attempts = collector.puts.length;
    expect([spool.size().reports, counters.count('rejected'), counters.failing()]).toStrictEqual([3, 0, kind]);
    collector.answer = () => STORED;

    clock.advance(HOUR_MS);
    await settle();

    expect(collector.stored).toStrictEqual(idsOf(backlog));
    // About every 45 minutes; every tenth attempt sends the other reports too.
    expect(attempts).toBeLessThan(45);
    expect(counters.failing()).toBeUndefined();
  });

  test('are logged once a day', async () => {
    collector.answer = () => rejected;
    await start().add(makeReport());

    await clock.pass(23 * HOUR_MS, 1);

    expect(log.messages()).toStrictEqual([
      'No report can be delivered: Change the token. It will be retried; while it fails, this is logged once a day.',
    ]);
    expect(log.lines[0]?.fields).toStrictEqual({ kind, waiting: 1 });
    expect(counters.failures()).toMatchObject([{ during: 'delivery', cause: kind }]);
  });
});

test('another cause of an outage is logged within about an hour, and the old one again only after another hour', async () => {
  let kind: 'unavailable' | 'unauthenticated' = 'unavailable';
  collector.answer = () => ({ status: 'failed', error: new SpartakusError(kind, `${kind}.`) });
  await start().add(makeReport());
  await clock.pass(HOUR_MS / 2, 1);
  kind = 'unauthenticated';

  await clock.pass(2 * HOUR_MS, 1);

  expect(log.messages()).toStrictEqual([
    'No report can be delivered: unavailable. It will be retried; while it fails, this is logged once a day.',
    expect.stringMatching(/^No report can be delivered, for 1 h( \d+ min)? now: unauthenticated\.$/),
  ]);
});

describe('after an outage, each report is in one number of the log', () => {
  const storedIn = (): readonly unknown[] =>
    log.lines.flatMap(({ fields }) => ('reports' in fields ? [fields.reports] : []));

  test('with the reports that were made after the last failed attempt', async () => {
    collector.answer = () => AWAY;
    const running = start();
    await running.add(makeReport());
    await clock.asleep();
    for (let more = 0; more < 10; more++) await running.add(makeReport());
    collector.answer = () => STORED;

    clock.advance(5000);
    await settle();

    expect(collector.stored).toHaveLength(11);
    expect(log.messages('info')).toStrictEqual([
      'Reports are delivered again, after 5 s: 11 reports waited, and are stored.',
    ]);
    expect(storedIn()).toStrictEqual([11]);
  });

  test('where the collector fails again between them', async () => {
    const backlog = await waitInSpool(5);
    collector.answer = () => AWAY;
    start();
    await clock.asleep();
    collector.answer = ({ reportId }) => (reportId < (backlog[3]?.reportId ?? '') ? STORED : AWAY);
    clock.advance(5000);
    await settle();
    expect(log.messages('info')).toStrictEqual(['3 reports are stored.']);
    collector.answer = () => STORED;

    clock.advance(HOUR_MS);
    await settle();

    expect(storedIn()).toStrictEqual([3, 2]);
  });

  test('where the volunteer stops before the end', async () => {
    const backlog = await waitInSpool(2);
    collector.answer = () => AWAY;
    const running = start();
    await clock.asleep();
    collector.answer = ({ reportId }) => {
      if (reportId === backlog[0]?.reportId) void running.close();
      return STORED;
    };
    clock.advance(5000);
    await settle();
    await running.close();

    expect([collector.stored.length, ...storedIn()]).toStrictEqual([1, 1]);
    expect(log.messages('info')).toStrictEqual(['The report is stored.']);
  });
});

describe('an air-gapped cluster logs once a day', () => {
  test('when the outage begins, once a day, and when it ends, with its duration and the number of reports', async () => {
    collector.answer = () => AWAY;
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
      'Reports are delivered again, after 3 d 1 h: 2 reports waited, and are stored.',
    ]);
    expect(log.messages('error')).toStrictEqual([]);
  });
});
