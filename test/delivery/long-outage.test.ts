import { expect, test } from 'vitest';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { idsOf } from '../contract/spool.ts';
import { AWAY, settle, STORED, useDeliveryFixture } from '../support/delivery-fixture.ts';
import { createDice } from '../support/dice.ts';
import { makeReport } from '../support/reports.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const fixture = useDeliveryFixture();

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
    const { clock, log, collector, spool } = fixture;
    collector.answer = () => AWAY;
    const running = fixture.start({ random: createDice(seed) });
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
    expect(log.messages('info').at(-1)).toMatch(
      /^Reports are delivered again, after 3 d.*: 72 reports waited, and are stored\.$/,
    );
  },
);
