/** Operations in progress. */
export interface Pending {
  /** Tracks a promise until it is settled, and returns it. */
  add<Value>(promise: Promise<Value>): Promise<Value>;
  /** Resolves once all tracked promises are settled; never rejects. */
  settled(): Promise<void>;
}

export function createPending(): Pending {
  const pending = new Set<Promise<unknown>>();
  return {
    add: (promise) => {
      pending.add(promise);
      const remove = () => pending.delete(promise);
      promise.then(remove, remove);
      return promise;
    },
    settled: async () => {
      while (pending.size > 0) await Promise.allSettled(pending);
    },
  };
}
