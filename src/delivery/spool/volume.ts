import { mkdir, readdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isReportId } from '../../report/report-id.ts';
import { syncDirectory, writeThrough } from '../../runtime/atomic-file.ts';

/** Why a file is set aside, and the name of the folder that it goes to. */
export type AsideFolder = 'damaged' | 'refused';

/** Where a spool keeps its reports when it has more than memory. Every function rejects with the system's error. */
export interface Volume {
  readonly dir: string;
  /** The bytes of each report, by its id. */
  list(): Promise<ReadonlyMap<string, number>>;
  /** Resolves when the frame, and its name, would survive a power cut. */
  write(id: string, frame: Uint8Array): Promise<void>;
  read(id: string): Promise<Uint8Array>;
  /** Nothing happens where it is gone already. */
  remove(id: string): Promise<void>;
  /** Moves a report into a folder beside the others, with a text file that says why; the oldest of a folder leave it. */
  setAside(id: string, folder: AsideFolder, why: string): Promise<void>;
}

const SUFFIX = '.report';
const UNFINISHED_SUFFIX = '.unfinished';
/** How many reports a folder of reports that were set aside keeps. */
export const KEPT_ASIDE = 100;
/** An unfinished file that is older was left behind by a volunteer that is no more; a younger one may be another's, at work. */
const UNFINISHED_FOR_MS = 3_600_000;
/** Reports are anonymous, and yet nobody else's. */
const DIR_MODE = 0o700;
const FILE_MODE = 0o600;

/**
 * A directory with a file for each report. The name is the report's id, a UUIDv7, so that the order of names is the order of age.
 * Several volunteers may use one directory: a file is whole or not there, and one that another took away is no error.
 *
 * The directory need not exist, and nothing is touched before the first call.
 *
 * @param now tells which unfinished files are old
 */
export function createVolume(dir: string, now: () => Date): Volume {
  const fileOf = (id: string): string => path.join(dir, id + SUFFIX);

  const sweep = async (name: string): Promise<void> => {
    const file = path.join(dir, name);
    const { mtimeMs } = await stat(file);
    if (now().getTime() - mtimeMs > UNFINISHED_FOR_MS) await rm(file, { force: true });
  };

  return {
    dir,
    list: async () => {
      await mkdir(dir, { recursive: true, mode: DIR_MODE });
      const found: [string, number][] = [];
      for (const name of (await readdir(dir)).toSorted()) {
        const id = idOf(name);
        if (id !== undefined) await whereThere(async () => found.push([id, (await stat(fileOf(id))).size]));
        else if (name.endsWith(UNFINISHED_SUFFIX)) await whereThere(() => sweep(name));
      }
      return new Map(found);
    },
    write: async (id, frame) => {
      await mkdir(dir, { recursive: true, mode: DIR_MODE });
      const unfinished = path.join(dir, id + UNFINISHED_SUFFIX);
      try {
        await writeThrough(unfinished, frame, FILE_MODE);
        await rename(unfinished, fileOf(id));
      } catch (error) {
        // On a full volume an empty file would be left; that it cannot be taken away either is no news.
        await rm(unfinished, { force: true }).catch(() => undefined);
        throw error;
      }
      await syncDirectory(dir);
    },
    read: (id) => readFile(fileOf(id)),
    remove: (id) => whereThere(() => unlink(fileOf(id))),
    setAside: async (id, folder, why) => {
      const aside = path.join(dir, folder);
      await mkdir(aside, { recursive: true, mode: DIR_MODE });
      await rename(fileOf(id), path.join(aside, id + SUFFIX));
      await writeFile(path.join(aside, `${id}.txt`), `${why}\n`, { mode: FILE_MODE });
      const ids = (await readdir(aside)).map(idOf).filter((each) => each !== undefined);
      for (const oldest of ids.toSorted().slice(0, -KEPT_ASIDE)) {
        for (const suffix of [SUFFIX, '.txt']) await rm(path.join(aside, oldest + suffix), { force: true });
      }
    },
  };
}

/** Whether an error says that a file is not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** The report id that a name holds; undefined for a file of anybody else. */
function idOf(name: string): string | undefined {
  const id = name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : '';
  return isReportId(id) ? id : undefined;
}

async function whereThere(use: () => Promise<unknown>): Promise<void> {
  try {
    await use();
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
