import type { Clock } from './clock.ts';

/** Whether a loop goes on: it says each time until when it will be heard of again. */
export interface Heartbeat {
  /** The loop is alive, and will be heard of again within this time, in milliseconds; Infinity where it waits for somebody else. */
  beat(withinMs: number): void;
  /** Whether the loop was heard of in time. */
  isAlive(): boolean;
}

/** A machine that is busy, or was asleep, is not dead. */
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
