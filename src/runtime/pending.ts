/** What is under way, so that closing can wait for it. */
export interface Pending {
  /** Hands the promise back, and remembers it until it is settled. */
  add<Value>(promise: Promise<Value>): Promise<Value>;
  /** Resolves once everything that was added is settled; never rejects. */
  settled(): Promise<void>;
}

export function createPending(): Pending {
  const pending = new Set<Promise<unknown>>();
  return {
    add: (promise) => {
      pending.add(promise);
      const forget = () => pending.delete(promise);
      promise.then(forget, forget);
      return promise;
    },
    settled: async () => {
      while (pending.size > 0) await Promise.allSettled(pending);
    },
  };
}
