import type { Clock } from '../../runtime/clock.ts';
import { SpartakusError } from '../../runtime/errors.ts';

export interface BatcherOptions<Item, Result> {
  /** Writes a batch. Resolves to one result per item, in the same order; a rejection rejects every item. */
  readonly write: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly maxItems: number;
  /** Of one write, by `sizeOf`; a larger item is written alone. */
  readonly maxBytes: number;
  readonly sizeOf: (item: Item) => number;
  readonly maxInFlight: number;
  /** Items that wait or are being written. */
  readonly maxPendingItems: number;
  /** A single item may be larger. */
  readonly maxPendingBytes: number;
  /** Until the write begins. */
  readonly maxWaitMs: number;
  /** The returned function is called when the write has ended. */
  readonly onWrite?: (batch: { readonly items: number; readonly bytes: number }) => (() => void) | undefined;
  /**
   * By default `setImmediate`: of the first write after an idle time, so that requests that arrive together share it, and of the results of a
   * write that another one follows.
   */
  readonly defer?: (action: () => void) => void;
  readonly clock: Clock;
}

export interface Batcher<Item, Result> {
  /**
   * @returns the item's own result once its write has ended
   * @throws SpartakusError: `overloaded` at once where too much is pending, `unavailable` where no write began within `maxWaitMs`
   */
  put(item: Item): Promise<Result>;
  /** @throws SpartakusError `overloaded` where `put` would reject any item now */
  rejectIfFull(): void;
  /**
   * Resolves while less than three quarters of the capacity is pending, in the order of the calls, or when the signal is aborted. It
   * reserves nothing. The last quarter is left to clients that cannot wait.
   */
  waitForCapacity(signal?: AbortSignal): Promise<void>;
  pending(): { readonly items: number; readonly bytes: number };
  /** Resolves once everything that was put is settled. */
  drain(): Promise<void>;
}

const RETRY_AFTER_MS = 1_000;
const WAITING_SHARE = 0.75;
/** So many items are written beside a write in flight; with fewer, what each write costs would cost more than the database's idle time. */
const MIN_BESIDE = 48;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly sizeBytes: number;
  readonly expiresAtMs: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Group commit: while no write is in flight, items are written as soon as the requests that arrived together are handled; otherwise they
 * gather until the write ends or a batch is full. So a single item has no extra latency, and many items share the cost of a commit.
 */
