import type { Clock } from '../runtime/clock.ts';

/** With client-go's names: https://pkg.go.dev/k8s.io/client-go/rest#Config */
export interface RequestRate {
  /** Requests per second in the long run. */
  readonly qps: number;
  /** Requests at once after a pause. */
  readonly burst: number;
}

/** A token bucket. The returned function resolves, in call order, when a request may be sent or at the abort. */
export function createRateLimiter(clock: Clock, { qps, burst }: RequestRate): (signal: AbortSignal) => Promise<void> {
  const intervalMs = 1_000 / qps;
  /** When the bucket is full again (the generic cell rate algorithm, ITU-T I.371). */
  let fullAtMs = Number.NEGATIVE_INFINITY;
  let last = Promise.resolve();

  const wait = async (signal: AbortSignal): Promise<void> => {
    const nowMs = clock.now().getTime();
    // Capped, because the clock may have been set back.
    const emptyAtMs = Math.min(Math.max(fullAtMs, nowMs), nowMs + burst * intervalMs);
    fullAtMs = emptyAtMs + intervalMs;
    const waitMs = fullAtMs - burst * intervalMs - nowMs;
    if (waitMs > 0) await clock.sleep(waitMs, signal);
  };

  return (signal) => (last = last.then(() => wait(signal)));
}
