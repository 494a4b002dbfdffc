import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { type Files, ignoreMissing, sweepUnfinished, SYSTEM_FILES, writeAtomically } from '../runtime/atomic-file.ts';
import { hasCode, messageOf, SpartakusError } from '../runtime/errors.ts';

/** A report that is not yet completely stored: its envelope as JSON, and the file of each of its records. */
interface PendingReport {
  readonly files: readonly string[];
  readonly report: unknown;
}

/** The directory of the agents' records. Every function rejects with a SpartakusError `unavailable`. */
export interface RecordDir {
  /** The names of the record files, sorted. */
  list(): Promise<readonly string[]>;
  read(name: string): Promise<string>;
  write(name: string, text: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** The pending report of an earlier run. Undefined where there is none, or it is corrupt; its records are still there. */
  readPending(): Promise<PendingReport | undefined>;
  writePending(pending: PendingReport): Promise<void>;
  removePending(): Promise<void>;
}

/** In a pod, the agent and the reporter may be different users of one group. */
const MODES = { mode: 0o640, dirMode: 0o770 };
const PENDING = '.report.pending';

/**
 * Opens a record directory, which is created with the first write. Kubermatic's own reporter fails on any file there that is not a record
 * (pkg/reporter/v2/file.go of kubermatic/telemetry-client), so unfinished records and the pending report are in `<dir>.pending`. Where that
 * cannot be on the same file system, because the record directory is a mount point, they are hidden files of the record directory.
 */
export function openRecordDir(
  dir: string,
  { now, files = SYSTEM_FILES }: { readonly now: () => Date; readonly files?: Files },
): RecordDir {
  const recordDir = path.resolve(dir);
  const fileOf = (name: string): string => path.join(recordDir, name);
  let pendingDir: string | undefined;
  const findPendingDir = async (): Promise<string> => (pendingDir ??= await choosePendingDir(recordDir));
  /** Earlier versions wrote the pending report to the record directory. */
  const pendingFiles = async (): Promise<ReadonlySet<string>> =>
    new Set([path.join(await findPendingDir(), PENDING), fileOf(PENDING)]);

  const guard =
    <Args extends readonly unknown[], Value>(operation: (...args: Args) => Promise<Value>) =>
    (...args: Args): Promise<Value> =>
      operation(...args).catch((error: unknown) => {
        throw new SpartakusError('unavailable', `--record-dir ${dir}: ${messageOf(error)}.`, { field: '--record-dir' });
      });
  const write = async (file: string, text: string): Promise<void> =>
    writeAtomically(file, text, { ...MODES, unfinishedDir: await findPendingDir(), files });
  const remove = async (file: string): Promise<void> => ignoreMissing(() => files.remove(file));
  const sweep = async (): Promise<void> => {
    for (const swept of new Set([recordDir, await findPendingDir()])) {
      for (const name of await readdir(swept)) await sweepUnfinished(swept, name, now());
    }
  };

  return {
    list: guard(async () => {
      const names = await files.list(recordDir);
      await sweep().catch(() => undefined);
      return names.filter((name) => name.endsWith('.json') && !name.startsWith('.')).toSorted();
    }),
    read: guard(async (name) => await files.read(fileOf(name))),
    write: guard(async (name, text) => {
      await write(fileOf(name), text).catch(async (error: unknown) => {
        if (!hasCode(error, 'EXDEV')) throw error;
        // A mount point of the same device.
        pendingDir = recordDir;
        await write(fileOf(name), text);
      });
      await sweep().catch(() => undefined);
    }),
    remove: guard((name) => remove(fileOf(name))),
    readPending: guard(async () => {
      for (const file of await pendingFiles()) {
        const text = await ignoreMissing(() => files.read(file));
        const pending = text === undefined ? undefined : parsePending(text);
        if (pending !== undefined) return pending;
      }
      return undefined;
    }),
    writePending: guard(async (pending) => {
      await write(path.join(await findPendingDir(), PENDING), JSON.stringify(pending));
    }),
    removePending: guard(async () => {
      for (const file of await pendingFiles()) await remove(file);
    }),
  };
}

async function choosePendingDir(recordDir: string): Promise<string> {
  const sibling = `${recordDir}.pending`;
  const canWrite = constants.R_OK | constants.W_OK | constants.X_OK;
  try {
    const [own, existing] = await Promise.all([recordDir, sibling].map((dir) => ignoreMissing(() => stat(dir))));
    const place = existing === undefined ? path.dirname(sibling) : sibling;
    // Where neither exists, both are created in the same directory.
    await ignoreMissing(() => access(place, canWrite));
    return own === undefined || own.dev === (await stat(place)).dev ? sibling : recordDir;
  } catch {
    return recordDir;
  }
}

/** Rejects with a SpartakusError `invalid` where the directory cannot be read. */
export async function checkRecordDir(dir: string): Promise<void> {
  try {
    await readdir(dir);
  } catch (error) {
    const message = `--record-dir ${dir}: ${messageOf(error)}. Is it the directory that the agents write to?`;
    throw new SpartakusError('invalid', message, { field: '--record-dir' });
  }
}

function parsePending(text: string): PendingReport | undefined {
  let pending: unknown;
  try {
    pending = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof pending !== 'object' || pending === null || !('files' in pending) || !('report' in pending))
    return undefined;
  const { files, report } = pending;
  // Other names could remove a file of another directory.
  const isOwn = (name: unknown): name is string =>
    typeof name === 'string' && name === path.basename(name) && name.endsWith('.json');
  return Array.isArray(files) && files.every(isOwn) ? { files, report } : undefined;
}
