import type { Clock } from '../../../runtime/clock.ts';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { Logger } from '../../../runtime/logger.ts';
import { unavailable } from '../write-outcomes.ts';
import type { Engine } from './start-engine.ts';

interface SupervisorOptions {
  /** Starts the engine at the same address each time. */
  readonly start: (signal: AbortSignal) => Promise<Engine>;
  readonly clock: Clock;
  /** A number from 0 to less than 1, for jitter. */
  readonly random: () => number;
  readonly logger: Logger;
}

/** An engine that is started again when it ends. */
export interface SupervisedEngine {
  /** The result of an operation on the database. Rejects with `unavailable` at once while the engine does not run, and when it ends. */
  use<Value>(operation: () => Promise<Value>): Promise<Value>;
  /** Closes the database. Idempotent. */
  close(): Promise<void>;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
/** An engine that ran for so long starts again after the first pause. */
const STABLE_AFTER_MS = 60_000;

/** Supervises an engine that runs. */
export function superviseEngine(engine: Engine, { start, clock, random, logger }: SupervisorOptions): SupervisedEngine {
  const stop = new AbortController();
  let failure: SpartakusError | undefined;
  let attempts = 0;
  const pending = new Set<(error: SpartakusError) => void>();

  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const startedAt = clock.now().getTime();
      failure = await engine.exited;
      if (failure !== undefined) for (const reject of pending) reject(unavailable(failure));
      if (clock.now().getTime() - startedAt >= STABLE_AFTER_MS) attempts = 0;
      while (failure !== undefined && !stop.signal.aborted) await restart(failure);
    }
  };
  const restart = async ({ message }: SpartakusError): Promise<void> => {
    // A random part: the engines of several collectors on one full disk do not start at once.
    const pauseMs = Math.round(Math.min(FIRST_PAUSE_MS * 2 ** attempts, LONGEST_PAUSE_MS) * (0.5 + random() / 2));
    attempts += 1;
    const state = "MongoDB's embedded engine does not run, and reports are rejected until it does";
    logger.error({ nextStartInMs: pauseMs }, `${state}: ${message}`);
    await clock.sleep(pauseMs, stop.signal);
    if (stop.signal.aborted) return;
    try {
      engine = await start(stop.signal);
      failure = undefined;
      logger.info({ pid: engine.pid }, "MongoDB's embedded engine runs again.");
    } catch (error) {
      failure = SpartakusError.from(error);
    }
  };
  const running = run();

  return {
    use: (operation) =>
      new Promise((resolve, reject) => {
        if (failure !== undefined) throw unavailable(failure);
        pending.add(reject);
        void operation()
          .then(resolve, reject)
          .finally(() => pending.delete(reject));
      }),
    close: async () => {
      stop.abort();
      await engine.close();
      await running;
      // A start that was in progress may have succeeded.
      await engine.close();
    },
  };
}
