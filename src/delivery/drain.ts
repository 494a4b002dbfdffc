import type { Outcome } from '../report/report-sink.ts';
import type { Clock } from '../runtime/clock.ts';
import { SpartakusError } from '../runtime/errors.ts';
import { createBackoff, isRetried, isRetriedSlowly } from './retry.ts';

/** An item that is stored or rejected for good. */
interface Settled<Item> {
  readonly item: Item;
  readonly outcome: Outcome;
}

/** Items that wait for delivery. A rejection of `next` or `settle` ends the delivery with that error. */
export interface Queue<Item> {
  /** The batch behind `after`, or the first one, oldest first; empty at the end. A probe, after a failed attempt, needs one item only. */
  next(after: Item | undefined, isProbe: boolean): Promise<readonly Item[]>;
  /** Resolves to one outcome for each item, in order. Where it rejects, all items fail with that error. */
  send(items: readonly Item[]): Promise<readonly Outcome[]>;
  /** Whether an error is final for its item alone. After any other error the item stays in the queue. */
  isFinal(error: SpartakusError): boolean;
  /** Removes settled items of a batch from the queue. Resolves to the number of removed items. */
  settle(settled: readonly Settled<Item>[]): Promise<number>;
}

interface DrainOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** Ends the delivery after the current batch. */
  readonly stop: AbortSignal;
  /** No attempt is made after this time, in milliseconds since 1970 (default: without end). */
  readonly deadlineMs?: number;
  readonly onRetry: (error: SpartakusError, waitMs: number) => void;
}

/** After this many failures in a row, the items behind the failed batch are sent too, in case the batch itself is the cause. */
const TRY_ALL_EVERY = 10;

const NO_OUTCOME = new SpartakusError('internal', 'The collector gave no outcome for the report.');
const STOPPED = new SpartakusError('unavailable', 'The delivery was stopped before everything was sent.');

/**
 * Sends the items of a queue in batches until none is left, and retries with the backoff of retry.ts. Resolves to the error because of which
 * items stay in the queue (not retryable, after the deadline, or stopped); undefined where none stay.
 */
export async function drain<Item>(
  queue: Queue<Item>,
  { clock, random, stop, deadlineMs = Number.POSITIVE_INFINITY, onRetry }: DrainOptions,
): Promise<SpartakusError | undefined> {
  const backoff = createBackoff({ random });

  const deliver = async (items: readonly Item[]): Promise<readonly SpartakusError[]> => {
    const outcomes = await queue.send(items).catch((thrown: unknown): readonly Outcome[] => {
      const error = SpartakusError.from(thrown);
      return items.map(() => ({ status: 'failed', error }));
    });
    const settled: Settled<Item>[] = [];
    const errors: SpartakusError[] = [];
    for (const [index, item] of items.entries()) {
      const outcome = outcomes[index] ?? { status: 'failed' as const, error: NO_OUTCOME };
      if (outcome.status === 'failed' && !queue.isFinal(outcome.error)) errors.push(outcome.error);
      else settled.push({ item, outcome });
    }
    if ((await queue.settle(settled)) > 0) backoff.reset();
    return errors;
  };

  /** Sends the queue up to the first batch that fails. Resolves to the errors of the items that stay. */
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
    if (error === undefined || stop.aborted || !errors.some(isRetried)) return error;
    const askedMs = Math.max(...errors.map(({ retryAfterMs }) => retryAfterMs ?? 0));
    const waitMs = backoff.next(askedMs, errors.every(isRetriedSlowly));
    if (clock.now().getTime() + waitMs >= deadlineMs) return error;
    onRetry(error, waitMs);
    await clock.sleep(waitMs, stop);
    if (stop.aborted) return error;
  }
}
