import { cpuMs } from './processes.ts';

/** A figure over the rounds of one run: the median, the least and the greatest. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly greatest: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length / 2;
  const median = ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
  return { median, least: sorted[0] ?? Number.NaN, greatest: sorted.at(-1) ?? Number.NaN };
}

/** What a load was answered. */
export interface LoadResult {
  readonly answered: number;
  /** Those that were answered with success. */
  readonly succeeded: number;
  readonly seconds: number;
  /** In milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** Something that is measured beside others. */
export interface Contender {
  readonly name: string;
  /** The processes whose CPU time counts. */
  readonly pids: readonly number[];
  /** The process that sends the load. */
  readonly generatorPid?: number;
  /** Sends load for about so many seconds. */
  run(seconds: number): Promise<LoadResult>;
}

/** A contender's figures, one value a round. */
export interface Rounds {
  readonly name: string;
  readonly perSecond: readonly number[];
  /** CPU time in microseconds for one item: of all its processes, and of the first one. */
  readonly cpuMicros: readonly number[];
  readonly ownCpuMicros: readonly number[];
  /** Of the process that sends the load. */
  readonly generatorMicros: readonly number[];
  readonly p50: readonly number[];
  readonly p99: readonly number[];
}

export interface RoundOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** Before the first round, so that the code is compiled. */
  readonly warmUpSeconds: number;
}

/** By then the code of a collector is compiled. A slow contender gets a few runs only. */
const ENOUGH_ANSWERS = 30_000;
const MOST_WARM_UPS = 4;

async function cpuOf(pids: readonly number[]): Promise<readonly number[]> {
  return Promise.all(pids.map(cpuMs));
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

async function warmUp(contender: Contender, seconds: number): Promise<void> {
  let answered = 0;
  for (let run = 0; run < MOST_WARM_UPS && answered < ENOUGH_ANSWERS; run += 1)
    answered += (await contender.run(seconds)).answered;
}

/** Measures contenders in turn, several rounds, so that what else the machine does meets all of them. */
export async function alternate(contenders: readonly Contender[], options: RoundOptions): Promise<readonly Rounds[]> {
  const all = contenders.map(({ name }) => ({
    name,
    perSecond: [] as number[],
    cpuMicros: [] as number[],
    ownCpuMicros: [] as number[],
    generatorMicros: [] as number[],
    p50: [] as number[],
    p99: [] as number[],
  }));
  for (const contender of contenders) await warmUp(contender, options.warmUpSeconds);
  for (let round = 0; round < options.rounds; round += 1) {
    for (const [index, contender] of contenders.entries()) {
      const pids = [...contender.pids, ...(contender.generatorPid === undefined ? [] : [contender.generatorPid])];
      const before = await cpuOf(pids);
      const { answered, seconds, p50, p99 } = await contender.run(options.seconds);
      const after = await cpuOf(pids);
      const micros = after.map((ms, position) => ((ms - (before[position] ?? 0)) * 1000) / answered);
      const figures = all[index];
      figures?.perSecond.push(answered / seconds);
      figures?.cpuMicros.push(sum(micros.slice(0, contender.pids.length)));
      figures?.generatorMicros.push(micros[contender.pids.length] ?? 0);
      figures?.ownCpuMicros.push(micros[0] ?? Number.NaN);
      figures?.p50.push(p50);
      figures?.p99.push(p99);
    }
  }
  return all;
}

/** One figure divided by another, round by round. */
export function ratio(left: readonly number[], right: readonly number[]): Spread {
  return spreadOf(left.map((value, index) => value / (right[index] ?? Number.NaN)));
}
