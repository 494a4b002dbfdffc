import type { LoadGenerator } from '../load/client.ts';
import type { LoadRequest } from '../load/load.ts';
import { childrenOf, type Server, startServer } from '../processes.ts';
import type { Contender, RoundOptions, Rounds, Spread } from '../rounds.ts';
import { spreadOf } from '../rounds.ts';

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
  /** Absolute figures depend on the machine, and are not compared. */
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
const RATE = 'a second';

/** The CPU time and the rate of each contender. */
export function rowsOf(all: readonly Rounds[]): readonly Row[] {
  return all.map(({ name, perSecond, cpuMicros }) => ({
    name,
    figures: { [CPU]: spreadOf(cpuMicros), [RATE]: spreadOf(perSecond) },
  }));
}

export function roundsOf(all: readonly Rounds[], name: string): Rounds {
  const found = all.find((rounds) => rounds.name === name);
  if (found === undefined) throw new Error(`${name} was not measured`);
  return found;
}

/** A server under a load. Its CPU time is that of its process, and of those that it has started before. */
export async function contend(
  name: string,
  server: Server,
  { generator }: BenchContext,
  load: Omit<LoadRequest, 'port' | 'seconds'>,
): Promise<Contender> {
  return {
    name,
    pids: [server.pid, ...(await childrenOf(server.pid))],
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
