import type { Clock } from '../../runtime/clock.ts';

interface RateLimiterOptions {
  /** The events that each key may have per `perMs` in the long run; 0 for no limit. */
  readonly count: number;
  readonly perMs: number;
  /** The events that a key may have at once after it was idle; default `count`. */
  readonly burst?: number;
  /** Beyond it, the least recently used key is forgotten: its bucket is full then. */
  readonly maxKeys?: number;
  readonly clock: Pick<Clock, 'now'>;
}

const MAX_KEYS = 100_000;

interface RateLimiter {
  /** Takes one token. Returns 0, or the milliseconds until a token is available; then none was taken. */
  take(this: void, key: string): number;
  /** Takes one token in advance. Returns the milliseconds to wait for it. */
  reserve(this: void, key: string): number;
  /** Takes tokens that were used already, also where the bucket has fewer: it is in debt then. */
  charge(this: void, key: string, tokens: number): void;
  /** The milliseconds until the bucket is out of debt; 0 where it is in none. */
  debtMs(this: void, key: string): number;
}

const UNLIMITED: RateLimiter = { take: () => 0, reserve: () => 0, charge: () => undefined, debtMs: () => 0 };

/** A token bucket per key, stored as the time at which it is full again (the generic cell rate algorithm, ITU-T I.371). */
export function createRateLimiter({
  count,
  perMs,
  burst = count,
  maxKeys = MAX_KEYS,
  clock,
}: RateLimiterOptions): RateLimiter {
  if (count === 0) return UNLIMITED;
  const intervalMs = perMs / count;
  const fullAtMs = new Map<string, number>();
  const set = (key: string, atMs: number): void => {
    // Deleting first keeps the map in the order of use.
    fullAtMs.delete(key);
    fullAtMs.set(key, atMs);
    deleteOldest(fullAtMs, maxKeys);
  };
  const take = (key: string, evenIfEmpty: boolean): number => {
    const nowMs = clock.now().getTime();
    const fullAt = Math.max(fullAtMs.get(key) ?? nowMs, nowMs);
    const waitMs = Math.max(0, fullAt + intervalMs - burst * intervalMs - nowMs);
    const isTaken = waitMs === 0 || evenIfEmpty;
    // A rejected key counts as used: forgetting it would fill its bucket.
    set(key, isTaken ? fullAt + intervalMs : fullAt);
    return waitMs;
  };
  return {
    take: (key) => take(key, false),
    reserve: (key) => take(key, true),
    charge: (key, tokens) => {
      // Without the check, clients that are charged nothing would displace one in debt.
      if (tokens === 0) return;
      const nowMs = clock.now().getTime();
      set(key, Math.max(fullAtMs.get(key) ?? nowMs, nowMs) + tokens * intervalMs);
    },
    debtMs: (key) => Math.max(0, (fullAtMs.get(key) ?? 0) - burst * intervalMs - clock.now().getTime()),
  };
}

export function deleteOldest(keyed: Map<string, unknown> | Set<string>, maxSize: number): void {
  if (keyed.size <= maxSize) return;
  const [oldest] = keyed.keys();
  if (oldest !== undefined) keyed.delete(oldest);
}
