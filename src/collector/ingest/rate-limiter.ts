import type { Clock } from '../../runtime/clock.ts';

interface RateLimiterOptions {
  /** The events that each key may have per `perMs` in the long run; 0 for no limit. */
  readonly count: number;
  readonly perMs: number;
  /** The events that a key may have at once after it was idle; default `count`. */
  readonly burst?: number;
  readonly clock: Pick<Clock, 'now'>;
}

/** Beyond it, the least recently used key is forgotten: its bucket is full then. */
const MAX_KEYS = 100_000;

/** A token bucket per key, stored as the time at which it is full again (the generic cell rate algorithm, ITU-T I.371). */
export function createRateLimiter({ count, perMs, burst = count, clock }: RateLimiterOptions) {
  const intervalMs = perMs / count;
  const fullAtMs = new Map<string, number>();
  const set = (key: string, atMs: number): void => {
    // Deleting first keeps the map in the order of use.
    fullAtMs.delete(key);
    fullAtMs.set(key, atMs);
    deleteOldest(fullAtMs, MAX_KEYS);
  };
  const take = (key: string, evenIfEmpty: boolean): number => {
    if (count === 0) return 0;
    const nowMs = clock.now().getTime();
    const fullAt = Math.max(fullAtMs.get(key) ?? nowMs, nowMs);
    const waitMs = Math.max(0, fullAt + intervalMs - burst * intervalMs - nowMs);
    const isTaken = waitMs === 0 || evenIfEmpty;
    // A rejected key counts as used: forgetting it would fill its bucket.
    set(key, isTaken ? fullAt + intervalMs : fullAt);
    return waitMs;
  };
  return {
    /** Takes one token. Returns 0, or the milliseconds until a token is available; then none was taken. */
    take: (key: string): number => take(key, false),
    /** Takes one token in advance. Returns the milliseconds to wait for it. */
    reserve: (key: string): number => take(key, true),
    /** Takes tokens that were used already, also where the bucket has fewer: it is in debt then. */
    charge(key: string, tokens: number): void {
      if (count === 0 || tokens === 0) return;
      const nowMs = clock.now().getTime();
      set(key, Math.max(fullAtMs.get(key) ?? nowMs, nowMs) + tokens * intervalMs);
    },
    /** The milliseconds until the bucket is out of debt; 0 where it is in none. */
    debtMs: (key: string): number =>
      count === 0 ? 0 : Math.max(0, (fullAtMs.get(key) ?? 0) - burst * intervalMs - clock.now().getTime()),
  };
}

export function deleteOldest(keyed: Map<string, unknown> | Set<string>, maxSize: number): void {
  if (keyed.size <= maxSize) return;
  const [oldest] = keyed.keys();
  if (oldest !== undefined) keyed.delete(oldest);
}
