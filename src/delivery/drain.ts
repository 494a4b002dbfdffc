import type { Outcome } from '../report/report-sink.ts';
import type { Clock } from '../runtime/clock.ts';
import { SpartakusError } from '../runtime/errors.ts';
import { createBackoff } from './retry.ts';

/** An item with its final outcome: it is stored, or rejected for good. */
export interface Settled<Item> {
  readonly item: Item;
  readonly outcome: Outcome;
}

/** Items that wait for delivery. What rejects here ends the delivery with that error. */
export interface Queue<Item> {
  /**
   * The next items to send together, oldest first; none at the end of the queue.
   *
   * @param after the last item of the batch before; undefined at the beginning of a pass
   * @param isProbe whether the last attempt failed, so that one item is enough to find out whether the next one works
   */
  next(after: Item | undefined, isProbe: boolean): Promise<readonly Item[]>;
  /** Sends items; one outcome for each, in order. Where it rejects, all fail with that error. */
  send(items: readonly Item[]): Promise<readonly Outcome[]>;
  /** Whether an error is final for its item alone, so that the others can go on. Any other error keeps its item in the queue. */
  isFinal(error: SpartakusError): boolean;
  /** Takes settled items out of the queue; the other items of the batch stay in it. Gives how many were in the queue until now. */
  settle(settled: readonly Settled<Item>[]): Promise<number>;
}

export interface DrainOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** Ends the delivery after the batch that is being sent. */
  readonly stop: AbortSignal;
  /** No attempt is made after this time, in milliseconds since 1970 (default: without end). */
  readonly deadlineMs?: number;
  readonly onRetry: (error: SpartakusError, waitMs: number) => void;
}

/** Every so many failures in a row the items behind a failed batch are tried too, in case that batch itself is the cause. */
const TRY_ALL_EVERY = 10;

const NO_OUTCOME = {
  status: 'failed',
  error: new SpartakusError('internal', 'The collector gave no outcome for the report.'),
} as const;
const STOPPED = new SpartakusError('unavailable', 'The delivery was stopped before everything was sent.');

/**
 * Sends the items of a queue until none is left: batch by batch, each item settled by its own outcome, retryable errors with the backoff of
 * retry.ts.
 *
 * @returns the error because of which items stay in the queue (not retryable, after the deadline, or stopped); undefined where none stays
 */
export async function drain<Item>(
  queue: Queue<Item>,
  { clock, random, stop, deadlineMs = Number.POSITIVE_INFINITY, onRetry }: DrainOptions,
): Promise<SpartakusError | undefined> {
  const backoff = createBackoff({ random });

  /** Sends one batch; gives the errors of the items that stay. */
  const deliver = async (items: readonly Item[]): Promise<readonly SpartakusError[]> => {
    const outcomes = await queue.send(items).catch((thrown: unknown): readonly Outcome[] => {
      const error = SpartakusError.from(thrown);
      return items.map(() => ({ status: 'failed', error }));
    });
    const settled: Settled<Item>[] = [];
    const errors: SpartakusError[] = [];
    for (const [index, item] of items.entries()) {
      const outcome: Outcome = outcomes[index] ?? NO_OUTCOME;
      if (outcome.status === 'failed' && !queue.isFinal(outcome.error)) errors.push(outcome.error);
      else settled.push({ item, outcome });
    }
    if ((await queue.settle(settled)) > 0) backoff.reset();
    return errors;
  };

  /** Goes through the queue once, up to the first batch that fails; gives the errors of the items that stay. */
  const pass = async (): Promise<readonly SpartakusError[]> => {
    const errors: SpartakusError[] = [];
    const isTryingAll = backoff.failures > 0 && backoff.failures % TRY_ALL_EVERY === 0;
    let after: Item | undefined;
    while (errors.length === 0 || isTryingAll) {
      const isProbe = backoff.failures > 0 && !(isTryingAll && after !== undefined);
      const isStopped = stop.aborted;
      const items = await queue.next(after, isProbe);
      if (items.length === 0) break;
      if (isStopped) return [...errors, STOPPED];
      errors.push(...(await deliver(items)));
      after = items.at(-1);
    }
    return errors;
  };

  while (true) {
    const errors = await pass();
    const [error] = errors;
    if (error === undefined || stop.aborted || !errors.some(({ retryable }) => retryable)) return error;
    const waitMs = backoff.next(Math.max(...errors.map(({ retryAfterMs }) => retryAfterMs ?? 0)));
    if (clock.now().getTime() + waitMs >= deadlineMs) return error;
    onRetry(error, waitMs);
    await clock.sleep(waitMs, stop);
    if (stop.aborted) return error;
  }
}
