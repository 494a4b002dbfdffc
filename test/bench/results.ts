import { readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';
import process from 'node:process';
import type { CaseResult, Ratio } from './cases/case.ts';
import { inRoot } from './processes.ts';

/** The figures of the last run that was kept: test/bench/results.json. */
export interface Results {
  readonly date: string;
  readonly machine: string;
  readonly node: string;
  /** Before the run: other programs on the machine. */
  readonly loadAverage: number;
  /** The command line, and what a round is. */
  readonly command: string;
  readonly rounds: string;
  readonly minutes: number;
  readonly cases: readonly CaseResult[];
}

const FILE = inRoot('test/bench/results.json');
/** A ratio may be so much worse than the committed one. */
const TOLERANCE = 0.15;

export function describeRun(): Pick<Results, 'date' | 'machine' | 'node' | 'loadAverage'> {
  const [first] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} cores (${first?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB`,
    node: process.version,
    loadAverage: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  };
}

export async function readResults(): Promise<Results> {
  return JSON.parse(await readFile(FILE, 'utf8')) as Results;
}

/** Keeps the figures, in place of those of the same cases, and returns them as they are kept. The order of the cases is that of `ids`. */
export async function saveResults(results: Results, ids: readonly string[]): Promise<Results> {
  const before = await readResults().catch(() => undefined);
  const cases = new Map([...(before?.cases ?? []), ...results.cases].map((each) => [each.id, each]));
  const merged = { ...results, cases: ids.flatMap((id) => cases.get(id) ?? []) };
  await writeFile(FILE, `${JSON.stringify(merged, rounded, 2)}\n`);
  return await readResults();
}

function rounded(_name: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value;
}

/** By what a ratio is worse than the committed one: 0.2 is 20 %; negative where it is better. */
function worsening({ value, better }: Ratio, committed: Ratio): number {
  const change = value.median / committed.value.median;
  return (better === 'lower' ? change : 1 / change) - 1;
}

/** A line for each ratio that is worse than the committed one by more than 15 %. */
export function listWorse(cases: readonly CaseResult[], committed: Results): readonly string[] {
  return cases.flatMap(({ id, ratios }) =>
    ratios.flatMap((ratio) => {
      const before = committed.cases.find((each) => each.id === id)?.ratios.find((each) => each.id === ratio.id);
      if (ratio.isAbsolute === true || before === undefined) return [];
      const worse = worsening(ratio, before);
      return worse <= TOLERANCE
        ? []
        : [
            `${id}: ${ratio.label} is ${ratio.value.median.toPrecision(3)} instead of ${before.value.median.toPrecision(3)}, ${Math.round(worse * 100)} % worse`,
          ];
    }),
  );
}
