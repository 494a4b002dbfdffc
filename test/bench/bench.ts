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
import { writePage } from './page.ts';
import { describeRun, listWorse, readResults, type Results, saveResults } from './results.ts';

/**
 * What the programs cost, beside baselines in the same run: `npm run bench`. With arguments, only the cases whose ids start with one of them.
 * A complete run writes docs/performance.md, its plots and results.json.
 *
 * - `--quick` takes fewer and shorter rounds: to see that it works, or what a change gives
 * - `--check` writes nothing, and compares the ratios with those of results.json: the exit code is 1 if one is worse by more than 15 %
 * - `--save` writes the figures of a run that is not complete in place of those of the same cases
 * - `--render` measures nothing, and writes the page and its plots from results.json
 * - `--rounds N` and `--seconds N` set the rounds of each case and their length
 * - `--profile DIR` writes CPU profiles of the collectors with a null sink to a folder
 */
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    render: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    profile: { type: 'string' },
  },
});

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
const IDS = CASES.map(({ id }) => id);
const isComplete = positionals.length === 0 && !flags.quick && flags.profile === undefined;
const print = (line: string): void => void process.stdout.write(`${line}\n`);

function printResult({ id, title, rows, ratios, series = [] }: CaseResult): void {
  print(`${id}: ${title}`);
  for (const { name, figures } of rows) {
    const cells = Object.entries(figures).map(([unit, { median }]) => `${formatNumber(median)} ${unit}`);
    print(`  ${name.padEnd(60)} ${cells.map((cell) => cell.padStart(20)).join('  ')}`);
  }
  for (const { label, value, unit = 'x', target, better } of ratios) {
    const goal = target === undefined ? '' : `  target: at ${better === 'lower' ? 'most' : 'least'} ${target}`;
    print(`  ${label.padEnd(60)} ${`${formatSpread(value)} ${unit}`.padStart(26)}${goal}`);
  }
  for (const { name, points } of series)
    print(`  ${name.padEnd(60)} ${points.map(([x, y]) => `${formatNumber(x)}: ${formatNumber(y)}`).join('  ')}`);
}

async function measure(selected: readonly BenchCase[]): Promise<Results> {
  const run = describeRun();
  const startedAt = performance.now();
  const rounds = {
    rounds: Number(flags.rounds ?? (flags.quick ? 3 : 5)),
    seconds: Number(flags.seconds ?? (flags.quick ? 0.5 : 1.5)),
    warmUpSeconds: flags.quick ? 0.5 : 1.5,
  };
  const generator = startLoadGenerator();
  const context: BenchContext = {
    generator,
    isQuick: flags.quick,
    rounds,
    nodeArgs: flags.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${flags.profile}`],
    progress: (text) => process.stderr.write(`  ${text}\n`),
  };
  const cases: CaseResult[] = [];
  try {
    for (const each of selected) {
      const result: CaseResult = { id: each.id, title: each.title, ...(await each.run(context)) };
      printResult(result);
      cases.push(result);
    }
  } finally {
    generator.close();
  }
  const command = flags.quick ? 'npm run bench -- --quick' : 'npm run bench';
  const minutes = (performance.now() - startedAt) / 60_000;
  print(`${formatNumber(minutes)} minutes`);
  return { ...run, command, rounds: `${rounds.rounds} rounds of ${rounds.seconds} s`, minutes, cases };
}

function check(results: Results, committed: Results): void {
  const worse = listWorse(results.cases, committed);
  for (const line of worse) print(`WORSE: ${line}`);
  print(worse.length === 0 ? 'No ratio is worse than the committed one by more than 15 %.' : `${worse.length} worse`);
  if (worse.length > 0) process.exitCode = 1;
}

if (flags.render) await writePage(await readResults());
else {
  const selected = CASES.filter(
    ({ id }) => positionals.length === 0 || positionals.some((text) => id.startsWith(text)),
  );
  if (selected.length === 0) throw new Error(`no such case: choose from ${IDS.join(', ')}`);
  if (flags.profile !== undefined) mkdirSync(flags.profile, { recursive: true });
  const results = await measure(selected);
  if (flags.check) check(results, await readResults());
  else if (isComplete || flags.save) await writePage(await saveResults(results, IDS));
}
