import { readdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isReportId } from '../../report/report-id.ts';
import { ignoreMissing, sweepUnfinished, writeAtomically } from '../../runtime/atomic-file.ts';
import { makeDirectory } from '../../runtime/make-directory.ts';

/** The directory of a spool. Every function rejects with the system's error. */
export interface Volume {
  readonly dir: string;
  /** The size of each report in bytes, by its id. */
  list(): Promise<ReadonlyMap<string, number>>;
  /** Resolves once the frame and its name would survive a power failure. */
  write(id: string, frame: Uint8Array): Promise<void>;
  read(id: string): Promise<Uint8Array>;
  remove(id: string): Promise<void>;
  /** Moves a report into a folder, with the reason in a text file, and removes the oldest ones beyond {@link MAX_DEAD_LETTERS}. */
  moveToDeadLetters(id: string, folder: 'corrupt' | 'rejected', reason: string): Promise<void>;
}

const SUFFIX = '.report';
export const MAX_DEAD_LETTERS = 100;
const DIR_MODE = 0o700;
const FILE_MODE = 0o600;

/**
 * A directory, created with the first call, with one file for each report. It is named by the report's id, a UUIDv7, so names sort by age.
 * Several volunteers may share it: files are complete or absent, and a file that another volunteer has removed is no error.
 */
export function createVolume(dir: string, now: () => Date): Volume {
  const fileOf = (id: string): string => path.join(dir, id + SUFFIX);

  return {
    dir,
    list: async () => {
      await makeDirectory(dir, DIR_MODE);
      const found: [string, number][] = [];
      for (const name of (await readdir(dir)).toSorted()) {
        const id = idOf(name);
        if (id === undefined) await sweepUnfinished(dir, name, now());
        else await ignoreMissing(async () => found.push([id, (await stat(fileOf(id))).size]));
      }
      return new Map(found);
    },
    write: (id, frame) => writeAtomically(fileOf(id), frame, { mode: FILE_MODE, dirMode: DIR_MODE }),
    read: (id) => readFile(fileOf(id)),
    remove: (id) => ignoreMissing(() => unlink(fileOf(id))),
    moveToDeadLetters: async (id, folder, reason) => {
      const target = path.join(dir, folder);
      await makeDirectory(target, DIR_MODE);
      await rename(fileOf(id), path.join(target, id + SUFFIX));
      await writeFile(path.join(target, `${id}.txt`), `${reason}\n`, { mode: FILE_MODE });
      const ids = (await readdir(target)).map(idOf).filter((each) => each !== undefined);
      for (const oldest of ids.toSorted().slice(0, -MAX_DEAD_LETTERS)) {
        for (const suffix of [SUFFIX, '.txt']) await rm(path.join(target, oldest + suffix), { force: true });
      }
    },
  };
}

function idOf(name: string): string | undefined {
  const id = name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : '';
  return isReportId(id) ? id : undefined;
}
