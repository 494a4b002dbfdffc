import { stat } from 'node:fs/promises';
import type { Report } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { Clock } from '../../runtime/clock.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Ledger } from '../counters.ts';
import { decodeFrame, encodeFrame, type SpooledReport } from './frame.ts';
import { createVolume, isMissing, type Volume } from './volume.ts';

export interface SpoolConfig {
  /** --spool-dir; reports wait in memory where none is given. */
  readonly dir?: string;
  /** --spool-size: how much may wait, in bytes. The newest report is kept whatever its size. */
  readonly maxBytes: number;
}

export interface SpoolOptions {
  readonly clock: Pick<Clock, 'now'>;
  readonly logger: Logger;
  readonly ledger: Pick<Ledger, 'add' | 'fail'>;
  /** Stands in for the directory. */
  readonly volume?: Volume;
}

/** Which reports to hand out. */
export interface Batch {
  /** At most so many. */
  readonly reports: number;
  /** At most so many bytes; but one report, whatever its size. */
  readonly bytes: number;
  /** Only those that are younger than the report of this id. */
  readonly after?: string;
}

export interface SpoolSize {
  readonly reports: number;
  readonly bytes: number;
  /** How many of the reports are in memory only, and gone when the program is. */
  readonly inMemory: number;
}

/** Where reports wait for their receipt. Nothing rejects: a report that cannot be kept well is kept as well as can be, and that is said. */
export interface Spool {
  /** Keeps a report, over the cap at the cost of the oldest ones. Resolves once it is safe, or once that cannot be had. */
  add(report: Report): Promise<void>;
  /** The oldest reports, oldest first; they stay. What is damaged is set aside, and not among them. */
  oldest(batch: Batch): Promise<readonly SpooledReport[]>;
  /** Lets go of a report that has its receipt. */
  remove(id: string): Promise<void>;
  /** Lets go of a report that will never be taken; on a volume it is set aside with the reason. */
  refuse(id: string, error: SpartakusError): Promise<void>;
  size(): SpoolSize;
  /** Tries once more to bring what is in memory to safety, and says what is kept and what is lost. Idempotent. */
  close(): Promise<void>;
}

/** A report that waits. */
interface Slot {
  readonly bytes: number;
  /** The report itself, where it is not on the volume. */
  readonly frame?: Uint8Array;
}

/** Checks --spool-dir without making it. Rejects with a SpartakusError `invalid` where it is something else than a directory. */
export async function checkSpoolDir(dir: string): Promise<void> {
  const found = await stat(dir).catch(() => undefined);
  if (found !== undefined && !found.isDirectory()) {
    throw new SpartakusError('invalid', `--spool-dir ${dir}: is not a directory.`, { field: '--spool-dir' });
  }
}

/**
 * Opens the spool, with the reports that an earlier run left in its directory. Rejects as {@link checkSpoolDir}; a directory that cannot
 * be read or written is not an error: it is said, and reports wait in memory.
 */
