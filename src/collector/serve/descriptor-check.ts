import { open } from 'node:fs/promises';
import { devNull } from 'node:os';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';

interface DescriptorCheckOptions {
  readonly clock: Pick<Clock, 'sleep'>;
  readonly logger: Logger;
  readonly stop: AbortSignal;
  /** Opens and closes a file; rejects with the system's error. */
  readonly tryOpen?: () => Promise<void>;
}

interface DescriptorCheck {
  /** How many checks found no free file descriptor. */
  readonly exhaustions: number;
}

const CHECK_INTERVAL_MS = 1_000;
const EXHAUSTED: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE']);

/**
 * Checks at intervals whether the process can open a file. Node.js does not tell that it cannot accept connections for lack of file
 * descriptors: libuv accepts and closes them.
 */
export function startDescriptorCheck({
  clock,
  logger,
  stop,
  tryOpen = openNull,
}: DescriptorCheckOptions): DescriptorCheck {
  let exhaustions = 0;
  let wasExhausted = false;
  const check = async (): Promise<void> => {
    const code = await tryOpen().then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error.code,
    );
    const isExhausted = EXHAUSTED.has(code);
    if (isExhausted) exhaustions += 1;
    if (isExhausted && !wasExhausted) {
      logger.error(
        { code },
        'out of file descriptors: connections are rejected. Raise the limit of open files (ulimit -n), or lower --max-connections.',
      );
    }
    if (wasExhausted && !isExhausted) logger.info({}, 'there are free file descriptors again');
    wasExhausted = isExhausted;
  };
  const run = async (): Promise<void> => {
    while (!stop.aborted) {
      await check();
      await clock.sleep(CHECK_INTERVAL_MS, stop);
    }
  };
  void run();
  return {
    get exhaustions() {
      return exhaustions;
    },
  };
}

async function openNull(): Promise<void> {
  const file = await open(devNull);
  await file.close();
}
