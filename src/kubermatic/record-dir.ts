import { mkdir, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises';
import path from 'node:path';
import { syncDirectory, writeThrough } from '../runtime/atomic-file.ts';
import { messageOf, SpartakusError } from '../runtime/errors.ts';

/** What a record directory does to files: each of them a step between which a machine may stop. Every function rejects with the system's error. */
export interface Files {
  list(dir: string): Promise<readonly string[]>;
  read(file: string): Promise<string>;
  /** Resolves when the content would survive a power cut. */
  write(file: string, text: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(file: string): Promise<void>;
  /** Resolves when the names in it would survive a power cut. */
  syncDirectory(dir: string): Promise<void>;
}

/** The agent and the reporter may be different users of one group, as in a pod. */
const FILE_MODE = 0o640;
const DIR_MODE = 0o770;

/** The machine's own. */
export const MACHINE_FILES: Files = {
  list: readdir,
  read: (file) => readFile(file, 'utf8'),
  write: (file, text) => writeThrough(file, text, FILE_MODE),
  rename,
  remove: unlink,
  syncDirectory,
};

/** The report that was begun: the names of the files whose records it holds, and its text. */
export interface PendingReport {
  /** In the order of the records. */
  readonly files: readonly string[];
  readonly report: unknown;
}

/** A directory to which agents write their records, and from which a reporter takes them. Whatever fails is a SpartakusError `unavailable`. */
export interface RecordDir {
  /** The names of the record files, in their order. */
  list(): Promise<readonly string[]>;
  read(name: string): Promise<string>;
  /** Writes a record, whole or not at all. */
  write(name: string, text: string): Promise<void>;
  /** Nothing happens where it is gone already. */
  remove(name: string): Promise<void>;
  /** The report that an earlier run began, where it left one. One that cannot be read is none: its records are still there. */
  readPending(): Promise<PendingReport | undefined>;
  writePending(pending: PendingReport): Promise<void>;
  removePending(): Promise<void>;
}

/** Hidden, so that neither is taken for a record by anybody who reads all that he sees. */
const PENDING = '.report.pending';
const UNFINISHED_SUFFIX = '.unfinished';
/** Writing takes moments: what is older was left behind by a program that is no more. */
const UNFINISHED_FOR_MS = 60_000;

/**
 * @param dir need not exist
 * @param options.now tells which unfinished files are old
 */
export function openRecordDir(
  dir: string,
  { now, files = MACHINE_FILES }: { readonly now: () => Date; readonly files?: Files },
): RecordDir {
  const place = (name: string): string => path.join(dir, name);

  const writeWhole = async (name: string, text: string): Promise<void> => {
    await mkdir(dir, { recursive: true, mode: DIR_MODE });
    const unfinished = place(`.${name.replace(/^\./, '')}${UNFINISHED_SUFFIX}`);
    try {
      await files.write(unfinished, text);
      await files.rename(unfinished, place(name));
    } catch (error) {
      // On a full volume an empty file would be left; that it cannot be taken away either is no news.
      await files.remove(unfinished).catch(() => undefined);
      throw error;
    }
    await files.syncDirectory(dir);
  };
  const removeIfThere = async (name: string): Promise<void> => {
    try {
      await files.remove(place(name));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  };
  const sweep = async (name: string): Promise<void> => {
    const { mtimeMs } = await stat(place(name));
    if (Math.abs(now().getTime() - mtimeMs) > UNFINISHED_FOR_MS) await rm(place(name), { force: true });
  };
  const attempt = async <Value>(use: () => Promise<Value>): Promise<Value> => {
    try {
      return await use();
    } catch (error) {
      throw new SpartakusError('unavailable', `--record-dir ${dir}: ${messageOf(error)}.`, { field: '--record-dir' });
    }
  };

  return {
    list: () =>
      attempt(async () => {
        const names = (await files.list(dir)).toSorted();
        for (const name of names) if (name.endsWith(UNFINISHED_SUFFIX)) await sweep(name).catch(() => undefined);
        return names.filter((name) => name.endsWith('.json') && !name.startsWith('.'));
      }),
    read: (name) => attempt(() => files.read(place(name))),
    write: (name, text) => attempt(() => writeWhole(name, text)),
    remove: (name) => attempt(() => removeIfThere(name)),
    readPending: () =>
      attempt(async () => {
        try {
          return parsePending(await files.read(place(PENDING)));
        } catch (error) {
          if (isMissing(error)) return undefined;
          throw error;
        }
      }),
    writePending: (pending) => attempt(() => writeWhole(PENDING, JSON.stringify(pending))),
    removePending: () => attempt(() => removeIfThere(PENDING)),
  };
}

/** Rejects with a SpartakusError `invalid` where the directory is not there, or is none. */
export async function checkRecordDir(dir: string): Promise<void> {
  try {
    await readdir(dir);
  } catch (error) {
    throw new SpartakusError(
      'invalid',
      `--record-dir ${dir}: ${messageOf(error)}. Is it the directory that the agents write to?`,
      { field: '--record-dir' },
    );
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
  // A name that led elsewhere would have a file removed there.
  const isOwn = (name: unknown): name is string =>
    typeof name === 'string' && name === path.basename(name) && name.endsWith('.json');
  return Array.isArray(files) && files.every(isOwn) ? { files, report } : undefined;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
