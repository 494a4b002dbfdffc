/** How a batcher groups items. */
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
}

export interface Batcher<Item, Result> {
  /** Resolves with the item's own result once the write that held it has ended. */
  put(item: Item): Promise<Result>;
  /** Resolves once everything that was put has been written. */
  drain(): Promise<void>;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly sizeBytes: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Group commit: an item that finds the writer idle is written at once; while a write is under way, items gather and go out
 * together, when it ends or as soon as they fill a batch. So a lone item waits for nobody, and a crowd shares the price of a
 * commit. It knows nothing of what it writes.
 */
export function createBatcher<Item, Result>(options: BatcherOptions<Item, Result>): Batcher<Item, Result> {
  const { write, maxItems, maxBytes, sizeOf, maxInFlight } = options;
  let waiting: Waiting<Item, Result>[] = [];
  let waitingBytes = 0;
  let inFlight = 0;
  let drained: (() => void)[] = [];

  const takeBatch = (): Waiting<Item, Result>[] => {
    let count = 0;
    let bytes = 0;
    for (const { sizeBytes } of waiting) {
      if (count === maxItems || (count > 0 && bytes + sizeBytes > maxBytes)) break;
      count += 1;
      bytes += sizeBytes;
    }
    const batch = waiting.slice(0, count);
    waiting = waiting.slice(count);
    waitingBytes -= bytes;
    return batch;
  };

  const writeBatch = async (batch: readonly Waiting<Item, Result>[]): Promise<void> => {
    try {
      const results = await write(batch.map(({ item }) => item));
      if (results.length !== batch.length) {
        throw new Error(`a write of ${batch.length} items answered ${results.length} results`);
      }
      batch.forEach(({ resolve }, index) => resolve(results[index] as Result));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };

  const flush = (): void => {
    while (waiting.length > 0 && inFlight < maxInFlight) {
      const full = waiting.length >= maxItems || waitingBytes >= maxBytes;
      if (inFlight > 0 && !full) return;
      inFlight += 1;
      void writeBatch(takeBatch()).then(() => {
        inFlight -= 1;
        flush();
      });
    }
    if (waiting.length === 0 && inFlight === 0) {
      for (const resolve of drained) resolve();
      drained = [];
    }
  };

  return {
    put: (item) =>
      new Promise((resolve, reject) => {
        const sizeBytes = sizeOf(item);
        waiting.push({ item, sizeBytes, resolve, reject });
        waitingBytes += sizeBytes;
        flush();
      }),
    drain: () =>
      new Promise((resolve) => {
        drained.push(resolve);
        flush();
      }),
  };
}
