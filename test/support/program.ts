import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The program from its sources, for what differs from the bundle. */
export const SOURCES = path.join(ROOT, 'src/main.ts');
/** The bundle of bundled-program.ts, or the sources where there is none. */
export const PROGRAM = path.resolve(ROOT, namedProgram());
/** The compile cache of Node.js: a second start takes half the time. That of a bundle is removed with it. */
const COMPILE_CACHE = PROGRAM.endsWith('.ts')
  ? path.join(ROOT, 'node_modules/.cache/compile')
  : path.join(path.dirname(PROGRAM), 'compile-cache');

function namedProgram(): string {
  const named = process.env['SPARTAKUS_TEST_PROGRAM'] ?? '';
  return named === '' ? SOURCES : named;
}

/** The exit code and the output of a program. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running `spartakus`, as a user would start it. */
export interface Program {
  readonly process: ChildProcess;
  /** Resolves with the first match in standard output or standard error; rejects where the program ends before it. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  readonly ended: Promise<Ended>;
}

/**
 * Starts `spartakus` with arguments, in an environment without the variables of the tests' own process.
 *
 * @param command Node.js arguments in place of the bundle, such as the path of an installed program
 */
export function startProgram(args: readonly string[], env: NodeJS.ProcessEnv = {}, command = [PROGRAM]): Program {
  const child = spawn(process.execPath, [...command, ...args], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  return followProgram(child);
}

/** The output and the end of a process that has just been started. */
export function followProgram(child: ChildProcessWithoutNullStreams): Program {
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, 'close').then(([code]: (number | null)[]) => ({ code: code ?? null, stdout, stderr }));
  return {
    process: child,
    ended,
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(stdout) ?? pattern.exec(stderr);
          if (match !== null) resolve(match);
        };
        child.stdout.on('data', look);
        child.stderr.on('data', look);
        look();
        void ended.then(({ code }) =>
          reject(new Error(`the program ended with ${code} before it said ${String(pattern)}:\n${stdout}\n${stderr}`)),
        );
      }),
  };
}

/** Runs `spartakus` to its end. */
export function runProgram(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Ended> {
  return startProgram(args, env).ended;
}
