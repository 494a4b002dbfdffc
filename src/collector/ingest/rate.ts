/** How often each of many may do something. */
export interface RateOptions {
  /** How often in `perMs`, over some time. At least 1. */
  readonly count: number;
  readonly perMs: number;
  /** How often at once, after a rest. At least 1. */
  readonly burst: number;
  readonly now: () => Date;
}

export interface Rate {
  /** Takes one turn: 0 where it is this one's, or else how long until it would be, in milliseconds. Then none was taken. */
  take(key: string): number;
  /** Takes one turn, whenever it is: how long to wait for it, in milliseconds. */
  reserve(key: string): number;
}

/** The most that are remembered. Whoever was not heard of for longest is forgotten first, as if it had rested. */
const MAX_KEYS = 100_000;

/**
 * A token bucket for each key, as one number: the time at which its bucket is full again (the generic cell rate algorithm, ITU-T I.371).
 */
export function createRate({ count, perMs, burst, now }: RateOptions): Rate {
  const intervalMs = perMs / count;
  const fullAtMs = new Map<string, number>();
  const waitMs = (key: string, nowMs: number): number =>
    Math.max(0, (fullAtMs.get(key) ?? nowMs) + intervalMs - burst * intervalMs - nowMs);
  const spend = (key: string, nowMs: number): void => {
    const next = Math.max(fullAtMs.get(key) ?? nowMs, nowMs) + intervalMs;
    // Deleted first, so that the map is in the order of use.
    fullAtMs.delete(key);
    fullAtMs.set(key, next);
    if (fullAtMs.size <= MAX_KEYS) return;
    for (const oldest of fullAtMs.keys()) {
      fullAtMs.delete(oldest);
      return;
    }
  };
  return {
    take(key) {
      const nowMs = now().getTime();
      const wait = waitMs(key, nowMs);
      if (wait === 0) spend(key, nowMs);
      return wait;
    },
    reserve(key) {
      const nowMs = now().getTime();
      const wait = waitMs(key, nowMs);
      spend(key, nowMs);
      return wait;
    },
  };
}
