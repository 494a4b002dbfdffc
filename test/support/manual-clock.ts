import type { Clock } from '../../src/runtime/clock.ts';

/** A clock that stands still until a test moves it. */
export interface ManualClock extends Clock {
  /** Resolves with the length of the next sleep, in milliseconds, once there is one. */
  asleep(): Promise<number>;
  /** How many sleeps have not ended. */
  sleepers(): number;
  /** Moves on, and ends the sleeps that are due. */
  advance(ms: number): void;
  /** Moves on, from one end of a sleep to the next. Before each step it waits until there are so many sleeps at the same time. */
  pass(ms: number, sleepers: number): Promise<void>;
}

interface Sleeper {
  readonly wakesAtMs: number;
  readonly wake: () => void;
}

export function createManualClock(start: Date): ManualClock {
  let nowMs = start.getTime();
  let sleepers: readonly Sleeper[] = [];
  const lengths: number[] = [];
  let watcher: ((ms: number) => void) | undefined;
  let counter: { readonly count: number; readonly reached: () => void } | undefined;

  const announce = (ms: number): void => {
    if (watcher === undefined) lengths.push(ms);
    else watcher(ms);
    watcher = undefined;
    if (counter !== undefined && sleepers.length >= counter.count) counter.reached();
  };
  const untilAsleep = (count: number): Promise<void> => {
    if (sleepers.length >= count) return Promise.resolve();
    return new Promise((reached) => {
      counter = { count, reached };
    });
  };
  const advance = (ms: number): void => {
    nowMs += ms;
    const awake = sleepers.filter(({ wakesAtMs }) => wakesAtMs <= nowMs);
    sleepers = sleepers.filter(({ wakesAtMs }) => wakesAtMs > nowMs);
    for (const { wake } of awake) wake();
  };

  return {
    now: () => new Date(nowMs),
    sleep: (ms, signal) => {
      if (signal?.aborted === true) return Promise.resolve();
      const { promise, resolve } = Promise.withResolvers<void>();
      const sleeper = { wakesAtMs: nowMs + ms, wake: resolve };
      const leave = (): void => {
        sleepers = sleepers.filter((each) => each !== sleeper);
        resolve();
      };
      signal?.addEventListener('abort', leave, { once: true });
      sleepers = [...sleepers, sleeper];
      announce(ms);
      return promise;
    },
    asleep: () => {
      const length = lengths.shift();
      if (length !== undefined) return Promise.resolve(length);
      return new Promise((resolve) => {
        watcher = resolve;
      });
    },
    sleepers: () => sleepers.length,
    advance,
    pass: async (ms, count) => {
      const endMs = nowMs + ms;
      while (nowMs < endMs) {
        await untilAsleep(count);
        const next = Math.min(endMs, ...sleepers.map(({ wakesAtMs }) => wakesAtMs));
        advance(Math.max(next - nowMs, 0));
      }
    },
  };
}
