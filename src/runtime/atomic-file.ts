import { mkdir, open, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises';
import path from 'node:path';

/** The file system operations of a program that must survive being stopped between any two of them. Each rejects with the system's error. */
export interface Files {
  list(dir: string): Promise<readonly string[]>;
  read(file: string): Promise<string>;
  /** Resolves once the content would survive a power cut. */
  write(file: string, content: string | Uint8Array, mode: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(file: string): Promise<void>;
  /** Resolves once the names in the directory would survive a power cut. */
  syncDirectory(dir: string): Promise<void>;
}

export const SYSTEM_FILES: Files = {
  list: (dir) => readdir(dir),
  read: (file) => readFile(file, 'utf8'),
  write: (file, content, mode) =>
    withHandle(file, 'w', mode, async (handle) => {
      await handle.writeFile(content);
      await handle.sync();
    }),
  rename,
  remove: unlink,
  syncDirectory: (dir) => withHandle(dir, 'r', undefined, (handle) => handle.sync()),
};

const UNFINISHED_SUFFIX = '.unfinished';
/** The age at which an unfinished file is a leftover of a program that has ended; a younger one may still be written. */
const UNFINISHED_FOR_MS = 3_600_000;

export interface WriteOptions {
  /** The mode of the file. */
  readonly mode: number;
  /** The mode of directories that are created. */
  readonly dirMode: number;
  /** The directory of the unfinished file, on the same file system (default: that of the file). */
  readonly unfinishedDir?: string;
  readonly files?: Files;
}

/** Writes a file whole or not at all. Resolves once its content and its name would survive a power cut. */
export async function writeAtomically(
  file: string,
  content: string | Uint8Array,
  { mode, dirMode, unfinishedDir = path.dirname(file), files = SYSTEM_FILES }: WriteOptions,
): Promise<void> {
  for (const dir of new Set([path.dirname(file), unfinishedDir])) {
    const created = await mkdir(dir, { recursive: true, mode: dirMode });
    if (created !== undefined) await files.syncDirectory(path.dirname(created));
  }
  const unfinished = path.join(unfinishedDir, `.${path.basename(file)}${UNFINISHED_SUFFIX}`);
  try {
    await files.write(unfinished, content, mode);
    await files.rename(unfinished, file);
  } catch (error) {
    // A full volume would keep an empty file. The first error is the one to report.
    await files.remove(unfinished).catch(() => undefined);
    throw error;
  }
  await files.syncDirectory(path.dirname(file));
}

/** Removes a file that {@link writeAtomically} left unfinished more than an hour ago; any other name is ignored. */
export async function sweepUnfinished(dir: string, name: string, now: Date): Promise<void> {
  if (!name.endsWith(UNFINISHED_SUFFIX)) return;
  const file = path.join(dir, name);
  await ignoreMissing(async () => {
    const { mtimeMs } = await stat(file);
    if (now.getTime() - mtimeMs > UNFINISHED_FOR_MS) await rm(file, { force: true });
  });
}

/** Whether an error says that a file does not exist. */
export function isMissing(error: unknown): boolean {
  return hasCode(error, 'ENOENT');
}

/** Whether an error of the system has a code, such as EXDEV. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** The result of an operation on files; undefined where a file does not exist. */
export async function ignoreMissing<Value>(operation: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await operation();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function withHandle(
  file: string,
  flags: string,
  mode: number | undefined,
  use: (handle: Awaited<ReturnType<typeof open>>) => Promise<void>,
): Promise<void> {
  const handle = await open(file, flags, mode);
  try {
    await use(handle);
  } finally {
    await handle.close();
  }
}
