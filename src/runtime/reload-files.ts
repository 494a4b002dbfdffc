import { readFile } from 'node:fs/promises';
import type { Clock } from './clock.ts';
import { messageOf, SpartakusError } from './errors.ts';
import type { Logger } from './logger.ts';

/** A file, and the flag that named it. */
export interface NamedFile {
  /** Such as "--tls-cert". */
  readonly flag: string;
  readonly file: string;
}

export interface WatchOptions {
  readonly files: readonly NamedFile[];
  /**
   * Takes what the files hold, in their order, into use.
   *
   * @throws SpartakusError where they are of no use; what was in use before must stay in use then
   */
  readonly use: (contents: readonly Buffer[]) => void;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly logger: Logger;
  /** Ends the watch. */
  readonly stop: AbortSignal;
}

/**
 * How often files are looked at. By what they hold, not by events or times of change: those of a Kubernetes volume, whose files
 * are links to links that are exchanged together, tell little.
 */
const LOOK_EVERY_MS = 5_000;

/**
 * Reads files, and reads them anew whenever they change, until it is stopped. A change counts once two looks agree, so that a pair
 * that is being written is not taken by halves. Where what changed is of no use, it is logged once and the old stays.
 *
 * @throws SpartakusError of kind `invalid` where the files cannot be read or used now
 */
export async function watchFiles({ files, use, clock, logger, stop }: WatchOptions): Promise<void> {
  const names = files.map(({ flag, file }) => `${flag} ${file}`).join(', ');
  let held = await readAll(files);
  use(held);

  const follow = async (): Promise<void> => {
    let last = held;
    let complaint: string | undefined;
    while (true) {
      await clock.sleep(LOOK_EVERY_MS, stop);
      if (stop.aborted) return;
      try {
        const read = await readAll(files);
        const settled = isSame(read, last);
        last = read;
        if (isSame(read, held)) complaint = undefined;
        else if (settled) {
          held = read;
          use(read);
          complaint = undefined;
          logger.info({}, `read anew: ${names}`);
        }
      } catch (error) {
        const message = messageOf(error);
        if (message !== complaint) logger.error({}, `${message} What was read before stays in use.`);
        complaint = message;
      }
    }
  };
  void follow();
}

/** A file that is of no use: which, and why. The problem is a sentence without its subject. */
export function wrongFile({ flag, file }: NamedFile, problem: string): SpartakusError {
  return new SpartakusError('invalid', `${flag} ${file}: ${problem}.`, { field: flag });
}

function readAll(files: readonly NamedFile[]): Promise<readonly Buffer[]> {
  return Promise.all(
    files.map(async (named) => {
      try {
        return await readFile(named.file);
      } catch (error) {
        throw wrongFile(named, `cannot be read (${messageOf(error)})`);
      }
    }),
  );
}

function isSame(some: readonly Buffer[], others: readonly Buffer[]): boolean {
  return some.every((content, index) => others[index]?.equals(content));
}
