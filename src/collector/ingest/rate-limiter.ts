export interface RateLimiterOptions {
  /** The events that each key may have per `perMs` in the long run. At least 1. */
  readonly count: number;
  readonly perMs: number;
  /** The events that a key may have at once after it was idle. At least 1. */
  readonly burst: number;
  readonly now: () => Date;
}

export interface RateLimiter {
  /** Takes one token. Returns 0, or the milliseconds until a token is available; then none was taken. */
  take(key: string): number;
  /** Takes one token in advance. Returns the milliseconds to wait for it. */
  reserve(key: string): number;
}

/** The most keys that are remembered. The key that was used least recently is dropped first, as if its bucket were full. */
const MAX_KEYS = 100_000;

/**
 * A token bucket per key, stored as one number: the time at which the bucket is full again (the generic cell rate algorithm, ITU-T I.371).
 */
export function createRateLimiter({ count, perMs, burst, now }: RateLimiterOptions): RateLimiter {
  const intervalMs = perMs / count;
  const fullAtMs = new Map<string, number>();
  const take = (key: string, evenIfEmpty: boolean): number => {
    const nowMs = now().getTime();
    const fullAt = Math.max(fullAtMs.get(key) ?? nowMs, nowMs);
    const waitMs = Math.max(0, fullAt + intervalMs - burst * intervalMs - nowMs);
    if (waitMs > 0 && !evenIfEmpty) return waitMs;
    // Deleted first, so that the map is in the order of use.
    fullAtMs.delete(key);
    fullAtMs.set(key, fullAt + intervalMs);
    deleteOldest(fullAtMs, MAX_KEYS);
    return waitMs;
  };
  return { take: (key) => take(key, false), reserve: (key) => take(key, true) };
}

export function deleteOldest(keyed: Map<string, unknown> | Set<string>, maxSize: number): void {
  if (keyed.size <= maxSize) return;
  for (const oldest of keyed.keys()) {
    keyed.delete(oldest);
    return;
  }
}
