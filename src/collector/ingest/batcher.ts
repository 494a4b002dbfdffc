import type { Clock } from '../../runtime/clock.ts';
import { SpartakusError } from '../../runtime/errors.ts';

/** How a batcher groups items, and how much it takes. */
export interface BatcherOptions<Item, Result> {
  /** Writes a batch, and answers one result for each item in the same order. A rejection is every item's rejection. */
  readonly write: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** The most items of one write. */
  readonly maxItems: number;
  /** The most bytes of one write, by `sizeOf`; an item above it is written alone. */
  readonly maxBytes: number;
  readonly sizeOf: (item: Item) => number;
  /** How many writes may be under way at once. */
  readonly maxInFlight: number;
  /** The most items that are waiting or being written; one more is refused. */
  readonly maxPendingItems: number;
  /** The most bytes that are waiting or being written; an item that would go over them is refused, unless it is the only one. */
  readonly maxPendingBytes: number;
  /** How long an item may wait until its write begins, in milliseconds. */
  readonly maxWaitMs: number;
  /** Told when a write begins; what it answers is called when the write has ended. */
  readonly onWrite?: (batch: { readonly items: number; readonly bytes: number }) => () => void;
  readonly clock: Clock;
}

export interface Batcher<Item, Result> {
  /**
   * Resolves with the item's own result once the write that held it has ended.
   *
   * @throws SpartakusError: `overloaded` at once where too much is pending, `unavailable` where no write began in time; and
   * whatever the write rejects with
   */
  put(item: Item): Promise<Result>;
  /**
   * For whoever is about to make an item.
   *
   * @throws SpartakusError `overloaded` where any put would be refused now
   */
  requireRoom(): void;
  /**
   * Resolves while less than three quarters of what may be pending is; those who wait go on in their order, as many as there is
   * room for. It promises nothing: whoever waits here before each put leaves the last quarter to those who cannot wait.
   */
  room(signal?: AbortSignal): Promise<void>;
  pending(): { readonly items: number; readonly bytes: number };
  /** Resolves once everything that was put has been answered. */
  drain(): Promise<void>;
}

/** How soon to come again where too much is pending: a commit takes some milliseconds, so a second is a hundred of them. */
const RETRY_AFTER_MS = 1_000;
/** The part of what may be pending that `room` gives away. */
const ROOM = 0.75;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly sizeBytes: number;
  readonly expiresAtMs: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Group commit: an item that finds the writer idle is written at once; while a write is under way, items gather and go out
 * together, when it ends or as soon as they fill a batch. So a lone item waits for nobody, and a crowd shares the price of a
 * commit. What is pending is bounded, so that a crowd that comes faster than it is written is told so. It knows nothing of what
 * it writes.
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
    clock,
  } = options;
  // Made once, and thrown to everybody: under a flood, even the making of an error counts.
  const full = new SpartakusError('overloaded', 'more comes in than can be written: send it again later', {
    retryAfterMs: RETRY_AFTER_MS,
  });
  let waiting: Waiting<Item, Result>[] = [];
  let waitingBytes = 0;
  let inFlight = 0;
  let pendingItems = 0;
  let pendingBytes = 0;
  /** Set while somebody looks after what waits for too long. */
  let expiry: AbortController | undefined;
  let drained: (() => void)[] = [];
  /** Who waits for room, in their order. */
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

  /** Before they are answered, so that whoever has an answer finds room. */
  const settle = (batch: readonly Waiting<Item, Result>[]): void => {
    pendingItems -= batch.length;
    for (const { sizeBytes } of batch) pendingBytes -= sizeBytes;
  };

  const writeBatch = async (batch: readonly Waiting<Item, Result>[]): Promise<void> => {
    const onWritten = onWrite?.({
      items: batch.length,
      bytes: batch.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    });
    try {
      const results = await write(batch.map(({ item }) => item));
      if (results.length !== batch.length) {
        throw new Error(`a write of ${batch.length} items answered ${results.length} results`);
      }
      settle(batch);
      batch.forEach(({ resolve }, index) => resolve(results[index] as Result));
    } catch (error) {
      settle(batch);
      for (const { reject } of batch) reject(error);
    } finally {
      onWritten?.();
    }
  };

  const roomFor = (): number =>
    pendingBytes >= ROOM * maxPendingBytes ? 0 : Math.max(0, Math.ceil(ROOM * maxPendingItems) - pendingItems);

  const wake = (): void => {
    // Nothing pending means that nothing will end, and so nobody else would wake those who are left.
    let count = pendingItems === 0 ? queue.size : roomFor();
    for (const go of queue) {
      if (count === 0) return;
      count -= 1;
      queue.delete(go);
      go();
    }
  };

  const flush = (): void => {
    while (waiting.length > 0 && inFlight < maxInFlight) {
      const fills = waiting.length >= maxItems || waitingBytes >= maxBytes;
      if (inFlight > 0 && !fills) break;
      inFlight += 1;
      void writeBatch(takeBatch()).then(() => {
        inFlight -= 1;
        flush();
        wake();
      });
    }
    if (pendingItems === 0) {
      expiry?.abort();
      for (const resolve of drained) resolve();
      drained = [];
    }
  };

  /** Refuses what waits for longer than it may. It runs while something waits, from the end of one wait to the next. */
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
    flush();
  };

  const requireRoom = (sizeBytes: number): void => {
    if (pendingItems === 0 || (pendingItems < maxPendingItems && pendingBytes + sizeBytes <= maxPendingBytes)) return;
    throw full;
  };

  return {
    put: async (item) => {
      const sizeBytes = sizeOf(item);
      requireRoom(sizeBytes);
      return await new Promise((resolve, reject) => {
        waiting.push({ item, sizeBytes, resolve, reject, expiresAtMs: clock.now().getTime() + maxWaitMs });
        waitingBytes += sizeBytes;
        pendingItems += 1;
        pendingBytes += sizeBytes;
        flush();
        if (waiting.length > 0) void expire();
      });
    },
    requireRoom: () => requireRoom(1),
    room: (signal) => {
      if ((roomFor() > 0 && queue.size === 0) || signal?.aborted === true) return Promise.resolve();
      return new Promise((resolve) => {
        const leave = (): void => {
          queue.delete(go);
          resolve();
        };
        const go = (): void => {
          signal?.removeEventListener('abort', leave);
          resolve();
        };
        signal?.addEventListener('abort', leave, { once: true });
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
