import { once } from 'node:events';
import path from 'node:path';
import process from 'node:process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { launchCollector, listeningUrl, UNLIMITED_CLIENTS } from './collector-program.ts';
import { PROGRAM } from './program.ts';

/** Bundled with the program, of which it loads modules. */
const START_ON_STDIN = PROGRAM.endsWith('.ts')
  ? fileURLToPath(new URL('start-on-stdin.ts', import.meta.url))
  : path.join(path.dirname(PROGRAM), 'start-on-stdin.js');

/** The program of a collector whose modules are loaded, and that opens its database when it is started. */
export interface PreparedCollector {
  start(): void;
  /** Resolves with its URL once it listens. */
  url(): Promise<string>;
  /** Kills the process of its embedded engine, and waits for it to be started again where the last one was killed too. */
  killEngine(): Promise<void>;
  /** Sends a signal, and resolves with the exit code. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null>;
}

/** Prepares a collector that ends with the test at the latest. */
export function prepareCollector(args: readonly string[], env: NodeJS.ProcessEnv = {}): PreparedCollector {
  const program = launchCollector([...UNLIMITED_CLIENTS, ...args], env, ['--import', START_ON_STDIN, PROGRAM]);
  onTestFinished(() => void program.process.kill('SIGKILL'));
  let engines: readonly number[] = [];
  let killed = 0;
  let log = '';
  program.process.stderr?.on('data', (chunk: Buffer) => {
    log += chunk.toString();
    engines = [...log.matchAll(/"pid":(\d+),"msg":"MongoDB's embedded engine runs/g)].map(([, pid]) => Number(pid));
  });
  return {
    start: () => void program.process.stdin?.write('\n'),
    url: () => listeningUrl(program),
    killEngine: async () => {
      while (engines.length === killed) await once(program.process.stderr as Readable, 'data');
      killed = engines.length;
      process.kill(engines.at(-1) as number, 'SIGKILL');
    },
    end: async (signal) => {
      program.process.kill(signal);
      return (await program.ended).code;
    },
  };
}
