import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import type { Outcome, ReportEntry, ReportSink } from '../../src/report/report-sink.ts';
import { expectNothingLeftOpen } from '../support/held.ts';
import { makeReport } from '../support/reports.ts';

export type Rejection = 'permanent' | 'retryable';

/** A sink, and control over its backend: the database or the collector. */
export interface SinkUnderTest {
  readonly sink: ReportSink;
  /** The backend rejects this report from now on. Called only for kinds in `rejections`. */
  reject(report: Report, kind: Rejection): void;
  /** The clusterID of each report that the backend stored, in any order. */
  storedClusterIds(): Promise<readonly string[]>;
  /** Closes the sink, which may be closed already, and the backend. */
  close(): Promise<void>;
}

export interface ContractOptions {
  /** Whether the backend detects duplicates. */
  readonly duplicates: boolean;
  /** The rejections that the test can cause. */
  readonly rejections: readonly Rejection[];
}

const entryOf = (report: Report): ReportEntry => ({ report, receivedAt: new Date(Date.UTC(2026, 10, 21)) });

/** The status of an outcome; for a failure, whether it is retryable. */
function statusOf(outcome: Outcome): string {
  if (outcome.status !== 'failed') return outcome.status;
  return outcome.error.retryable ? 'retryable' : 'permanent';
}

/** The contract of ReportSink, tested on one implementation. */
export function reportSinkContract(
  name: string,
  open: () => Promise<SinkUnderTest>,
  { duplicates, rejections }: ContractOptions,
): void {
  describe(`${name} (contract of ReportSink)`, () => {
    expectNothingLeftOpen();
    let under: SinkUnderTest;

    beforeEach(async () => {
      under = await open();
    });

    afterEach(() => under.close());

    const put = async (...reports: Report[]): Promise<readonly string[]> =>
      (await under.sink.put(reports.map(entryOf))).map(statusOf);

    test('stores a report', async () => {
      const report = makeReport();

      await expect(put(report)).resolves.toStrictEqual(['stored']);
      await expect(under.storedClusterIds()).resolves.toStrictEqual([report.clusterId]);
    });

    test('returns no outcome for no report', async () => {
      await expect(put()).resolves.toStrictEqual([]);
    });

    test('stores many reports', async () => {
      const reports = Array.from({ length: 200 }, makeReport);

      await expect(put(...reports)).resolves.toStrictEqual(reports.map(() => 'stored'));
      expect((await under.storedClusterIds()).toSorted()).toStrictEqual(
        reports.map(({ clusterId }) => clusterId).toSorted(),
      );
    });

    test('accepts concurrent puts', async () => {
      const answers = await Promise.all([put(makeReport()), put(makeReport(), makeReport()), put(makeReport())]);

      expect(answers).toStrictEqual([['stored'], ['stored', 'stored'], ['stored']]);
    });

    test.runIf(duplicates)('stores a report once, and returns a duplicate the second time', async () => {
      const report = makeReport();

      await expect(put(report)).resolves.toStrictEqual(['stored']);
      await expect(put(report)).resolves.toStrictEqual(['duplicate']);
      await expect(under.storedClusterIds()).resolves.toStrictEqual([report.clusterId]);
    });

    test.runIf(duplicates)('stores a report that is twice in one put once', async () => {
      const report = makeReport();

      const statuses = await put(report, makeReport(), report);

      expect(statuses[1]).toBe('stored');
      expect(new Set([statuses[0], statuses[2]])).toStrictEqual(new Set(['duplicate', 'stored']));
    });

    test.runIf(rejections.includes('permanent'))(
      'returns a permanent rejection as a failure that is not retryable',
      async () => {
        const report = makeReport();
        under.reject(report, 'permanent');

        await expect(put(report)).resolves.toStrictEqual(['permanent']);
        await expect(under.storedClusterIds()).resolves.toStrictEqual([]);
      },
    );

    test.runIf(rejections.includes('retryable'))('returns a temporary rejection as a retryable failure', async () => {
      const report = makeReport();
      under.reject(report, 'retryable');

      await expect(put(report)).resolves.toStrictEqual(['retryable']);
    });

    test.runIf(rejections.length === 2)('returns the outcome of each of many reports, in their order', async () => {
      const reports = Array.from({ length: 30 }, makeReport);
      const statuses = reports.map(
        (_, index) => (['stored', 'permanent', 'retryable', 'stored'] as const)[index % 4] ?? 'stored',
      );
      statuses.forEach((status, index) => {
        const report = reports[index];
        if (report !== undefined && status !== 'stored') under.reject(report, status);
      });

      await expect(put(...reports)).resolves.toStrictEqual(statuses);
    });

    test('finishes puts before it closes', async () => {
      const report = makeReport();
      const answer = put(report);

      await under.sink.close();

      await expect(answer).resolves.toStrictEqual(['stored']);
    });

    test('can be closed twice', async () => {
      await under.sink.close();

      await expect(under.sink.close()).resolves.toBeUndefined();
    });
  });
}
