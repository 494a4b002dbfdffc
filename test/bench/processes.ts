import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A program that is measured, in a process of its own. */
export interface Program {
  readonly pid: number;
  /** Resolves with the first match in its output; rejects where the program ends before it. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves with the exit code and the output. */
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
  /** Ends it, and resolves once it has ended. */
  close(): Promise<void>;
}

interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly execPath?: string;
}

const KEPT_OUTPUT = 20_000;

/** Starts Node.js with arguments in the root folder of the repository, without the variables of this process. */
export function startProgram(
  args: readonly string[],
  { env, execPath = process.execPath }: StartOptions = {},
): Program {
  const child = spawn(execPath, args, {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return follow(child);
}

function follow(child: ChildProcess): Program {
  let output = '';
  let look: (() => void) | undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      // A collector that prints its reports says much.
      if (output.length > KEPT_OUTPUT) return;
      output += chunk.toString();
      look?.();
    });
  }
  const ended = once(child, 'close').then(([code]: (number | null)[]) => ({ code: code ?? null, output }));
  return {
    pid: child.pid ?? 0,
    ended,
    says: (pattern) =>
      new Promise((resolve, reject) => {
        look = () => {
          const match = pattern.exec(output);
          if (match !== null) resolve(match);
        };
        look();
        void ended.then(({ code }) => reject(new Error(`a program ended with ${code}: ${output}`)));
      }),
    close: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** A program that serves a port of 127.0.0.1. */
export interface Server extends Program {
  readonly port: number;
}

/** Starts a program that prints the URL or the port at which it listens. */
export async function startServer(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Server> {
  const program = startProgram(args, env === undefined ? {} : { env });
  const [, , port] = await program.says(/("url":"http:\/\/[^"]+:|^)(\d+)"?/m);
  return { ...program, port: Number(port) };
}

/** The CPU time of a process until now, in milliseconds: that of all its threads, also those that have ended. Linux only. */
export async function cpuMs(pid: number): Promise<number> {
  return cpuMsOf(await readFile(`/proc/${pid}/stat`, 'utf8'));
}

/** As `cpuMs`. */
export function cpuMsSync(pid: number): number {
  return cpuMsOf(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

function cpuMsOf(stat: string): number {
  const fields = stat.replace(/^.*\) /s, '').split(' ');
  // utime and stime, in ticks of a hundredth of a second: proc(5).
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** The processes that a process has started, such as that of a collector's engine. Linux only. */
export async function childrenOf(pid: number): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

/** The version of the sources, for the page of figures. */
export function commitOf(): string {
  const { stdout } = spawnSync('git', ['describe', '--always', '--dirty', '--abbrev=8'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return stdout.trim();
}

export const inRoot = (...names: readonly string[]): string => path.join(ROOT, ...names);