export async function openSpool({ dir, maxBytes }: SpoolConfig, options: SpoolOptions): Promise<Spool> {
  const { clock, logger, ledger } = options;
  if (dir !== undefined) await checkSpoolDir(dir);
  const volume = options.volume ?? (dir === undefined ? undefined : createVolume(dir, () => clock.now()));
  const status = createStatus(volume, logger, ledger);
  /** By id, in the order of age. */
  let slots = await status.attempt(new Map<string, Slot>(), async (on) => {
    return new Map<string, Slot>([...(await on.list())].map(([id, bytes]) => [id, { bytes }]));
  });

  const total = (): number => [...slots.values()].reduce((sum, { bytes }) => sum + bytes, 0);

  const countInMemory = (): number => [...slots.values()].filter(({ frame }) => frame !== undefined).length;

  const insert = (id: string, slot: Slot): void => {
    const newest = [...slots.keys()].at(-1) ?? '';
    slots.set(id, slot);
    // A clock that was set back gives a new report an older id.
    if (id < newest) slots = new Map([...slots].toSorted(([one], [other]) => (one < other ? -1 : 1)));
  };

  const discard = async (id: string): Promise<void> => {
    const slot = slots.get(id);
    slots.delete(id);
    if (slot !== undefined && slot.frame === undefined) await status.attempt(undefined, (on) => on.remove(id));
  };

  const makeRoom = async (bytes: number): Promise<void> => {
    let dropped = 0;
    for (const id of slots.keys()) {
      if (total() + bytes <= maxBytes) break;
      await discard(id);
      dropped += 1;
    }
    if (dropped === 0) return;
    ledger.add('dropped', dropped);
    logger.warn(
      { dropped, spoolBytes: maxBytes },
      `${count(dropped)} dropped, the oldest first: the spool is full. They are lost; a larger --spool-size keeps more.`,
    );
  };

  /** Brings what is in memory to the volume. */
  const moveAll = async (): Promise<void> => {
    for (const [id, { bytes, frame }] of slots) {
      if (frame === undefined) continue;
      const written = await status.attempt(false, async (on) => {
        await on.write(id, frame);
        status.recovered();
        return true;
      });
      if (!written) return;
      // It may have been delivered meanwhile.
      if (slots.has(id)) slots.set(id, { bytes });
      else await status.attempt(undefined, (on) => on.remove(id));
    }
  };

  let moving = Promise.resolve();
  /** One at a time, for two would write the same file. */
  const moveToVolume = (): Promise<void> => (moving = moving.then(moveAll));

  const setAsideDamaged = async (on: Volume, id: string, what: string): Promise<void> => {
    slots.delete(id);
    ledger.add('damaged');
    logger.warn(
      { reportId: id, dir: on.dir },
      `A report in the spool is damaged (${what}) and goes to the folder "damaged" there; it is not sent.`,
    );
    await status.attempt(undefined, () => on.setAside(id, 'damaged', `This report was not sent: ${what}.`));
  };

  /** A report that waits; undefined where it is damaged, or where another volunteer took it away. */
  const read = async (id: string, { frame }: Slot): Promise<SpooledReport | undefined> => {
    if (frame !== undefined) return decodeFrame(frame);
    if (volume === undefined) return undefined;
    try {
      const report = decodeFrame(await volume.read(id));
      if (report.encoded.reportId === id) return report;
      await setAsideDamaged(volume, id, 'its name is not that of its report');
    } catch (error) {
      if (isMissing(error)) slots.delete(id);
      else await setAsideDamaged(volume, id, messageOf(error));
    }
    return undefined;
  };

  const close = async (): Promise<void> => {
    await moveToVolume();
    const lost = countInMemory();
    if (lost > 0)
      logger.warn(
        { lost },
        `${count(lost)} not delivered, and lost: kept in memory only. A --spool-dir that can be written keeps reports.`,
      );
    const kept = slots.size - lost;
    if (kept > 0 && volume !== undefined)
      logger.info(
        { kept, dir: volume.dir },
        `${count(kept)} not delivered yet, and kept in the spool for the next run.`,
      );
  };
  let closed: Promise<void> | undefined;

  return {
    add: async (report) => {
      const frame = encodeFrame(report);
      await makeRoom(frame.length);
      insert(report.reportId, { bytes: frame.length, frame });
      await moveToVolume();
    },
    oldest: async ({ reports: most, bytes: mostBytes, after = '' }) => {
      const batch: SpooledReport[] = [];
      let bytes = 0;
      for (const [id, slot] of [...slots].filter(([each]) => each > after)) {
        if (batch.length >= most || (batch.length > 0 && bytes + slot.bytes > mostBytes)) break;
        const report = await read(id, slot);
        if (report === undefined) continue;
        batch.push(report);
        bytes += slot.bytes;
      }
      return batch;
    },
    remove: discard,
    refuse: async (id, error) => {
      const slot = slots.get(id);
      slots.delete(id);
      if (slot === undefined || slot.frame !== undefined) return;
      const why = `${clock.now().toISOString()} ${error.kind}${error.field === undefined ? '' : ` ${error.field}`}: ${error.message}`;
      await status.attempt(undefined, (on) => on.setAside(id, 'refused', why));
    },
    size: () => ({ reports: slots.size, bytes: total(), inMemory: countInMemory() }),
    close: () => (closed ??= close()),
  };
}

/** Tries things on the volume, and says when it begins to fail and when it works again: once each. */
interface Status {
  /** What `use` gives, or `otherwise` where there is no volume or it fails. */
  attempt<Value>(otherwise: Value, use: (volume: Volume) => Promise<Value>): Promise<Value>;
  /** A report was written. Nothing less shows that the volume works: from a full one files can be taken away. */
  recovered(): void;
}

function createStatus(volume: Volume | undefined, logger: Logger, ledger: Pick<Ledger, 'fail'>): Status {
  let failing = false;
  return {
    attempt: async (otherwise, use) => {
      if (volume === undefined) return otherwise;
      try {
        return await use(volume);
      } catch (error) {
        // Another volunteer on the same directory was faster.
        if (isMissing(error)) return otherwise;
        ledger.fail('spool', 'unavailable');
        if (!failing) {
          logger.warn(
            { dir: volume.dir },
            `The spool directory cannot be used: ${messageOf(error)}. Until it can, reports wait in memory, and are lost where the volunteer ends first.`,
          );
        }
        failing = true;
        return otherwise;
      }
    },
    recovered: () => {
      if (failing) logger.info({ dir: volume?.dir }, 'The spool directory can be used again.');
      failing = false;
    },
  };
}

function count(reports: number): string {
  return reports === 1 ? '1 report was' : `${reports} reports were`;
}
