/** Resolves to results in the order of the items. After an error no further item is started, and it rejects once the others have ended. */
export async function mapConcurrently<Item, Result>(
  items: readonly Item[],
  concurrency: number,
  map: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  // A generator, because an error in one worker's loop closes it for all workers.
  const queue = (function* () {
    yield* items.entries();
  })();
  const work = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await map(item);
  };
  const workers = await Promise.allSettled(Array.from({ length: Math.min(concurrency, items.length) }, work));
  for (const worker of workers) if (worker.status === 'rejected') throw worker.reason;
  return results;
}
