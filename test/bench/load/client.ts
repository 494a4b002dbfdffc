import { fork } from 'node:child_process';
import { once } from 'node:events';
import { inRoot } from '../processes.ts';
import type { LoadResult } from '../rounds.ts';
import type { LoadRequest } from './load.ts';

/** The load generator's process. */
export interface LoadGenerator {
  readonly pid: number;
  /** Throws where answers are not as expected; a few may differ, because a token bucket accepts some requests. */
  run(request: LoadRequest): Promise<LoadResult>;
  close(): void;
}

const MOST_UNEXPECTED = 0.01;
/** Of a token bucket of one request a second: its burst, and what it accepts meanwhile. */
const acceptedByBucket = (seconds: number): number => 8 + 2 * seconds;

export function startLoadGenerator(): LoadGenerator {
  const child = fork(inRoot('test/bench/load/generator.ts'), {
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit').then(([code]: number[]) => {
    throw new Error(`the load generator ended with ${code}`);
  });
  ended.catch(() => undefined);
  return {
    pid: child.pid ?? 0,
    async run(request) {
      child.send(request);
      const [result] = (await Promise.race([once(child, 'message'), ended])) as [LoadResult];
      const { answered, succeeded } = result;
      const expected = request.isRejected === true ? answered - succeeded : succeeded;
      const allowed = Math.max(
        MOST_UNEXPECTED * answered,
        request.isRejected === true ? acceptedByBucket(result.seconds) : 0,
      );
      if (answered === 0 || answered - expected > allowed)
        throw new Error(`${succeeded} of ${answered} requests succeeded: ${JSON.stringify(request)}`);
      return result;
    },
    close: () => child.disconnect(),
  };
}
