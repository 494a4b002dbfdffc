import type { Clock } from '../../../runtime/clock.ts';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { Logger } from '../../../runtime/logger.ts';
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
export interface SupervisedEngine extends Pick<Engine, 'uri' | 'close'> {
  /** Why it does not run now; undefined while it runs. */
  failure(): SpartakusError | undefined;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
/** An engine that ran for so long starts again after the first pause. */
const STABLE_AFTER_MS = 60_000;

/** Resolves once the engine runs. Rejects where its first start fails. */
export async function superviseEngine({ start, clock, random, logger }: SupervisorOptions): Promise<SupervisedEngine> {
  const stop = new AbortController();
  let engine = await start(stop.signal);
  let failure: SpartakusError | undefined;
  let attempts = 0;
  logger.info({ pid: engine.pid }, "MongoDB's embedded engine runs.");

  const restart = async (): Promise<void> => {
    while (failure !== undefined) {
      // A random part: collectors with disks on one full volume do not start at once.
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** attempts, LONGEST_PAUSE_MS) * (0.5 + random() / 2);
      attempts += 1;
      const message = `MongoDB's embedded engine does not run, and reports are rejected until it does: ${failure.message}`;
      logger.error({ nextStartInMs: Math.round(pauseMs) }, message);
      await clock.sleep(pauseMs, stop.signal);
      if (stop.signal.aborted) return;
      try {
        engine = await start(stop.signal);
        failure = undefined;
        logger.info({ pid: engine.pid }, "MongoDB's embedded engine runs again.");
      } catch (error) {
        failure = SpartakusError.from(error);
      }
      if (stop.signal.aborted) return;
    }
  };
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const startedAt = clock.now().getTime();
      failure = await engine.exited;
      if (clock.now().getTime() - startedAt >= STABLE_AFTER_MS) attempts = 0;
      if (!stop.signal.aborted) await restart();
    }
  };
  const running = run();

  return {
    uri: engine.uri,
    failure: () => failure,
    close: async () => {
      stop.abort();
      await engine.close();
      await running;
      // A start that was in progress may have succeeded.
      await engine.close();
    },
  };
}
