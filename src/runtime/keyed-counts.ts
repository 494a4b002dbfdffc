/** Counts by key. A key whose count is 0 is not kept. */
export interface KeyedCounts {
  get(key: string): number;
  increment(key: string): void;
  decrement(key: string): void;
  /** The keys whose count is not 0. */
  readonly size: number;
}

export function createKeyedCounts(): KeyedCounts {
  const counts = new Map<string, number>();
  return {
    get: (key) => counts.get(key) ?? 0,
    increment: (key) => void counts.set(key, (counts.get(key) ?? 0) + 1),
    decrement(key) {
      const left = (counts.get(key) ?? 0) - 1;
      if (left > 0) counts.set(key, left);
      else counts.delete(key);
    },
    get size() {
      return counts.size;
    },
  };
}
