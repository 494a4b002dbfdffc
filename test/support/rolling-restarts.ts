import { onTestFinished } from 'vitest';
import { type CollectorProgram, startCollectorProgram, UNLIMITED_CLIENTS } from './collector-program.ts';
import { createDice } from './dice.ts';
import { createHistory, type History } from './history.ts';
import { startLoad } from './load.ts';
import { sampled } from './sampled.ts';

/** Starts a collector's program that takes any load, and ends with the test at the latest. */
export async function startLoadedCollector(database: string): Promise<CollectorProgram> {
  const collector = await startCollectorProgram([`--database=${database}`, ...UNLIMITED_CLIENTS]);
  onTestFinished(() => void collector.process.kill('SIGKILL'));
  return collector;
}

export interface StoppedCollector {
  readonly code: number | null;
  /** From the signal to the end of the process. */
  readonly stopMs: number;
}

/** Ends a collector with SIGTERM. */
export async function stopCollector(collector: CollectorProgram | undefined): Promise<StoppedCollector> {
  const start = performance.now();
  const ended = await collector?.stop();
  return { code: ended?.code ?? null, stopMs: performance.now() - start };
}

/**
 * Restarts the programs of two collectors on one database in turns while clients of every protocol report to both.
 *
 * @returns once each report is acknowledged
 */
export async function restartUnderLoad(
  database: string,
  restarts: number,
  seed: number,
): Promise<{ readonly history: History; readonly stops: readonly StoppedCollector[] }> {
  const dice = createDice(seed);
  const history = createHistory();
  const collectors = await Promise.all([startLoadedCollector(database), startLoadedCollector(database)]);
  // Without pauses the clients take the CPU time from the program that starts.
  const load = startLoad({
    history,
    dice,
    pickUrl: () => collectors[dice() < 0.5 ? 0 : 1]?.url,
    pauseMs: sampled(50, 0),
  });
  const stops: StoppedCollector[] = [];
  for (let restart = 0; restart < restarts; restart += 1) {
    await load.acknowledged(20);
    const index = restart % 2;
    stops.push(await stopCollector(collectors[index]));
    collectors[index] = await startLoadedCollector(database);
  }
  await load.finish();
  return { history, stops };
}
