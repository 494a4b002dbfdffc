import { readFile } from 'node:fs/promises';
import type { Clock } from './clock.ts';
import { messageOf, SpartakusError } from './errors.ts';
import type { Logger } from './logger.ts';

export interface NamedFile {
  /** Such as "--tls-cert". */
  readonly flag: string;
  readonly file: string;
}

export interface ReloadOptions {
  readonly files: readonly NamedFile[];
  /** Applies the content of the files. If it throws a SpartakusError, the previous content must stay in use. */
  readonly use: (contents: readonly Buffer[]) => void;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly logger: Logger;
  readonly stop: AbortSignal;
}

/** Polling, because file events and modification times are not reliable in Kubernetes volumes, whose files are symbolic links. */
const POLL_INTERVAL_MS = 5_000;

/**
 * Loads files, and reloads them when they change. A change is applied once two polls read the same content, so that a certificate is not
 * applied without its key. A change that cannot be applied is logged once.
 *
 * @throws SpartakusError of kind `invalid` if the files cannot be read or applied at first
 */
export async function reloadOnChange({ files, use, clock, logger, stop }: ReloadOptions): Promise<void> {
  let current = await readAll(files);
  use(current);

  const poll = async (): Promise<void> => {
    let last = current;
    let loggedError: string | undefined;
    while (true) {
      await clock.sleep(POLL_INTERVAL_MS, stop);
      if (stop.aborted) return;
      try {
        const read = await readAll(files);
        const isStable = isSame(read, last);
        last = read;
        if (isSame(read, current)) loggedError = undefined;
        else if (isStable) {
          current = read;
          use(read);
          loggedError = undefined;
          logger.info({}, `reloaded ${files.map(({ flag, file }) => `${flag} ${file}`).join(', ')}`);
        }
      } catch (error) {
        const message = messageOf(error);
        if (message !== loggedError) logger.error({}, `${message} The previous content stays in use.`);
        loggedError = message;
      }
    }
  };
  void poll();
}

/** @param problem a sentence without its subject */
export function invalidFile({ flag, file }: NamedFile, problem: string): SpartakusError {
  return new SpartakusError('invalid', `${flag} ${file}: ${problem}.`, { field: flag });
}

/** One after the other, so that the error is always that of the first unreadable file. */
async function readAll(files: readonly NamedFile[]): Promise<readonly Buffer[]> {
  const contents: Buffer[] = [];
  for (const named of files) {
    try {
      contents.push(await readFile(named.file));
    } catch (error) {
      throw invalidFile(named, `cannot be read (${messageOf(error)})`);
    }
  }
  return contents;
}

function isSame(some: readonly Buffer[], others: readonly Buffer[]): boolean {
  return some.every((content, index) => others[index]?.equals(content));
}