export function createBatcher<Item, Result>(options: BatcherOptions<Item, Result>): Batcher<Item, Result> {
  const {
    write,
    maxItems,
    maxBytes,
    sizeOf,
    maxInFlight,
    maxPendingItems,
    maxPendingBytes,
    maxWaitMs,
    onWrite,
    defer = setImmediate,
    clock,
  } = options;
  // Created once: creating an error per request is a cost.
  const full = new SpartakusError('overloaded', 'too many reports are pending: send it again later', {
    retryAfterMs: RETRY_AFTER_MS,
  });
  let waiting: Waiting<Item, Result>[] = [];
  let waitingBytes = 0;
  let inFlight = 0;
  let isDeferred = false;
  let pendingItems = 0;
  let pendingBytes = 0;
  let expiry: AbortController | undefined;
  let drained: (() => void)[] = [];
  /** Pending calls of `waitForCapacity`. */
  const queue = new Set<() => void>();

  const take = (count: number): Waiting<Item, Result>[] => {
    const taken = waiting.slice(0, count);
    waiting = waiting.slice(count);
    for (const { sizeBytes } of taken) waitingBytes -= sizeBytes;
    return taken;
  };

  const takeBatch = (): Waiting<Item, Result>[] => {
    let count = 0;
    let bytes = 0;
    for (const { sizeBytes } of waiting) {
      if (count === maxItems || (count > 0 && bytes + sizeBytes > maxBytes)) break;
      count += 1;
      bytes += sizeBytes;
    }
    return take(count);
  };

  /** Called before the items are resolved, so that their callers find the capacity free. */
  const settle = (batch: readonly Waiting<Item, Result>[]): void => {
    pendingItems -= batch.length;
    for (const { sizeBytes } of batch) pendingBytes -= sizeBytes;
  };

  /** Resolves to the function that settles the items, once their write has ended. */
  const writeBatch = async (batch: readonly Waiting<Item, Result>[]): Promise<() => void> => {
    const onWritten = onWrite?.({
      items: batch.length,
      bytes: batch.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    });
    try {
      const results = await write(batch.map(({ item }) => item));
      if (results.length !== batch.length) {
        throw new Error(`a write of ${batch.length} items returned ${results.length} results`);
      }
      return () => {
        settle(batch);
        batch.forEach(({ resolve }, index) => resolve(results[index] as Result));
      };
    } catch (error) {
      return () => {
        settle(batch);
        for (const { reject } of batch) reject(error);
      };
    } finally {
      onWritten?.();
    }
  };

  const freeItems = (): number =>
    pendingBytes >= WAITING_SHARE * maxPendingBytes
      ? 0
      : Math.max(0, Math.ceil(WAITING_SHARE * maxPendingItems) - pendingItems);

  const wake = (): void => {
    // Where nothing is pending, no write calls this again when it ends.
    let count = pendingItems === 0 ? queue.size : freeItems();
    for (const go of queue) {
      if (count === 0) return;
      count -= 1;
      go();
    }
  };

  const isFull = (): boolean => waiting.length >= maxItems || waitingBytes >= maxBytes;
  const isWorthAWrite = (): boolean => isFull() || waiting.length >= MIN_BESIDE;

  const flush = (): void => {
    while (waiting.length > 0 && inFlight < maxInFlight) {
      if (inFlight > 0 && !isWorthAWrite()) break;
      inFlight += 1;
      void writeBatch(takeBatch()).then((answer) => {
        inFlight -= 1;
        const finish = (): void => {
          answer();
          flush();
          wake();
        };
        if (waiting.length === 0) return finish();
        // The database works on the next write while the callers of this one are answered.
        flush();
        defer(finish);
      });
    }
    if (waiting.length > 0) void expire();
    if (pendingItems === 0) {
      expiry?.abort();
      for (const resolve of drained) resolve();
      drained = [];
    }
  };

  const flushSoon = (): void => {
    if (isFull()) return flush();
    if (inFlight > 0) void expire();
    if (isDeferred || (inFlight > 0 && !isWorthAWrite())) return;
    isDeferred = true;
    defer(() => {
      isDeferred = false;
      flush();
    });
  };

  /** Runs while items wait; sleeps until the next one expires. */
  const expire = async (): Promise<void> => {
    if (expiry !== undefined) return;
    for (let [head] = waiting; head !== undefined; [head] = waiting) {
      const nowMs = clock.now().getTime();
      if (head.expiresAtMs > nowMs) {
        expiry = new AbortController();
        await clock.sleep(head.expiresAtMs - nowMs, expiry.signal);
        continue;
      }
      const inTime = waiting.findIndex(({ expiresAtMs }) => expiresAtMs > nowMs);
      const late = take(inTime === -1 ? waiting.length : inTime);
      settle(late);
      const error = new SpartakusError('unavailable', `nothing could be written for ${maxWaitMs} ms: send it again`, {
        retryAfterMs: RETRY_AFTER_MS,
      });
      for (const { reject } of late) reject(error);
      wake();
    }
    expiry = undefined;
  };

  const rejectIfFull = (sizeBytes: number): void => {
    if (pendingItems === 0 || (pendingItems < maxPendingItems && pendingBytes + sizeBytes <= maxPendingBytes)) return;
    throw full;
  };

  return {
    put: (item) =>
      new Promise((resolve, reject) => {
        const sizeBytes = sizeOf(item);
        rejectIfFull(sizeBytes);
        waiting.push({ item, sizeBytes, resolve, reject, expiresAtMs: clock.now().getTime() + maxWaitMs });
        waitingBytes += sizeBytes;
        pendingItems += 1;
        pendingBytes += sizeBytes;
        flushSoon();
      }),
    rejectIfFull: () => rejectIfFull(1),
    waitForCapacity: (signal) => {
      if ((freeItems() > 0 && queue.size === 0) || signal?.aborted === true) return Promise.resolve();
      return new Promise((resolve) => {
        const go = (): void => {
          queue.delete(go);
          signal?.removeEventListener('abort', go);
          resolve();
        };
        signal?.addEventListener('abort', go);
        queue.add(go);
      });
    },
    pending: () => ({ items: pendingItems, bytes: pendingBytes }),
    drain: () =>
      new Promise((resolve) => {
        drained.push(resolve);
        flush();
      }),
  };
}
