import { statfs } from 'node:fs/promises';
import type { DiskSpace, ReportStore } from '../../report/report-sink.ts';
import type { Clock } from '../../runtime/clock.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import { failed, RETRY_AFTER_MS } from './write-outcomes.ts';

interface DiskReserveOptions {
  /** The database's. */
  readonly directory: string;
  /** Default: 512 MiB, or 5 % of the file system if that is less. 0 keeps no reserve. */
  readonly reserveBytes: number | undefined;
  readonly clock: Clock;
  readonly measure?: typeof measureDisk;
}

const MIB = 1024 * 1024;
const DEFAULT_RESERVE_BYTES = 512 * MIB;
const DEFAULT_RESERVE_SHARE = 0.05;
/** Reports are accepted again when so much more than the reserve is free, so that the state does not change with every report. */
const RECOVERY_SHARE = 0.1;
/** Under load, the space is measured more often than the store is checked: many reports arrive in a second. */
const STALE_AFTER_MS = 100;
const TIMEOUT_MS = 2_000;

/**
 * Rejects reports as long as the file system of a database has less free space than the reserve, before anything is written: the embedded
 * engine aborts on a full disk. `check` measures the space; it also fails where the file system does not respond.
 *
 * @throws SpartakusError `unavailable` where the space cannot be measured
 */
export async function openDiskReserve(
  store: ReportStore,
  { directory, reserveBytes, clock, measure = measureDisk }: DiskReserveOptions,
): Promise<ReportStore> {
  let space: DiskSpace | undefined;
  let measuredAtMs = 0;
  let running: Promise<void> | undefined;

  const update = async (): Promise<void> => {
    const { freeBytes, totalBytes } = await measure(directory);
    const reserve = reserveBytes ?? Math.min(DEFAULT_RESERVE_BYTES, Math.floor(totalBytes * DEFAULT_RESERVE_SHARE));
    const needed = space?.isExhausted === true ? reserve + Math.floor(reserve * RECOVERY_SHARE) : reserve;
    space = { freeBytes, reserveBytes: reserve, isExhausted: freeBytes < needed };
    measuredAtMs = clock.now().getTime();
  };
  /** One at a time: a file system that does not respond would occupy all threads of Node.js. */
  const refresh = (): Promise<void> => (running ??= update().finally(() => (running = undefined)));
  const refreshInTime = async (): Promise<void> => {
    const refreshed = new AbortController();
    const late = clock.sleep(TIMEOUT_MS, refreshed.signal).then(() => {
      if (!refreshed.signal.aborted) throw new Error(`the file system did not respond within ${TIMEOUT_MS} ms`);
    });
    try {
      await Promise.race([refresh(), late]);
    } catch (error) {
      const cause = new Error(`${directory}: ${messageOf(error)}`, { cause: error });
      throw unavailable('the disk of the database does not respond', cause);
    } finally {
      refreshed.abort();
    }
  };
  const findProblem = (): SpartakusError | undefined => {
    if (space?.isExhausted !== true) return undefined;
    const [free, reserve] = [space.freeBytes, space.reserveBytes].map((bytes) => Math.floor(bytes / MIB));
    const cause = new Error(
      `${directory}: ${free} MiB are free, and the reserve is ${reserve} MiB (--disk-reserve). Free space, or enlarge the disk; the ` +
        'collector then goes on by itself.',
    );
    return unavailable('the disk of the database is full', cause);
  };

  await refreshInTime();
  return {
    put: async (entries) => {
      if (Math.abs(clock.now().getTime() - measuredAtMs) >= STALE_AFTER_MS) void refresh().catch(() => undefined);
      const problem = findProblem();
      return problem === undefined ? await store.put(entries) : entries.map(() => failed(problem));
    },
    hasReportsFrom: (id) => store.hasReportsFrom(id),
    check: async () => {
      await refreshInTime();
      const problem = findProblem();
      if (problem !== undefined) throw problem;
      await store.check();
    },
    disk: () => space,
    close: () => store.close(),
  };
}

/** Of the file system of a directory. `freeBytes` are those that this user may use. */
async function measureDisk(directory: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
  const { bavail, blocks, bsize } = await statfs(directory);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

/** Clients receive the message, so it names no directory; the cause is logged. */
function unavailable(problem: string, cause: Error): SpartakusError {
  return new SpartakusError('unavailable', `${problem}. Retry later.`, { retryAfterMs: RETRY_AFTER_MS, cause });
}
