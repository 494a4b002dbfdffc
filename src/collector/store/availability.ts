import type { Outcome, ReportStore } from '../../report/report-sink.ts';
import type { Clock } from '../../runtime/clock.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';

export interface WatchOptions {
  readonly clock: Pick<Clock, 'sleep'>;
  readonly logger: Logger;
  /** Told when the store goes away, and when it is back. */
  readonly onChange: (isThere: boolean) => void;
}

/** A store of which it is known at every moment whether it is there. */
export interface WatchedStore extends Pick<ReportStore, 'put' | 'knows'> {
  /** Whether it is there, as far as is known. */
  isThere(): boolean;
  /** Looks no more, and tells no more: what is known of the store stays. */
  stop(): void;
}

/** How long between two looks, in milliseconds. */
const INTERVAL_MS = 1_000;

/**
 * Looks after a store, which is there at first. While it is away, whatever is put is refused at once, so that nobody waits for a time
 * limit that others have waited for already. A report that could not be stored is followed by a look.
 */
export function watchStore(
  store: Pick<ReportStore, 'put' | 'knows' | 'check'>,
  { clock, logger, onChange }: WatchOptions,
): WatchedStore {
  let absence: SpartakusError | undefined;
  let stopped = false;
  let wake = new AbortController();

  const look = async (): Promise<void> => {
    const found = await store.check().then(
      () => undefined,
      (error: unknown) => SpartakusError.from(error),
    );
    const changed = (found === undefined) !== (absence === undefined);
    if (stopped) return;
    absence = found;
    if (!changed) return;
    if (found === undefined) logger.info({}, 'the database is back');
    else logger.error({ err: found.cause ?? found }, 'the database is away: reports are refused until it is back');
    onChange(found === undefined);
  };
  const watch = async (): Promise<void> => {
    while (!stopped) {
      await look();
      await clock.sleep(INTERVAL_MS, wake.signal);
      if (wake.signal.aborted) wake = new AbortController();
    }
  };
  void watch();

  return {
    async put(entries) {
      const error = absence;
      if (error !== undefined) return entries.map((): Outcome => ({ status: 'failed', error }));
      const outcomes = await store.put(entries);
      if (outcomes.some((outcome) => outcome.status === 'failed' && outcome.error.kind === 'unavailable')) wake.abort();
      return outcomes;
    },
    async knows(owner) {
      if (absence !== undefined) throw absence;
      return await store.knows(owner);
    },
    isThere: () => absence === undefined,
    stop: () => {
      stopped = true;
      wake.abort();
    },
  };
}
