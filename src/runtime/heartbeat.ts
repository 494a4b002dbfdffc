import type { Clock } from './clock.ts';

/** The liveness of a loop. */
export interface Heartbeat {
  /** Called by the loop, with the maximum time until its next call in milliseconds; Infinity if there is none. */
  beat(withinMs: number): void;
  /** Whether no call is overdue. */
  isAlive(): boolean;
}

/** Tolerance for a machine that is busy or was suspended. */
const SLACK_MS = 300_000;

export function createHeartbeat(clock: Pick<Clock, 'now'>): Heartbeat {
  let dueMs = Number.POSITIVE_INFINITY;
  return {
    beat: (withinMs) => {
      dueMs = clock.now().getTime() + withinMs + SLACK_MS;
    },
    isAlive: () => clock.now().getTime() <= dueMs,
  };
}
