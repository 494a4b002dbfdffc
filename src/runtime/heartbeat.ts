import type { Clock } from './clock.ts';

/** The liveness of a loop, which announces each time how long its next step may take. */
export interface Heartbeat {
  /** Called by the loop: its next call comes within this time, in milliseconds. Infinity where it waits for something else. */
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
