import type { Outcome, ReportStore } from '../../report/report-sink.ts';
import type { Clock } from '../../runtime/clock.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { isUnavailable } from './write-outcomes.ts';

interface AvailabilityOptions {
  readonly clock: Pick<Clock, 'sleep'>;
  readonly logger: Logger;
  /** Also called when the reason changes, which is the message of the error that `check` throws. */
  readonly onChange: (isAvailable: boolean, reason?: string) => void;
}

interface MonitoredStore extends Pick<ReportStore, 'put' | 'hasReportsFrom'> {
  isAvailable(): boolean;
  /** Ends the checks; the last result stays. */
  stop(): void;
}

const CHECK_INTERVAL_MS = 1_000;

/**
 * Checks a store at intervals, and at once after a failed write or where it may be back. While it is unavailable, puts fail immediately instead of after a timeout.
 * A store counts as available until the first check.
 */
export function monitorAvailability(
  store: Pick<ReportStore, 'put' | 'hasReportsFrom' | 'check' | 'onRecovery'>,
  { clock, logger, onChange }: AvailabilityOptions,
): MonitoredStore {
  let failure: SpartakusError | undefined;
  let stopped = false;
  let wake = new AbortController();

  const check = async (): Promise<void> => {
    const found = await store.check().then(
      () => undefined,
      (error: unknown) => SpartakusError.from(error),
    );
    const changed = found?.message !== failure?.message;
    if (stopped) return;
    failure = found;
    if (!changed) return;
    if (found === undefined) logger.info({}, 'the database is available again');
    else
      logger.error({ err: found.cause ?? found }, 'the database is unavailable: reports are rejected until it is back');
    onChange(found === undefined, found?.message);
  };
  const run = async (): Promise<void> => {
    while (!stopped) {
      await check();
      await clock.sleep(CHECK_INTERVAL_MS, wake.signal);
      wake = new AbortController();
    }
  };
  void run();
  store.onRecovery?.(() => {
    if (failure !== undefined) wake.abort();
  });

  return {
    async put(entries) {
      const error = failure;
      if (error !== undefined) return entries.map((): Outcome => ({ status: 'failed', error }));
      const outcomes = await store.put(entries);
      if (outcomes.some(isUnavailable)) wake.abort();
      return outcomes;
    },
    async hasReportsFrom(id) {
      if (failure !== undefined) throw failure;
      return await store.hasReportsFrom(id);
    },
    isAvailable: () => failure === undefined,
    stop: () => {
      stopped = true;
      wake.abort();
    },
  };
}
