import type { Db } from 'mongodb';
import type { Clock } from '../../runtime/clock.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { initForCollector } from '../store/init-database.ts';
import { requireServable } from '../store/schema-version.ts';
import type { MakeFacts } from './backfill.ts';
import { dayOf, daysBetween } from './days.ts';
import { createFactMaker } from './facts.ts';
import { type LeaseOptions, withLease } from './lease.ts';
import { rebuild, type RebuildProgress } from './rebuild.ts';
import { replayDirtyDays } from './replay.ts';
import { deleteCluster, deleteExpired, deleteOldClusters } from './retention.ts';
import {
  DEFAULT_STATISTICS_CONFIG,
  maintainBase,
  rollUp,
  type RollUpOptions,
  type StatisticsConfig,
} from './roll-up.ts';
import { type Lease, readState } from './state.ts';

/** What an operator can set. */
export interface StatisticsSettings {
  /** A cluster is active for so many days after its last report. */
  readonly activeWindowDays: number;
  /** Raw reports are deleted so long after their receipt; 0 for never. */
  readonly retainMs: number;
  /** The names of extensions that are counted with their values; of all others, only names are. */
  readonly countedExtensions?: readonly string[] | undefined;
}

interface StatisticsOptions {
  /** The current handle; it may change when the database restarts. */
  readonly database: () => Db;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A new text with each call, unique among all collectors. */
  readonly newId: () => string;
  readonly settings: StatisticsSettings;
  readonly makeFacts?: MakeFacts | undefined;
}

export interface StatisticsStatus {
  /** When this collector completed a roll-up; undefined before the first. */
  readonly lastAt: Date | undefined;
  readonly lastDurationMs: number;
  /** Reports that its roll-ups have counted. */
  readonly reports: number;
  readonly failures: number;
  /** Days whose figures are to be computed again, as of the last roll-up. */
  readonly dirtyDays: number;
}

export interface Statistics {
  status(): StatisticsStatus;
  /** Ends after the current step. Idempotent. */
  close(): Promise<void>;
}

const INTERVAL_MS = 60_000;
/** Several renewals may fail before another collector takes over. */
const LEASE_MS = 90_000;
/** Late reports come in groups: a spool is sent at once. */
const REPLAY_DELAY_MS = 600_000;
/** After work that took a second, a replay waits for so many. */
const REPLAY_REST = 10;
const LEASE_WAIT_MS = 1_000;

/** Keeps `clusters` and `statistics` up to date, once a minute, if no other collector of the database does. */
export function startStatistics(options: StatisticsOptions): Statistics {
  const { clock, logger } = options;
  const stop = new AbortController();
  const { update, status } = createUpdate(options, stop.signal);
  let failing = false;

  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        await update();
        if (failing) logger.info({}, 'the statistics are up to date again');
        failing = false;
      } catch (error) {
        // Once per outage: it is tried again every minute.
        if (!failing && !stop.signal.aborted)
          logger.warn({ err: error }, 'the statistics could not be updated: they are tried again every minute');
        failing = true;
      }
      await clock.sleep(INTERVAL_MS, stop.signal);
    }
  };
  const running = run();

  return {
    status,
    close: async () => {
      stop.abort();
      await running;
    },
  };
}

