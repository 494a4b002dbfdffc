import type { Clock } from '../runtime/clock.ts';
import { SpartakusError } from '../runtime/errors.ts';

interface StartLimits {
  readonly clock: Pick<Clock, 'sleep'>;
  /** Absent: unlimited. */
  readonly timeoutMs: number | undefined;
  /** Aborted when the program is asked to stop. */
  readonly stop: AbortSignal | undefined;
  /** What the start waits for now, such as "--database embedded:./data". */
  readonly waitsFor: () => string;
}

/**
 * Waits for a start, and rejects at its deadline or when the program is asked to stop, while the start goes on: an operation on a disk that
 * does not respond cannot be cancelled.
 *
 * @throws SpartakusError `unavailable`, and what the start throws
 */
export async function limitStart<Value>(
  started: Promise<Value>,
  { clock, timeoutMs, stop, waitsFor }: StartLimits,
): Promise<Value> {
  const settled = new AbortController();
  const ended = AbortSignal.any([settled.signal, ...(stop === undefined ? [] : [stop])]);
  const limit = async (): Promise<never> => {
    // Without a deadline: until one of the signals.
    await clock.sleep(timeoutMs ?? Number.MAX_SAFE_INTEGER, ended);
    const problem = stop?.aborted === true ? 'was interrupted' : `did not end within ${timeoutMs} ms (--start-timeout)`;
    throw new SpartakusError(
      'unavailable',
      `the start ${problem} while it waited for ${waitsFor()}. Does the disk respond, and is the database running?`,
    );
  };
  try {
    return await Promise.race([started, limit()]);
  } finally {
    settled.abort();
  }
}
