import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import type { Outcome, ReportSink } from '../report/report-sink.ts';
import type { Clock } from '../runtime/clock.ts';
import { SpartakusError } from '../runtime/errors.ts';
import type { Heartbeat } from '../runtime/heartbeat.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Ledger } from './counters.ts';
import { createOutage } from './outage-log.ts';
import { createBackoff } from './retry.ts';
import type { SpooledReport } from './spool/frame.ts';
import type { Spool } from './spool/spool.ts';

export interface DeliveryOptions {
  readonly spool: Spool;
  readonly sink: ReportSink;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly ledger: Ledger;
  readonly heartbeat: Heartbeat;
  /** How long the sink may take for a report, in milliseconds, for the heartbeat. */
  readonly timeoutMs: number;
  /** Hears what finally became of each report: it is stored, or will never be taken. */
  readonly onSettled?: (reportId: string, outcome: Outcome) => void;
  /** Called whenever nothing is left to deliver. */
  readonly onIdle?: () => void;
}

/** Brings reports from the spool to the collector, for as long as it takes. */
export interface Delivery {
  /** Keeps a report in the spool, from which it is delivered. Resolves once it is kept. */
  add(report: Report): Promise<void>;
  /** How long the collector asked to wait between two reports, in its latest receipt. */
  nextReportAfterMs(): number | undefined;
  /** Why the last attempt failed; undefined where it did not. */
  lastError(): SpartakusError | undefined;
  /** Stops trying; resolves when what is under way has ended. Idempotent. */
  close(): Promise<void>;
}

/** One stream's worth: many small reports go out together, and large ones do not fill the memory. */
const BATCH = { reports: 100, bytes: 1_048_576 };
/** While nothing gets through, the oldest report alone is tried: that costs little, and shows whether it is to blame. */
const PROBE = { reports: 1, bytes: 1 };
/** Every so many failures in a row those behind are tried too, so that a report which cannot be taken does not stop them. */
const TRY_ALL_EVERY = 10;

/**
 * Delivers what is in the spool now, oldest first, and whatever is added. A report leaves the spool on its receipt, or when it is
 * refused for good. All other failures are tried again, see retry.ts, without end and quietly, see outage.ts.
 */
export function startDelivery(options: DeliveryOptions): Delivery {
  const { spool, sink, clock, logger, ledger, heartbeat, timeoutMs, random, onSettled, onIdle } = options;
  const stop = new AbortController();
  const backoff = createBackoff({ random });
  const outage = createOutage({
    clock,
    logger,
    failing: 'No report can be delivered',
    working: 'Reports are delivered again',
    waiting: () => spool.size().reports,
  });
  let nextReportAfterMs: number | undefined;
  let lastError: SpartakusError | undefined;
  let wake = Promise.withResolvers<void>();
  stop.signal.addEventListener('abort', () => wake.resolve(), { once: true });

  const settle = async (reportId: string, outcome: Outcome): Promise<void> => {
    if (outcome.status === 'failed') await spool.refuse(reportId, outcome.error);
    else {
      await spool.remove(reportId);
      nextReportAfterMs = outcome.nextReportAfterMs;
    }
    onSettled?.(reportId, outcome);
  };

  /** Puts reports, and settles those that can be. Gives the errors of those that stay. */
  const deliver = async (batch: readonly SpooledReport[]): Promise<readonly SpartakusError[]> => {
    heartbeat.beat(timeoutMs * batch.length);
    const outcomes = await put(sink, batch);
    const staying: SpartakusError[] = [];
    const refusals: SpartakusError[] = [];
    let stored = 0;
    for (const [index, { encoded }] of batch.entries()) {
      const outcome: Outcome = outcomes[index] ?? NO_OUTCOME;
      if (outcome.status === 'failed') {
        ledger.fail('delivery', outcome.error.kind);
        (outcome.error.retryable ? staying : refusals).push(outcome.error);
        if (outcome.error.retryable) continue;
      } else stored += 1;
      await settle(encoded.reportId, outcome);
    }
    if (stored > 0) {
      ledger.add('stored', stored);
      ledger.succeed(clock.now());
      logger.info({ reports: stored }, stored === 1 ? 'The report is stored.' : `${stored} reports are stored.`);
    }
    if (refusals.length > 0) {
      ledger.add('refused', refusals.length);
      sayRefused(refusals, logger);
    }
    return staying;
  };

  /** Goes through the spool once, oldest first. Gives how long to wait until the next time; undefined where nothing is left. */
  const pass = async (): Promise<number | undefined> => {
    const errors: SpartakusError[] = [];
    const tryAll = backoff.failures > 0 && backoff.failures % TRY_ALL_EVERY === 0;
    let after = '';
    while (!stop.signal.aborted) {
      // Not in one stream with the oldest, which may be what makes streams fail.
      const isProbe = backoff.failures > 0 && !(tryAll && after !== '');
      const batch = await spool.oldest({ ...(isProbe ? PROBE : BATCH), after });
      if (batch.length === 0) break;
      const staying = await deliver(batch);
      errors.push(...staying);
      after = batch.at(-1)?.encoded.reportId ?? after;
      if (staying.length < batch.length) backoff.reset();
      if (staying.length > 0 && !tryAll) break;
    }
    lastError = errors[0];
    if (lastError === undefined) {
      if (!stop.signal.aborted) {
        outage.end();
        onIdle?.();
      }
      return undefined;
    }
    if (!stop.signal.aborted) outage.fail(lastError);
    return backoff.next(Math.max(...errors.map(({ retryAfterMs }) => retryAfterMs ?? 0)));
  };

  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const woken = wake.promise;
      const waitMs = await pass();
      heartbeat.beat(waitMs ?? Number.POSITIVE_INFINITY);
      await (waitMs === undefined ? woken : clock.sleep(waitMs, stop.signal));
    }
  };
  const ended = run();

  return {
    add: async (report) => {
      await spool.add(report);
      wake.resolve();
      if (!stop.signal.aborted) wake = Promise.withResolvers();
    },
    nextReportAfterMs: () => nextReportAfterMs,
    lastError: () => lastError,
    close: () => {
      stop.abort();
      return ended;
    },
  };
}

const NO_OUTCOME = {
  status: 'failed',
  error: new SpartakusError('internal', 'The database gave no outcome for the report.'),
} as const;

async function put(sink: ReportSink, batch: readonly SpooledReport[]): Promise<readonly Outcome[]> {
  try {
    return await sink.put(batch);
  } catch (thrown) {
    const error = SpartakusError.from(thrown);
    return batch.map(() => ({ status: 'failed', error }));
  }
}

/** A line for each reason, not for each report. */
function sayRefused(refusals: readonly SpartakusError[], logger: Logger): void {
  for (const [message, same] of Map.groupBy(refusals, (error) => error.message)) {
    const { kind, field } = same[0] ?? NO_OUTCOME.error;
    const what = same.length === 1 ? '1 report was refused for good' : `${same.length} reports were refused for good`;
    logger.error({ kind, field, reports: same.length }, `${what}, and not stored: ${message}`);
  }
}
