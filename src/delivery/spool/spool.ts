import { stat } from 'node:fs/promises';
import type { Report } from '../../../gen/spartakus/report/v1/report_pb.js';
import { isMissing } from '../../runtime/atomic-file.ts';
import type { Clock } from '../../runtime/clock.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Counters } from '../counters.ts';
import { decodeFrame, encodeFrame, readFrame, sealFrame, type SpooledReport } from './frame.ts';
import { createVolume, type Volume } from './volume.ts';

interface SpoolConfig {
  /** --spool-dir (default: in memory). */
  readonly dir?: string;
  /** --spool-size. The newest report is kept even if it is larger. */
  readonly maxBytes: number;
}

export interface SpoolOptions {
  readonly clock: Pick<Clock, 'now'>;
  readonly logger: Logger;
  readonly counters: Pick<Counters, 'add' | 'fail'>;
  /** Replaces the volume of the directory. */
  readonly volume?: Volume;
}

/** The maximum size of a batch, in which a single report may be larger, and the id behind which it begins. */
export interface Batch {
  readonly reports: number;
  readonly bytes: number;
  readonly after?: string;
}

export interface SpoolSize {
  readonly reports: number;
  readonly bytes: number;
  /** Reports that are not on a volume. */
  readonly inMemory: number;
}

/** The queue of reports without a receipt. Nothing rejects: where the volume fails, that is logged, and reports are kept in memory. */
export interface Spool {
  /** Drops the oldest reports over the capacity. Resolves once the report is on the volume, or that has failed. */
  add(report: Report): Promise<void>;
  /** The oldest reports, which stay in the spool. Corrupt ones become dead letters and are left out. */
  oldest(batch: Batch): Promise<readonly SpooledReport[]>;
  remove(id: string): Promise<void>;
  /** Removes a report that was rejected for good; on a volume it becomes a dead letter with the reason. */
  reject(id: string, error: SpartakusError): Promise<void>;
  size(): SpoolSize;
  /** Writes reports in memory to the volume if possible, and logs how many are kept and lost. Idempotent. */
  close(): Promise<void>;
}

interface Slot {
  readonly bytes: number;
  /** Set where the report is not on the volume. */
  readonly frame?: Buffer;
}

/** Rejects with a SpartakusError `invalid` where --spool-dir exists and is not a directory. */
export async function checkSpoolDir(dir: string): Promise<void> {
  const found = await stat(dir).catch(() => undefined);
  if (found !== undefined && !found.isDirectory()) {
    throw new SpartakusError('invalid', `--spool-dir ${dir}: is not a directory.`, { field: '--spool-dir' });
  }
}

