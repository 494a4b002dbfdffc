import { readFile } from 'node:fs/promises';
import type { Clock } from './clock.ts';
import { messageOf, SpartakusError } from './errors.ts';
import type { Logger } from './logger.ts';

/** A file, and the flag that named it, such as "--tls-cert". */
export interface NamedFile {
  readonly flag: string;
  readonly file: string;
}

export interface ReloadOptions {
  readonly files: readonly NamedFile[];
  /**
   * Applies the content of the files, in their order.
   *
   * @throws SpartakusError where the content is invalid; the previous content must stay in use then
   */
  readonly use: (contents: readonly Buffer[]) => void;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly logger: Logger;
  readonly stop: AbortSignal;
}

/**
 * How often the content of files is compared. File events and modification times are not reliable in Kubernetes volumes, where files
 * are links to links that are replaced together.
 */
const POLL_INTERVAL_MS = 5_000;

/**
 * Loads files, and reloads them when they change. A change is applied once two polls read the same content, so that a certificate is not
 * applied without its key. A change that cannot be applied is logged once, and the previous content stays in use.
 *
 * @throws SpartakusError of kind `invalid` where the files cannot be read or applied now
 */
export async function reloadOnChange({ files, use, clock, logger, stop }: ReloadOptions): Promise<void> {
  const names = files.map(({ flag, file }) => `${flag} ${file}`).join(', ');
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
          logger.info({}, `reloaded ${names}`);
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

/** @param problem a sentence without its subject, the file */
export function invalidFile({ flag, file }: NamedFile, problem: string): SpartakusError {
  return new SpartakusError('invalid', `${flag} ${file}: ${problem}.`, { field: flag });
}

function readAll(files: readonly NamedFile[]): Promise<readonly Buffer[]> {
  return Promise.all(
    files.map(async (named) => {
      try {
        return await readFile(named.file);
      } catch (error) {
        throw invalidFile(named, `cannot be read (${messageOf(error)})`);
      }
    }),
  );
}

function isSame(some: readonly Buffer[], others: readonly Buffer[]): boolean {
  return some.every((content, index) => others[index]?.equals(content));
}
