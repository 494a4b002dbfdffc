import { fork } from 'node:child_process';
import { once } from 'node:events';
import { inRoot } from '../processes.ts';
import type { LoadResult } from '../rounds.ts';
import type { LoadRequest } from './load.ts';

/** The load generator's process. */
export interface LoadGenerator {
  readonly pid: number;
  /** Throws where answers are not as expected: 1 in 100 may differ, because a token bucket accepts one request a second. */
  run(request: LoadRequest): Promise<LoadResult>;
  close(): void;
}

const FEWEST = 0.99;

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
      if (answered === 0 || expected < FEWEST * answered)
        throw new Error(`${succeeded} of ${answered} requests succeeded: ${JSON.stringify(request)}`);
      return result;
    },
    close: () => child.disconnect(),
  };
}
