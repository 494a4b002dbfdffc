import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { launchCollector, listeningUrl, UNLIMITED_CLIENTS } from './collector-program.ts';

const START_ON_STDIN = fileURLToPath(new URL('start-on-stdin.ts', import.meta.url));

/** The program of a collector whose modules are loaded, and that opens its database when it is started. */
export interface PreparedCollector {
  start(): void;
  /** Resolves with its URL once it listens. */
  url(): Promise<string>;
  /** Sends a signal, and resolves with the exit code. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null>;
}

/** Prepares a collector that ends with the test at the latest. */
export function prepareCollector(args: readonly string[], env: NodeJS.ProcessEnv = {}): PreparedCollector {
  const program = launchCollector([...UNLIMITED_CLIENTS, ...args], env, ['--import', START_ON_STDIN, 'src/main.ts']);
  onTestFinished(() => void program.process.kill('SIGKILL'));
  return {
    start: () => void program.process.stdin?.write('\n'),
    url: () => listeningUrl(program),
    end: async (signal) => {
      program.process.kill(signal);
      return (await program.ended).code;
    },
  };
}
