import { open, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises';
import path from 'node:path';
import { hasCode } from './errors.ts';
import { makeDirectory } from './make-directory.ts';

/** File system operations. Each rejects with the system's error. */
export interface Files {
  list(dir: string): Promise<readonly string[]>;
  read(file: string): Promise<string>;
  /** Resolves once the content is durable. */
  write(file: string, content: string | Uint8Array, mode: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(file: string): Promise<void>;
  /** Resolves once the names in the directory are durable. */
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
/** Younger files may still be written by another process. */
const UNFINISHED_FOR_MS = 3_600_000;

interface WriteOptions {
  readonly mode: number;
  readonly dirMode: number;
  /** The directory of the unfinished file, on the same file system; by default that of the file. */
  readonly unfinishedDir?: string;
  readonly files?: Files;
}

/** Writes a file completely or not at all. Resolves once its content and its name are durable. */
export async function writeAtomically(
  file: string,
  content: string | Uint8Array,
  { mode, dirMode, unfinishedDir = path.dirname(file), files = SYSTEM_FILES }: WriteOptions,
): Promise<void> {
  for (const dir of new Set([path.dirname(file), unfinishedDir])) {
    // The name of a new directory is in its parent.
    for (const created of await makeDirectory(dir, dirMode)) await files.syncDirectory(path.dirname(created));
  }
  const unfinished = path.join(unfinishedDir, `.${path.basename(file)}${UNFINISHED_SUFFIX}`);
  try {
    await files.write(unfinished, content, mode);
    await files.rename(unfinished, file);
  } catch (error) {
    // A full volume would keep an empty file.
    await files.remove(unfinished).catch(() => undefined);
    throw error;
  }
  await files.syncDirectory(path.dirname(file));
}

/** Removes a file that {@link writeAtomically} left unfinished more than an hour ago. Other names are ignored. */
export async function sweepUnfinished(dir: string, name: string, now: Date): Promise<void> {
  if (!name.endsWith(UNFINISHED_SUFFIX)) return;
  const file = path.join(dir, name);
  await ignoreMissing(async () => {
    const { mtimeMs } = await stat(file);
    if (now.getTime() - mtimeMs > UNFINISHED_FOR_MS) await rm(file, { force: true });
  });
}

export function isMissing(error: unknown): boolean {
  return hasCode(error, 'ENOENT');
}

/** The result of an operation on files; undefined if a file does not exist. */
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
