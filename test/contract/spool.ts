import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { createCounters, type Counters } from '../../src/delivery/counters.ts';
import { encodeFrame, type SpooledReport } from '../../src/delivery/spool/frame.ts';
import type { Spool, SpoolOptions } from '../../src/delivery/spool/spool.ts';
import { SpartakusError } from '../../src/runtime/errors.ts';
import { expectNothingLeftOpen } from '../support/held.ts';
import { createKeptLog, type KeptLog } from '../support/log.ts';
import { makeReport } from '../support/reports.ts';

/** More than any test here needs. */
export const ALL = { reports: 1000, bytes: 1_000_000 };

export const idsOf = (reports: readonly (Report | SpooledReport)[]): readonly string[] =>
  reports.map((each) => ('encoded' in each ? each.encoded.reportId : each.reportId));

/** The reports of a spool, decoded. */
export const decoded = async (spooled: Promise<readonly SpooledReport[]>): Promise<readonly Report[]> =>
  (await spooled).map(({ report }) => report);

/** The contract of Spool, for one implementation. */
export function spoolContract(name: string, open: (maxBytes: number, options: SpoolOptions) => Promise<Spool>): void {
  describe(`${name}, as every spool`, () => {
    expectNothingLeftOpen();
    let counters: Counters;
    let log: KeptLog;
    let spool: Spool;
    const reports = Array.from({ length: 5 }, makeReport);
    const [first, second, third, fourth, fifth] = reports as [Report, Report, Report, Report, Report];
    const sizeOf = (report: Report): number => encodeFrame(report).length;
    /** Some of them are a byte or two shorter. */
    const bytes = Math.max(...reports.map(sizeOf));

    const openWith = async (maxBytes: number): Promise<void> => {
      counters = createCounters();
      log = createKeptLog();
      spool = await open(maxBytes, { clock: { now: () => new Date() }, logger: log.logger, counters });
    };
    beforeEach(() => openWith(1_000_000));
    afterEach(() => spool.close());

    const addAll = async (...all: readonly Report[]): Promise<void> => {
      for (const report of all) await spool.add(report);
    };

    test('a new one is empty', async () => {
      await expect(spool.oldest(ALL)).resolves.toStrictEqual([]);
      expect(spool.size()).toStrictEqual({ reports: 0, bytes: 0, inMemory: 0 });
    });

    test('a report comes back as it was', async () => {
      await spool.add(first);

      await expect(decoded(spool.oldest(ALL))).resolves.toStrictEqual([first]);
    });

    test('reports come oldest first, in whatever order they came in', async () => {
      await addAll(third, first, fifth, second, fourth);

      expect(idsOf(await spool.oldest(ALL))).toStrictEqual(idsOf(reports));
    });

    test('a report stays until it is removed', async () => {
      await addAll(first, second);
      await spool.oldest(ALL);

      await spool.remove(first.reportId);

      expect(idsOf(await spool.oldest(ALL))).toStrictEqual([second.reportId]);
      expect(spool.size()).toMatchObject({ reports: 1, bytes: sizeOf(second) });
    });

    test('a report that is rejected is not read again', async () => {
      await addAll(first, second);

      await spool.reject(first.reportId, new SpartakusError('invalid', 'no'));

      expect(idsOf(await spool.oldest(ALL))).toStrictEqual([second.reportId]);
    });

    test('removing and rejecting a missing report does nothing', async () => {
      await expect(spool.remove(first.reportId)).resolves.toBeUndefined();
      await expect(spool.reject(first.reportId, new SpartakusError('invalid', 'no'))).resolves.toBeUndefined();
    });

    test('the same report twice is kept once', async () => {
      await addAll(first, first);

      expect(spool.size()).toMatchObject({ reports: 1, bytes: sizeOf(first) });
    });

    test('a batch has at most the given number of reports and bytes, but at least one report', async () => {
      await addAll(...reports);

      expect(idsOf(await spool.oldest({ reports: 2, bytes: 1_000_000 }))).toStrictEqual(idsOf([first, second]));
      expect(idsOf(await spool.oldest({ reports: 9, bytes: 3 * bytes }))).toStrictEqual(idsOf([first, second, third]));
      expect(idsOf(await spool.oldest({ reports: 9, bytes: 1 }))).toStrictEqual(idsOf([first]));
    });

    test('a batch begins after the given report', async () => {
      await addAll(...reports);

      expect(idsOf(await spool.oldest({ ...ALL, after: third.reportId }))).toStrictEqual(idsOf([fourth, fifth]));
    });

    test('over the capacity the oldest are dropped, logged and counted', async () => {
      await openWith(3 * bytes);

      await addAll(...reports);

      expect(idsOf(await spool.oldest(ALL))).toStrictEqual(idsOf([third, fourth, fifth]));
      expect(log.messages('warn')).toStrictEqual(
        Array(2).fill(
          '1 report was dropped, the oldest first, and lost: the spool is full. A larger --spool-size keeps more.',
        ),
      );
      expect(counters.count('dropped')).toBe(2);
    });

    test('a report that is larger than the capacity is kept while it is the newest', async () => {
      await openWith(1);

      await addAll(first, second);

      expect(idsOf(await spool.oldest(ALL))).toStrictEqual([second.reportId]);
    });

    test('concurrent operations do not interfere', async () => {
      const many = Array.from({ length: 20 }, makeReport);

      await Promise.all(
        many.map(async (report, index) => {
          await spool.add(report);
          if (index % 2 === 0) await spool.remove(report.reportId);
        }),
      );

      expect(idsOf(await spool.oldest(ALL))).toStrictEqual(idsOf(many.filter((_, index) => index % 2 === 1)));
    });

    test('closes a second time without effect', async () => {
      await spool.close();

      await expect(spool.close()).resolves.toBeUndefined();
    });
  });
}