/** One update: what is new, what has expired, and now and then the days whose figures are wrong. */
export function createUpdate(
  options: StatisticsOptions,
  stop: AbortSignal,
): { readonly update: () => Promise<void>; readonly status: () => StatisticsStatus } {
  const { database, clock, newId, settings, makeFacts = createFactMaker() } = options;
  const { activeWindowDays, retainMs } = settings;
  const config = { ...DEFAULT_STATISTICS_CONFIG, activeWindowDays };
  const owner = newId();
  let status: StatisticsStatus = { lastAt: undefined, lastDurationMs: 0, reports: 0, failures: 0, dirtyDays: 0 };
  let replayNotBeforeMs = 0;
  let cleanedOn = '';

  const replayIfDue = async (db: Db, rollUpOptions: RollUpOptions): Promise<number> => {
    const { dirty } = await readState(db);
    if (dirty === undefined) return 0;
    const startMs = clock.now().getTime();
    if (startMs < Math.max(dirty.since.getTime() + REPLAY_DELAY_MS, replayNotBeforeMs))
      return daysBetween(dirty.day, dayOf(clock.now()));
    await replayDirtyDays(db, rollUpOptions);
    const endMs = clock.now().getTime();
    replayNotBeforeMs = endMs + REPLAY_REST * (endMs - startMs);
    return 0;
  };

  const work = async (db: Db, held: Lease): Promise<void> => {
    const lease = stoppable(held, stop);
    const base: RollUpOptions = { clock, config, makeFacts, newEpoch: newId, lease };
    const rollUpNow = async (): Promise<void> => {
      const startMs = clock.now().getTime();
      const reports = await rollUp(db, base);
      status = {
        ...status,
        lastAt: clock.now(),
        lastDurationMs: clock.now().getTime() - startMs,
        reports: status.reports + reports,
      };
    };
    const betweenDays = async (): Promise<void> => {
      const { watermark } = await readState(db);
      if (watermark !== undefined && clock.now().getTime() >= watermark.getTime() + INTERVAL_MS) await rollUpNow();
    };
    const rollUpOptions = { ...base, betweenDays };
    const { watermark } = await readState(db);
    if (watermark === undefined) await rebuild(db, rollUpOptions);
    const sinceMs = clock.now().getTime() - (watermark?.getTime() ?? 0);
    // Another collector may have done it.
    if (sinceMs < 0 || sinceMs >= INTERVAL_MS / 2) await rollUpNow();
    await maintainBase(db, base);
    await deleteExpired(db, retainMs, { clock, lease });
    const today = dayOf(clock.now());
    if (cleanedOn !== today) await deleteOldClusters(db, { clock, lease });
    cleanedOn = today;
    status = { ...status, dirtyDays: await replayIfDue(db, rollUpOptions) };
  };

  return {
    status: () => status,
    update: async () => {
      try {
        const db = database();
        await requireServable(db);
        await withLease(db, { owner, clock, leaseMs: LEASE_MS }, (lease) => work(db, lease));
      } catch (error) {
        if (!stop.aborted) status = { ...status, failures: status.failures + 1 };
        throw error;
      }
    },
  };
}

interface RebuildStatisticsOptions {
  readonly clock: Clock;
  readonly newId: () => string;
  readonly config?: StatisticsConfig;
  readonly makeFacts?: MakeFacts;
  readonly onProgress?: (progress: RebuildProgress) => void;
  readonly signal?: AbortSignal;
}

/**
 * Makes the statistics again from the raw reports, while collectors store reports. Waits until no collector updates the statistics; until
 * the end, the old figures stay.
 *
 * @throws SpartakusError `unavailable` if it was stopped
 */
export async function rebuildStatistics(database: Db, options: RebuildStatisticsOptions): Promise<void> {
  const { clock, newId, config = DEFAULT_STATISTICS_CONFIG, makeFacts = createFactMaker(), onProgress } = options;
  const { signal = NEVER } = options;
  await initForCollector(database);
  const leaseOptions = { owner: newId(), clock, leaseMs: LEASE_MS };
  await whenFree(database, leaseOptions, signal, async (held) => {
    const lease = stoppable(held, signal);
    const rollUpOptions = { clock, config, makeFacts, newEpoch: newId, lease };
    await rebuild(database, { ...rollUpOptions, onProgress });
    // What was received meanwhile.
    await rollUp(database, rollUpOptions);
  });
}

/**
 * Deletes everything that is stored about a cluster or Kubermatic client. Waits until no collector updates the statistics, which could
 * write it again. The figures of the days of its reports are computed again within minutes, where the raw reports of those days exist.
 *
 * @returns the number of deleted reports
 * @throws SpartakusError `unavailable` if it was stopped; then a part may be deleted
 */
export async function eraseCluster(
  database: Db,
  clusterId: string,
  { clock, newId, signal = NEVER }: Pick<RebuildStatisticsOptions, 'clock' | 'newId' | 'signal'>,
): Promise<number> {
  return await whenFree(database, { owner: newId(), clock, leaseMs: LEASE_MS }, signal, () =>
    deleteCluster(database, clusterId, clock.now()),
  );
}

async function whenFree<Result>(
  database: Db,
  options: LeaseOptions,
  signal: AbortSignal,
  work: (lease: Lease) => Promise<Result>,
): Promise<Result> {
  for (;;) {
    const done = await withLease(database, options, work);
    if (done !== undefined) return done.result;
    await options.clock.sleep(LEASE_WAIT_MS, signal);
    if (signal.aborted) throw stopped();
  }
}

const NEVER = new AbortController().signal;

function stoppable(lease: Lease, signal: AbortSignal): Lease {
  return {
    owner: lease.owner,
    assertHeld: () => {
      if (signal.aborted) throw stopped();
      lease.assertHeld();
    },
  };
}

function stopped(): SpartakusError {
  return new SpartakusError('unavailable', 'the computation of the statistics was stopped');
}
