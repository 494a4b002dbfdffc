import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import type { Outcome, ReportSink } from '../report/report-sink.ts';
import type { Clock } from '../runtime/clock.ts';
import type { SpartakusError } from '../runtime/errors.ts';
import type { Heartbeat } from '../runtime/heartbeat.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Counters, Success } from './counters.ts';
import { drain, type Queue } from './drain.ts';
import { createOutageLog } from './outage-log.ts';
import { isRetried } from './retry.ts';
import type { SpooledReport } from './spool/frame.ts';
import type { Spool } from './spool/spool.ts';

export interface DeliveryOptions {
  readonly spool: Spool;
  readonly sink: ReportSink;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly heartbeat: Heartbeat;
  /** The deadline of one report, in milliseconds, for the heartbeat. */
  readonly timeoutMs: number;
  /** No attempt is made after this time, in milliseconds since 1970 (default: without end). */
  readonly deadlineMs?: number;
  readonly onSettled?: (reportId: string, outcome: Outcome) => void;
  readonly onIdle?: () => void;
}

export interface Delivery {
  add(report: Report): Promise<void>;
  /** The time until the next report that the latest receipt asks for, in milliseconds. */
  nextReportAfterMs(): number | undefined;
  /** The error of the last attempt; undefined where it succeeded. */
  lastError(): SpartakusError | undefined;
  /** Ends the delivery once the current batch is settled. Idempotent. */
  close(): Promise<void>;
}

/** The limits of one put, because of memory. */
const BATCH = { reports: 100, bytes: 1_048_576 };
/** After a failed attempt, only the oldest report is sent. */
const PROBE = { reports: 1, bytes: 1 };

/** Delivers a spool in the background, oldest first, see {@link drain}. A report leaves it when it is stored or rejected for good. */
export function startDelivery(options: DeliveryOptions): Delivery {
  const { spool, sink, clock, logger, counters, heartbeat, timeoutMs, deadlineMs, random, onSettled, onIdle } = options;
  const stop = new AbortController();
  const outage = createOutageLog({
    clock,
    logger,
    failing: 'No report can be delivered',
    working: 'Reports are delivered again',
    waiting: () => spool.size().reports,
  });
  let nextReportAfterMs: number | undefined;
  /** Reports that were stored during an outage, and are not logged yet: each is counted in one line. */
  let storedInOutage = 0;
  let lastError: SpartakusError | undefined;
  let added = Promise.withResolvers<void>();
  stop.signal.addEventListener('abort', () => added.resolve());

  const queue: Queue<SpooledReport> = {
    next: (after, isProbe) => spool.oldest({ ...(isProbe ? PROBE : BATCH), after: after?.encoded.reportId }),
    send: async (reports) => {
      heartbeat.beat(timeoutMs * reports.length);
      const outcomes = await sink.put(reports);
      for (const outcome of outcomes) if (outcome.status === 'failed') counters.fail('delivery', outcome.error.kind);
      return outcomes;
    },
    isFinal: (error) => !isRetried(error),
    settle: async (settled) => {
      const rejections: SpartakusError[] = [];
      let last: Success['outcome'] | undefined;
      for (const { item, outcome } of settled) {
        const { reportId } = item.encoded;
        if (outcome.status === 'failed') {
          rejections.push(outcome.error);
          await spool.reject(reportId, outcome.error);
        } else {
          nextReportAfterMs = outcome.nextReportAfterMs;
          last = outcome.status;
          await spool.remove(reportId);
        }
        onSettled?.(reportId, outcome);
      }
      if (last !== undefined) {
        const stored = settled.length - rejections.length;
        counters.add('stored', stored);
        counters.succeed(clock.now(), last);
        if (outage.isOngoing()) storedInOutage += stored;
        else logStored(stored, logger);
      }
      counters.add('rejected', rejections.length);
      logRejections(rejections, logger);
      return settled.length;
    },
  };
  const onRetry = (error: SpartakusError, waitMs: number): void => {
    lastError = error;
    logStored(storedInOutage, logger);
    storedInOutage = 0;
    counters.setFailing(error.kind);
    outage.fail(error);
    heartbeat.beat(waitMs);
  };
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const woken = added.promise;
      lastError = await drain(queue, { clock, random, stop: stop.signal, deadlineMs, onRetry });
      if (stop.signal.aborted || lastError !== undefined) logStored(storedInOutage, logger);
      else outage.end(storedInOutage);
      storedInOutage = 0;
      if (stop.signal.aborted) return;
      counters.setFailing(lastError?.kind);
      onIdle?.();
      heartbeat.beat(Number.POSITIVE_INFINITY);
      await woken;
    }
  };
  const ended = run();

  return {
    add: async (report) => {
      await spool.add(report);
      added.resolve();
      added = Promise.withResolvers();
    },
    nextReportAfterMs: () => nextReportAfterMs,
    lastError: () => lastError,
    close: () => {
      stop.abort();
      return ended;
    },
  };
}

function logStored(reports: number, logger: Logger): void {
  if (reports > 0) logger.info({ reports }, reports === 1 ? 'The report is stored.' : `${reports} reports are stored.`);
}

function logRejections(rejections: readonly SpartakusError[], logger: Logger): void {
  for (const [message, same] of Map.groupBy(rejections, (error) => error.message)) {
    const { kind, field } = same[0] as SpartakusError;
    const subject = same.length === 1 ? '1 report was' : `${same.length} reports were`;
    logger.error({ kind, field, reports: same.length }, `${subject} rejected for good, and not stored: ${message}`);
  }
}