/** Opens the spool with the reports of earlier runs. Rejects as {@link checkSpoolDir}. */
export async function openSpool({ dir, maxBytes }: SpoolConfig, options: SpoolOptions): Promise<Spool> {
  const { clock, logger, counters } = options;
  if (dir !== undefined) await checkSpoolDir(dir);
  const volume = options.volume ?? (dir === undefined ? undefined : createVolume(dir, () => clock.now()));
  let volumeFails = false;

  /** Resolves to `otherwise` where there is no volume or the operation fails. Logs the first of several failures. */
  const attempt = async <Value>(otherwise: Value, operation: (on: Volume) => Promise<Value>): Promise<Value> => {
    if (volume === undefined) return otherwise;
    try {
      return await operation(volume);
    } catch (error) {
      // Another volunteer with the same directory has removed the file.
      if (isMissing(error)) return otherwise;
      counters.fail('spool', 'unavailable');
      if (!volumeFails) {
        logger.warn(
          { dir: volume.dir },
          `The spool directory cannot be used: ${messageOf(error)}. Until it can, reports wait in memory, and are lost if the volunteer ends before.`,
        );
      }
      volumeFails = true;
      return otherwise;
    }
  };

  let slots = await attempt(new Map<string, Slot>(), async (on) => {
    return new Map<string, Slot>([...(await on.list())].map(([id, bytes]) => [id, { bytes }]));
  });
  const total = (): number => [...slots.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  const countInMemory = (): number => [...slots.values()].filter(({ frame }) => frame !== undefined).length;

  const remove = async (id: string): Promise<void> => {
    const slot = slots.get(id);
    slots.delete(id);
    if (slot !== undefined && slot.frame === undefined) await attempt(undefined, (on) => on.remove(id));
  };

  const dropOldest = async (neededBytes: number): Promise<void> => {
    let dropped = 0;
    for (const id of slots.keys()) {
      if (total() + neededBytes <= maxBytes) break;
      await remove(id);
      dropped += 1;
    }
    if (dropped === 0) return;
    counters.add('dropped', dropped);
    logger.warn(
      { dropped, spoolBytes: maxBytes },
      `${count(dropped)} dropped, the oldest first, and lost: the spool is full. A larger --spool-size keeps more.`,
    );
  };

  const writeAll = async (): Promise<void> => {
    for (const [id, { bytes, frame }] of slots) {
      if (frame === undefined) continue;
      const isWritten = await attempt(false, async (on) => {
        await on.write(id, sealFrame(frame));
        return true;
      });
      if (!isWritten) return;
      // Only a write shows that the volume works: a full one still lets files be removed.
      if (volumeFails) logger.info({ dir: volume?.dir }, 'The spool directory can be used again.');
      volumeFails = false;
      // It may have been delivered meanwhile.
      if (slots.has(id)) slots.set(id, { bytes });
      else await attempt(undefined, (on) => on.remove(id));
    }
  };
  let writing = Promise.resolve();
  /** One at a time, because two would write the same file. */
  const writeToVolume = (): Promise<void> => (writing = writing.then(writeAll));

  const moveCorrupt = async (on: Volume, id: string, problem: string): Promise<void> => {
    slots.delete(id);
    counters.add('corrupt');
    logger.warn(
      { reportId: id, dir: on.dir },
      `A report in the spool is corrupt (${problem}) and is moved to its folder "corrupt"; it is not sent.`,
    );
    await attempt(undefined, () => on.moveToDeadLetters(id, 'corrupt', `This report was not sent: ${problem}.`));
  };

  /** Undefined where the report is corrupt, or another volunteer has removed it. */
  const read = async (id: string, { frame }: Slot): Promise<SpooledReport | undefined> => {
    if (frame !== undefined) return readFrame(frame);
    if (volume === undefined) return undefined;
    try {
      const report = decodeFrame(await volume.read(id));
      if (report.encoded.reportId === id) return report;
      await moveCorrupt(volume, id, 'its name is not the id of its report');
    } catch (error) {
      if (isMissing(error)) slots.delete(id);
      else await moveCorrupt(volume, id, messageOf(error));
    }
    return undefined;
  };

  const close = async (): Promise<void> => {
    await writeToVolume();
    const lost = countInMemory();
    const kept = slots.size - lost;
    const lostText = 'not delivered, and lost: kept in memory only. A writable --spool-dir keeps reports.';
    if (lost > 0) logger.warn({ lost }, `${count(lost)} ${lostText}`);
    const keptText = 'not delivered yet, and kept in the spool for the next run.';
    if (kept > 0 && volume !== undefined) logger.info({ kept, dir: volume.dir }, `${count(kept)} ${keptText}`);
  };
  let closed: Promise<void> | undefined;

  return {
    add: async (report) => {
      const frame = encodeFrame(report);
      await dropOldest(frame.length);
      const newest = [...slots.keys()].at(-1) ?? '';
      slots.set(report.reportId, { bytes: frame.length, frame });
      // After a clock was set back, a new report has an older id.
      if (report.reportId < newest) slots = new Map([...slots].toSorted(([one], [other]) => (one < other ? -1 : 1)));
      await writeToVolume();
    },
    oldest: async ({ reports: maxReports, bytes: maxBatchBytes, after = '' }) => {
      const batch: SpooledReport[] = [];
      let bytes = 0;
      for (const [id, slot] of [...slots].filter(([each]) => each > after)) {
        if (batch.length >= maxReports || (batch.length > 0 && bytes + slot.bytes > maxBatchBytes)) break;
        const report = await read(id, slot);
        if (report === undefined) continue;
        batch.push(report);
        bytes += slot.bytes;
      }
      return batch;
    },
    remove,
    reject: async (id, { kind, field, message }) => {
      const slot = slots.get(id);
      slots.delete(id);
      if (slot === undefined || slot.frame !== undefined) return;
      const reason = `${clock.now().toISOString()} ${kind}${field === undefined ? '' : ` ${field}`}: ${message}`;
      await attempt(undefined, (on) => on.moveToDeadLetters(id, 'rejected', reason));
    },
    size: () => ({ reports: slots.size, bytes: total(), inMemory: countInMemory() }),
    close: () => (closed ??= close()),
  };
}

function count(reports: number): string {
  return reports === 1 ? '1 report was' : `${reports} reports were`;
}
