import { createHash } from 'node:crypto';
import { lstat, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { ignoreMissing } from '../../../runtime/atomic-file.ts';
import { messageOf, SpartakusError } from '../../../runtime/errors.ts';

/**
 * Creates the directory of an engine's socket, which only this user can open. It is not in the database's directory, whose path may be too
 * long for a socket. The name says which database it belongs to.
 */
export async function createSocketDirectory(databaseDirectory: string): Promise<string> {
  const prefix = await prefixOf(databaseDirectory);
  return await mkdtemp(path.join(tmpdir(), prefix)).catch((error: unknown) => {
    const message = `the directory of the engine's socket cannot be created: ${messageOf(error)}`;
    throw new SpartakusError('unavailable', `${message}. Set TMPDIR to a directory that this user may write to.`, {
      cause: error,
    });
  });
}

/** Removes the directories of earlier engines of a database, which remain where they were killed. Only for the process that has it open. */
export async function removeOldSocketDirectories(databaseDirectory: string, current: string): Promise<void> {
  const prefix = await prefixOf(databaseDirectory);
  for (const name of await readdir(tmpdir())) {
    const directory = path.join(tmpdir(), name);
    if (!name.startsWith(prefix) || directory === current) continue;
    const found = await ignoreMissing(() => lstat(directory));
    if (found?.isDirectory() === true && found.uid === process.getuid?.())
      await rm(directory, { recursive: true, force: true });
  }
}

async function prefixOf(databaseDirectory: string): Promise<string> {
  // The path may differ for each process, such as in containers.
  const { dev, ino } = await stat(databaseDirectory, { bigint: true });
  return `spartakus-${createHash('sha256').update(`${dev}:${ino}`).digest('hex').slice(0, 8)}-`;
}
