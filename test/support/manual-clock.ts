import type { Clock } from '../../src/report/ports.ts';

/** A clock that stands still until a test moves it. */
export interface ManualClock extends Clock {
  /** Resolves with the length of the next sleep, in milliseconds, as soon as somebody sleeps. */
  asleep(): Promise<number>;
  /** Moves on, and wakes who has slept enough. */
  advance(ms: number): void;
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

  const announce = (ms: number): void => {
    if (watcher === undefined) lengths.push(ms);
    else watcher(ms);
    watcher = undefined;
  };

  return {
    now: () => new Date(nowMs),
    sleep: (ms, signal) => {
      if (signal?.aborted === true) return Promise.resolve();
      const { promise, resolve } = Promise.withResolvers<void>();
      signal?.addEventListener('abort', () => resolve(), { once: true });
      sleepers = [...sleepers, { wakesAtMs: nowMs + ms, wake: resolve }];
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
    advance: (ms) => {
      nowMs += ms;
      const awake = sleepers.filter(({ wakesAtMs }) => wakesAtMs <= nowMs);
      sleepers = sleepers.filter(({ wakesAtMs }) => wakesAtMs > nowMs);
      for (const { wake } of awake) wake();
    },
  };
}
