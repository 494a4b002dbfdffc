import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { type Program, startProgram } from './program.ts';

const START_WHEN_TOLD = fileURLToPath(new URL('start-when-told.ts', import.meta.url));

/** The program of a collector that is loaded, and opens its database when it is told to. */
export interface ReadyCollector {
  readonly program: Program;
  /** Lets it begin. */
  go(): void;
  /** Resolves with its address once it listens. */
  url(): Promise<string>;
  /** Ends it by a signal, and resolves with its exit code. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null>;
}

/** Every client of a test has the same address, which may do what it likes. */
const NO_LIMITS = [
  '--console-listen=off',
  '--max-address-rate=0',
  '--max-address-connections=0',
  '--max-new-clusters=0',
];

/** It ends with the test at the latest. */
export function prepareCollector(args: readonly string[], env: NodeJS.ProcessEnv = {}): ReadyCollector {
  const program = startProgram(['collector', '--port=0', '--host=127.0.0.1', ...NO_LIMITS, ...args], env, [
    '--import',
    START_WHEN_TOLD,
    'src/main.ts',
  ]);
  onTestFinished(() => void program.process.kill('SIGKILL'));
  return {
    program,
    go: () => void program.process.stdin?.write('\n'),
    url: async () => (await program.says(/"url":"([^"]+)"/))[1] ?? '',
    end: async (signal) => {
      program.process.kill(signal);
      return (await program.ended).code;
    },
  };
}
