import { mkdirSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import type { BenchCase, BenchContext, CaseResult } from './cases/case.ts';
import { CURVE_CASES } from './cases/curves.ts';
import { DURABLE_CASES } from './cases/durable.ts';
import { MEMORY_CASE } from './cases/memory.ts';
import { NULL_SINK_CASES } from './cases/null-sink.ts';
import { REJECTED_CASES } from './cases/rejected.ts';
import { START_CASE } from './cases/start.ts';
import { STORAGE_CASE } from './cases/storage.ts';
import { VOLUNTEER_CASE } from './cases/volunteer.ts';
import { startLoadGenerator } from './load/client.ts';
import { formatNumber, formatSpread } from './numbers.ts';

/**
 * What the programs cost, beside baselines in the same run: `npm run bench`. With arguments, only the cases whose ids start with one of them.
 *
 * - `--quick` takes fewer and shorter rounds: to see that it works, or what a change gives
 * - `--rounds N` and `--seconds N` set the rounds of each case and their length
 * - `--profile DIR` writes CPU profiles of the collectors with a null sink to a folder
 */
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    profile: { type: 'string' },
  },
});
const isQuick = flags.quick === true;

const CASES: readonly BenchCase[] = [
  ...NULL_SINK_CASES,
  ...DURABLE_CASES,
  ...REJECTED_CASES,
  MEMORY_CASE,
  START_CASE,
  STORAGE_CASE,
  VOLUNTEER_CASE,
  ...CURVE_CASES,
];
const selected = CASES.filter(({ id }) => positionals.length === 0 || positionals.some((text) => id.startsWith(text)));
if (selected.length === 0) throw new Error(`no such case: choose from ${CASES.map(({ id }) => id).join(', ')}`);
if (flags.profile !== undefined) mkdirSync(flags.profile, { recursive: true });

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const generator = startLoadGenerator();
const context: BenchContext = {
  generator,
  isQuick,
  rounds: {
    rounds: Number(flags.rounds ?? (isQuick ? 3 : 5)),
    seconds: Number(flags.seconds ?? (isQuick ? 0.7 : 2)),
    warmUpSeconds: isQuick ? 1 : 2,
  },
  nodeArgs: flags.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${flags.profile}`],
  progress: (text) => process.stderr.write(`  ${text}\n`),
};

function printResult({ id, title, rows, ratios, series = [] }: CaseResult): void {
  print(`${id}: ${title}`);
  for (const { name, figures } of rows) {
    const cells = Object.entries(figures).map(([unit, spread]) => `${formatNumber(spread.median)} ${unit}`);
    print(`  ${name.padEnd(40)} ${cells.map((cell) => cell.padStart(18)).join('')}`);
  }
  for (const { label, value, unit = 'x', target, better } of ratios) {
    const goal = target === undefined ? '' : `  target: at ${better === 'lower' ? 'most' : 'least'} ${target}`;
    print(`  ${label.padEnd(40)} ${`${formatSpread(value)} ${unit}`.padStart(26)}${goal}`);
  }
  for (const { name, points } of series)
    print(`  ${name.padEnd(40)} ${points.map(([x, y]) => `${formatNumber(x)}: ${formatNumber(y)}`).join('  ')}`);
}

try {
  for (const selectedCase of selected) {
    const { id, title } = selectedCase;
    const result: CaseResult = { id, title, ...(await selectedCase.run(context)) };
    printResult(result);
  }
} finally {
  generator.close();
}
