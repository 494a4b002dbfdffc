import type { Clock } from '../../src/runtime/clock.ts';

/** A clock whose sleeps end at once and move it on. */
export interface JumpingClock extends Clock {
  /** The length of each sleep so far, in milliseconds. */
  readonly sleeps: readonly number[];
}

export function createJumpingClock(start = new Date(0)): JumpingClock {
  let nowMs = start.getTime();
  const sleeps: number[] = [];
  return {
    sleeps,
    now: () => new Date(nowMs),
    sleep: (ms) => {
      sleeps.push(ms);
      nowMs += ms;
      return Promise.resolve();
    },
  };
}
