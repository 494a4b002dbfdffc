import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { UNLIMITED_CLIENTS } from '../../support/collector-program.ts';
import type { LoadGenerator } from '../load/client.ts';
import type { LoadRequest } from '../load/load.ts';
import { childrenOf, type Server, startServer } from '../processes.ts';
import { type Contender, type RoundOptions, type Rounds, type Spread, spreadOf } from '../rounds.ts';

export interface BenchContext {
  readonly generator: LoadGenerator;
  readonly rounds: RoundOptions;
  readonly isQuick: boolean;
  /** Arguments of Node.js for our own server: a profile. */
  readonly nodeArgs: readonly string[];
  /** Shows what is measured now. */
  progress(text: string): void;
}

/** A row of a case's table: what was measured, by its unit. */
export interface Row {
  readonly name: string;
  readonly figures: Readonly<Record<string, Spread>>;
}

/** A figure that has a target, or that `--check` compares with the committed one. */
export interface Ratio {
  readonly id: string;
  /** What is compared with what, such as "CPU of bare node:http + JSON.parse". */
  readonly label: string;
  readonly value: Spread;
  readonly unit?: string;
  readonly better: 'lower' | 'higher';
  readonly target?: number;
  /** It depends on the machine, and `--check` does not compare it. */
  readonly isAbsolute?: boolean;
}

/** A line of a plot: x, y. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface CaseResult {
  readonly id: string;
  readonly title: string;
  readonly rows: readonly Row[];
  readonly ratios: readonly Ratio[];
  readonly series?: readonly Series[];
}

export interface BenchCase {
  readonly id: string;
  readonly title: string;
  run(context: BenchContext): Promise<Omit<CaseResult, 'id' | 'title'>>;
}

const CPU = 'CPU, µs';
const OWN_CPU = 'without the engine, µs';
const RATE = 'a second';
const GENERATOR_CPU = 'load generator, µs';

/** The CPU time and the rate of each contender. */
export function rowsOf(all: readonly Rounds[]): readonly Row[] {
  return all.map(({ name, perSecond, cpuMicros, ownCpuMicros, generatorMicros }) => {
    // An engine is a process of its own.
    const isAlone = ownCpuMicros.every((micros, index) => micros === cpuMicros[index]);
    return {
      name,
      figures: {
        [CPU]: spreadOf(cpuMicros),
        ...(isAlone ? {} : { [OWN_CPU]: spreadOf(ownCpuMicros) }),
        [RATE]: spreadOf(perSecond),
        [GENERATOR_CPU]: spreadOf(generatorMicros),
      },
    };
  });
}

export function roundsOf(all: readonly Rounds[], name: string): Rounds {
  const found = all.find((rounds) => rounds.name === name);
  if (found === undefined) throw new Error(`${name} was not measured`);
  return found;
}

/** A server's process, and those that it has started. */
export async function pidsOf({ pid }: Server): Promise<readonly number[]> {
  return [pid, ...(await childrenOf(pid))];
}

/** A server under a load. */
export async function contend(
  name: string,
  server: Server,
  { generator }: BenchContext,
  load: Omit<LoadRequest, 'port' | 'seconds'>,
): Promise<Contender> {
  return {
    name,
    pids: await pidsOf(server),
    generatorPid: generator.pid,
    run: (seconds) => generator.run({ ...load, port: server.port, seconds }),
  };
}

/** Starts servers, and closes them after the work. */
export async function withServers<Names extends string, Result>(
  commands: Readonly<Record<Names, readonly string[]>>,
  work: (servers: Readonly<Record<Names, Server>>) => Promise<Result>,
): Promise<Result> {
  const servers: Partial<Record<Names, Server>> = {};
  try {
    for (const name of Object.keys(commands) as Names[]) servers[name] = await startServer(commands[name]);
    return await work(servers as Record<Names, Server>);
  } finally {
    for (const server of Object.values<Server | undefined>(servers)) await server?.close();
  }
}

export const SERVERS = 'test/bench/servers';

/** The command line of the built collector, for clients that all have the same address. */
export function collectorCommand(...args: readonly string[]): readonly string[] {
  const listen = ['--host=127.0.0.1', '--port=0', '--console-listen=off'];
  return ['dist/main.js', 'collector', ...listen, ...UNLIMITED_CLIENTS, ...args];
}

/** Resolves with the result of the work in a temporary folder. */
export async function withDirectory<Result>(work: (directory: string) => Promise<Result>): Promise<Result> {
  const directory = await mkdtemp(path.join(tmpdir(), 'spartakus-bench-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
