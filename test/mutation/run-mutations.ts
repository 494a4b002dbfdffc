/**
 * Runs StrykerJS part by part (parts.ts) and compares the share of noticed changes with scores.json, below which no part may fall. Takes hours.
 *
 * Usage: node test/mutation/run-mutations.ts [--update] [--incremental] [--file GLOB] [PART...]
 *   --update        write the scores of these parts to scores.json
 *   --incremental   run again only what edits since the last run affect
 *   --file GLOB     change only these source files (or FILE:LINE-LINE), and compare nothing
 *
 * SPARTAKUS_MUTATION_WORKERS sets the number of processes that run tests; by default one for each core. Reports are written to
 * reports/mutation/PART.json and PART.html; what no test noticed is printed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Part, PARTS } from './parts.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SCORES = path.join(ROOT, 'test/mutation/scores.json');
const REPORTS = path.join(ROOT, 'reports/mutation');

/** What is read of the report (schema of mutation-testing-elements). */
interface Report {
  readonly files: Readonly<
    Record<
      string,
      {
        readonly source: string;
        readonly mutants: readonly {
          readonly status: string;
          readonly mutatorName: string;
          readonly replacement?: string;
          readonly location: { readonly start: Position; readonly end: Position };
        }[];
      }
    >
  >;
}

interface Position {
  readonly line: number;
  readonly column: number;
}

interface Options {
  readonly incremental: boolean;
  readonly file?: string;
}

interface Score {
  /** Changes that a test noticed: a failure, or a test that did not end. */
  readonly noticed: number;
  readonly changes: number;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      update: { type: 'boolean', default: false },
      incremental: { type: 'boolean', default: false },
      file: { type: 'string' },
    },
    allowPositionals: true,
  });
  const unknown = positionals.filter((name) => !PARTS.some((part) => part.name === name));
  if (unknown.length > 0) throw new Error(`no part is named ${unknown.join(', ')}; see test/mutation/parts.ts`);
  const chosen = PARTS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const least = JSON.parse(await readFile(SCORES, 'utf8')) as Record<string, number>;
  let fallen = 0;
  for (const part of chosen) {
    const { noticed, changes } = await runPart(part, values);
    const percent = Math.floor((1_000 * noticed) / changes) / 10;
    const limit = least[part.name] ?? 0;
    process.stdout.write(
      `${part.name}: ${noticed} of ${changes} changes noticed, ${percent} % (at least ${limit} %)\n`,
    );
    if (values.update) {
      least[part.name] = percent;
      await writeFile(SCORES, formatScores(least));
    } else if (values.file === undefined && percent < limit) fallen += 1;
  }
  if (fallen > 0) process.stderr.write(`${fallen} of ${chosen.length} parts fell below test/mutation/scores.json.\n`);
  return fallen === 0 ? 0 : 1;
}

/** On one line, as oxfmt formats it. */
function formatScores(scores: Readonly<Record<string, number>>): string {
  return `{ ${Object.entries(scores)
    .map(([name, percent]) => `${JSON.stringify(name)}: ${percent}`)
    .join(', ')} }\n`;
}

/** Runs StrykerJS on the part, prints what was not noticed, and counts. */
async function runPart(part: Part, options: Options): Promise<Score> {
  const report = path.join(REPORTS, `${part.name}.json`);
  const configuration = path.join(REPORTS, `${part.name}.stryker.json`);
  await mkdir(REPORTS, { recursive: true });
  await writeFile(configuration, JSON.stringify(configure(part, options, report)));
  const stryker = path.join(ROOT, 'node_modules/@stryker-mutator/core/bin/stryker.js');
  // A change can delete what it finds there: the collector removes what its predecessors left.
  const temporary = await mkdtemp(path.join(os.tmpdir(), 'spartakus-changes-'));
  const child = spawn(process.execPath, [stryker, 'run', configuration], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, SPARTAKUS_MUTATION_PART: part.name, TMPDIR: temporary },
  });
  const [code] = (await once(child, 'close')) as [number | null];
  await rm(temporary, { recursive: true, force: true });
  if (code !== 0) throw new Error(`StrykerJS ended with ${code} on ${part.name}`);
  return count(JSON.parse(await readFile(report, 'utf8')) as Report);
}

function configure(part: Part, { file, incremental }: Options, report: string): object {
  return {
    mutate: file === undefined ? part.mutate : [file],
    testRunner: 'vitest',
    plugins: ['@stryker-mutator/vitest-runner'],
    vitest: { configFile: 'vitest.mutation.config.ts', related: false },
    coverageAnalysis: 'perTest',
    // What runs when a module is loaded would need all tests, once for each change.
    ignoreStatic: true,
    // The compiler of this project has no API that StrykerJS could check changes with.
    tsconfigFile: 'absent.json',
    ignorePatterns: ['dist', 'reports', 'docs/images', 'spartakus-data'],
    tempDirName: path.join(os.tmpdir(), `spartakus-mutation-${process.pid}`),
    concurrency: Math.max(1, Number(process.env['SPARTAKUS_MUTATION_WORKERS'] ?? os.availableParallelism())),
    reporters: ['json', 'html', 'progress-append-only'],
    jsonReporter: { fileName: report },
    htmlReporter: { fileName: path.join(REPORTS, `${part.name}.html`) },
    incremental,
    incrementalFile: path.join(REPORTS, `${part.name}.incremental.json`),
    timeoutMS: 10_000,
    disableTypeChecks: false,
    allowEmpty: true,
  };
}

function count({ files }: Report): Score {
  let noticed = 0;
  let changes = 0;
  for (const [name, { source, mutants }] of Object.entries(files)) {
    const lines = source.split('\n');
    for (const { status, mutatorName, location, replacement } of mutants) {
      if (['Ignored', 'CompileError', 'Pending'].includes(status)) continue;
      changes += 1;
      if (status === 'Killed' || status === 'Timeout' || status === 'RuntimeError') noticed += 1;
      else {
        const line = lines[location.start.line - 1]?.trim() ?? '';
        const change = (replacement ?? '').replaceAll(/\s+/gu, ' ').slice(0, 80);
        process.stdout.write(`${name}:${location.start.line} ${status} ${mutatorName} → ${change}\n    ${line}\n`);
      }
    }
  }
  return { noticed, changes };
}

process.exitCode = await main();
