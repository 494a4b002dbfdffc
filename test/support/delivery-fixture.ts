import { afterEach, beforeEach } from 'vitest';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { createCounters } from '../../src/delivery/counters.ts';
import { type Delivery, type DeliveryOptions, startDelivery } from '../../src/delivery/delivery.ts';
import { openSpool } from '../../src/delivery/spool/spool.ts';
import type { Outcome, ReportEntry, ReportSink } from '../../src/report/report-sink.ts';
import { SpartakusError } from '../../src/runtime/errors.ts';
import { createHeartbeat } from '../../src/runtime/heartbeat.ts';
import { createKeptLog } from './log.ts';
import { createManualClock } from './manual-clock.ts';
import { makeReport } from './reports.ts';

export const START = new Date('2026-11-21T00:00:00Z');
export const STORED: Outcome = { status: 'stored' };
export const AWAY: Outcome = { status: 'failed', error: new SpartakusError('unavailable', 'No response.') };

/** The outcome of a report that is not sent again. */
export function rejectionOf(message: string): Outcome {
  return { status: 'failed', error: new SpartakusError('invalid', message) };
}

/** A sink with configurable outcomes, that records the stored reports and the size of each put. */
interface FakeCollector extends ReportSink {
  answer: (report: Report) => Outcome;
  /** Whether a put fails as a whole. */
  fails: (reports: readonly Report[]) => boolean;
  /** A put resolves after this. */
  ready: Promise<void>;
  readonly stored: string[];
  readonly puts: number[];
}

function createFakeCollector(): FakeCollector {
  const collector: FakeCollector = {
    stored: [],
    puts: [],
    answer: () => STORED,
    fails: () => false,
    ready: Promise.resolve(),
    put: async (entries: readonly ReportEntry[]) => {
      collector.puts.push(entries.length);
      await collector.ready;
      if (collector.fails(entries.map(({ report }) => report))) return entries.map(() => AWAY);
      const outcomes = entries.map(({ report }) => collector.answer(report));
      collector.stored.push(
        ...entries.filter((_, index) => outcomes[index]?.status === 'stored').map(({ report }) => report.reportId),
      );
      return outcomes;
    },
    close: () => Promise.resolve(),
  };
  return collector;
}

type DeliveryFixture = Awaited<ReturnType<typeof createDeliveryFixture>>;

/** A fixture for a test file: made anew before each test, and closed after it. */
export function useDeliveryFixture(): DeliveryFixture {
  const fixture = {} as DeliveryFixture;
  beforeEach(async () => void Object.assign(fixture, await createDeliveryFixture()));
  afterEach(() => fixture.close());
  return fixture;
}

/** A delivery from a spool in memory to a fake collector, with a clock that stands still. */
async function createDeliveryFixture() {
  const clock = createManualClock(START);
  const log = createKeptLog();
  const counters = createCounters();
  const heartbeat = createHeartbeat(clock);
  const collector = createFakeCollector();
  const { logger } = log;
  const spool = await openSpool({ maxBytes: 10_000_000 }, { clock, logger, counters });
  const given = { spool, sink: collector, clock, random: () => 0.5, logger, counters, heartbeat, timeoutMs: 1_000 };
  let delivery: Delivery | undefined;
  return {
    clock,
    log,
    counters,
    heartbeat,
    collector,
    spool,
    start: (options: Partial<DeliveryOptions> = {}): Delivery => (delivery = startDelivery({ ...given, ...options })),
    close: async () => delivery?.close(),
    /** Adds new reports to the spool. */
    waitInSpool: async (count: number): Promise<readonly Report[]> => {
      const reports = Array.from({ length: count }, makeReport);
      for (const report of reports) await spool.add(report);
      return reports;
    },
  };
}

/** Runs everything that is due without time passing. */
export const settle = () => new Promise<void>((resolve) => void setImmediate(resolve));
