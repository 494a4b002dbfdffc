import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { createReportId } from '../../src/report/report-id.ts';
import type { Outcome, ReportEntry, ReportSink } from '../../src/report/report-sink.ts';

/** How the other side of a sink takes a report that it does not store. */
export type Refusal = 'permanent' | 'retryable';

/** A sink, and what a test must be able to do with its other side. */
export interface SinkUnderTest {
  readonly sink: ReportSink;
  /** From now on the other side refuses this report. Only called where the kind is among `refusals`. */
  refuse(report: Report, how: Refusal): void;
  /** The clusterID of each report that is stored on the other side, in any order. */
  storedClusterIds(): Promise<readonly string[]>;
  /** Closes the sink, again where it is closed already, and the other side. */
  close(): Promise<void>;
}

export interface ContractOptions {
  /** Whether the other side knows a report id again. */
  readonly duplicates: boolean;
  /** The refusals that the other side can be made to give. */
  readonly refusals: readonly Refusal[];
}

let made = 0;

/** A report unlike any other. */
export function makeReport(): Report {
  made += 1;
  const now = new Date(Date.UTC(2026, 10, 21) + made);
  return create(ReportSchema, {
    version: 'v2.0.0',
    timestamp: String(Math.floor(now.getTime() / 1000)),
    clusterId: `cluster-${made}`,
    nodes: [{ id: 'n', operatingSystem: 'linux', capacity: [{ resource: 'cpu', value: '4' }] }],
    reportId: createReportId(now, crypto.getRandomValues(new Uint8Array(16))),
    observedAt: timestampFromMs(now.getTime()),
    sequence: 1,
  });
}

const entryOf = (report: Report): ReportEntry => ({ report, receivedAt: new Date(Date.UTC(2026, 10, 21)) });

/** An outcome in a word: what it is, or for a failure whether it may be tried again. */
function wordFor(outcome: Outcome): string {
  if (outcome.status !== 'failed') return outcome.status;
  return outcome.error.retryable ? 'retryable' : 'permanent';
}

/** What every sink promises (see ReportSink), tried on one implementation. */
export function reportSinkContract(
  name: string,
  open: () => Promise<SinkUnderTest>,
  { duplicates, refusals }: ContractOptions,
): void {
  describe(`${name}, as every sink`, () => {
    let under: SinkUnderTest;

    beforeEach(async () => {
      under = await open();
    });

    afterEach(() => under.close());

    const put = async (...reports: Report[]): Promise<readonly string[]> =>
      (await under.sink.put(reports.map(entryOf))).map(wordFor);

    test('stores a report', async () => {
      const report = makeReport();

      await expect(put(report)).resolves.toStrictEqual(['stored']);
      await expect(under.storedClusterIds()).resolves.toStrictEqual([report.clusterId]);
    });

    test('answers nothing for nothing', async () => {
      await expect(put()).resolves.toStrictEqual([]);
    });

    test('stores many reports', async () => {
      const reports = Array.from({ length: 200 }, makeReport);

      await expect(put(...reports)).resolves.toStrictEqual(reports.map(() => 'stored'));
      expect((await under.storedClusterIds()).toSorted()).toStrictEqual(
        reports.map(({ clusterId }) => clusterId).toSorted(),
      );
    });

    test('takes several puts at a time', async () => {
      const answers = await Promise.all([put(makeReport()), put(makeReport(), makeReport()), put(makeReport())]);

      expect(answers).toStrictEqual([['stored'], ['stored', 'stored'], ['stored']]);
    });

    test.runIf(duplicates)('stores the same report once, and says so the second time', async () => {
      const report = makeReport();

      await expect(put(report)).resolves.toStrictEqual(['stored']);
      await expect(put(report)).resolves.toStrictEqual(['duplicate']);
      await expect(under.storedClusterIds()).resolves.toStrictEqual([report.clusterId]);
    });

    test.runIf(duplicates)('stores a report that stands twice in one put once', async () => {
      const report = makeReport();

      const words = await put(report, makeReport(), report);

      expect(words[1]).toBe('stored');
      expect(new Set([words[0], words[2]])).toStrictEqual(new Set(['duplicate', 'stored']));
    });

    test.runIf(refusals.includes('permanent'))(
      'answers a final refusal as a failure that is not to be tried again',
      async () => {
        const report = makeReport();
        under.refuse(report, 'permanent');

        await expect(put(report)).resolves.toStrictEqual(['permanent']);
        await expect(under.storedClusterIds()).resolves.toStrictEqual([]);
      },
    );

    test.runIf(refusals.includes('retryable'))(
      'answers a passing refusal as a failure that may be tried again',
      async () => {
        const report = makeReport();
        under.refuse(report, 'retryable');

        await expect(put(report)).resolves.toStrictEqual(['retryable']);
      },
    );

    test.runIf(refusals.length === 2)('answers each of many reports with its own outcome, in their order', async () => {
      const reports = Array.from({ length: 30 }, makeReport);
      const words = reports.map(
        (_, index) => (['stored', 'permanent', 'retryable', 'stored'] as const)[index % 4] ?? 'stored',
      );
      words.forEach((word, index) => {
        const report = reports[index];
        if (report !== undefined && word !== 'stored') under.refuse(report, word);
      });

      await expect(put(...reports)).resolves.toStrictEqual(words);
    });

    test('finishes what was put before it closes', async () => {
      const report = makeReport();
      const answer = put(report);

      await under.sink.close();

      await expect(answer).resolves.toStrictEqual(['stored']);
    });

    test('closes a second time as if nothing were', async () => {
      await under.sink.close();

      await expect(under.sink.close()).resolves.toBeUndefined();
    });
  });
}
