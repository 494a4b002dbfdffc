import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { openEmbeddedStore } from '../../src/collector/store/embedded.ts';
import { URI_FILE } from '../../src/collector/store/engine/engine-errors.ts';
import { type IngestRates, measureIngest, ratiosOf } from './statistics-ingest.ts';
import { plotCosts } from './statistics-plot.ts';
import { createReports } from './statistics-reports.ts';
import {
  type AnswerTimes,
  createMovedClock,
  fillYear,
  load,
  measureAnswers,
  measureRebuild,
  measureRollUps,
  mergeAll,
  rank,
  type RollUpTimes,
  showProgress,
  timed,
} from './statistics-steps.ts';

/**
 * What statistics cost, by the number of reports: `npm run bench:stats`. It takes a quarter of an hour; with `--quick`, some seconds, to see
 * that it works. The exit code is 1 if a full run misses a target. Further flags:
 *
 * - `--plot FILE` writes a plot
 * - `--reports N`, repeated, sets the numbers of reports
 * - `--rebuild` makes the statistics by a rebuild, and times it; otherwise, the clusters are made in one step, which is faster
 * - `--no-ingest` leaves the rate of ingest out
 * - `--directory DIR` keeps the database, and uses the reports in it
 */
const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    plot: { type: 'string' },
    reports: { type: 'string', multiple: true },
    'no-ingest': { type: 'boolean' },
    directory: { type: 'string' },
    rebuild: { type: 'boolean' },
  },
});
const quick = flags.quick === true;

const SIZES = flags.reports?.map(Number) ?? (quick ? [10_000] : [10_000, 100_000, 1_000_000]);
const REPORTS_PER_CLUSTER = 10;
const DAY_MS = 86_400_000;
const ROLL_UPS = quick ? 3 : 10;
const ROLL_UP_REPORTS = 1_000;
const REPEATS = quick ? 2 : 50;
const ALL_REPEATS = quick ? 2 : 20;
const INGEST = quick ? { rounds: 2, reportsEach: 500 } : { rounds: 9, reportsEach: 4_000 };

const TARGETS = { answerMs: 100, rollUpMs: 2_000, ingestShare: 0.9 };

interface Costs {
  readonly reports: number;
  readonly loadMs: number;
  readonly rebuildMs: number;
  readonly rollUps: RollUpTimes;
  readonly answers: readonly AnswerTimes[];
}

async function withEngine<Result>(
  work: (store: Awaited<ReturnType<typeof openEmbeddedStore>>, uri: string) => Promise<Result>,
): Promise<Result> {
  const directory = flags.directory ?? (await mkdtemp(path.join(tmpdir(), 'spartakus-bench-')));
  const store = await openEmbeddedStore({
    directory,
    appName: 'bench',
    connectTimeoutMs: 5_000,
    storeTimeoutMs: 600_000,
  });
  try {
    return await work(store, (await readFile(path.join(directory, URI_FILE), 'utf8')).trim());
  } finally {
    await store.close();
    if (flags.directory === undefined) await rm(directory, { recursive: true, force: true });
  }
}

async function measure(count: number): Promise<Costs> {
  const clusters = count / REPORTS_PER_CLUSTER;
  const clock = createMovedClock();
  const untilMs = clock.now().getTime();
  const fromMs = untilMs - DAY_MS;
  const reports = createReports(clusters, new Date(untilMs), new Date((fromMs + untilMs) / 2));
  return await withEngine(async (store) => {
    const db = store.database();
    const isLoaded = (await db.collection('reports').estimatedDocumentCount()) >= count;
    const loadOptions = { reports, clusters, reportsEach: REPORTS_PER_CLUSTER, fromMs, untilMs };
    const loadMs = isLoaded ? 0 : await timed(() => load(db, loadOptions));
    clock.move(60_000);
    const rebuildMs = await (flags.rebuild === true ? measureRebuild(db, clock) : mergeAll(db, clock, clusters));
    const rollUps = await measureRollUps(db, {
      reports,
      clusters,
      clock,
      rounds: ROLL_UPS,
      reportsEach: ROLL_UP_REPORTS,
    });
    await fillYear(db);
    const answers = await measureAnswers(db, { repeats: REPEATS, allRepeats: ALL_REPEATS });
    return { reports: count, loadMs, rebuildMs, rollUps, answers };
  });
}

const print = (text = ''): void => {
  showProgress('');
  process.stdout.write(`${text}\n`);
};
const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 0)} s`;
const milliseconds = (ms: number): string => `${ms.toFixed(1)} ms`;
const whole = (number: number): string => Math.round(number).toLocaleString('en-US');

const isOne = ({ question }: AnswerTimes): boolean => question !== '';

function slowest(answers: readonly AnswerTimes[], days?: number): AnswerTimes {
  const [first] = answers
    .filter((each) => isOne(each) && (days === undefined || each.days === days))
    .toSorted((left, right) => right.p95 - left.p95);
  if (first === undefined) throw new Error('no question was asked');
  return first;
}

function printCosts({ reports, loadMs, rebuildMs, rollUps, answers }: Costs): void {
  const { firstMs, rollUpMs, updateMs } = rollUps;
  print(`${whole(reports)} reports of ${whole(reports / REPORTS_PER_CLUSTER)} clusters`);
  print(
    `  inserted in ${seconds(loadMs)}, ${flags.rebuild === true ? 'rebuilt' : 'merged'} in ${seconds(rebuildMs)}, first roll-up ${seconds(firstMs)}`,
  );
  const range = `${seconds(Math.min(...rollUpMs))} to ${seconds(Math.max(...rollUpMs))}`;
  print(`  roll-up of ${whole(ROLL_UP_REPORTS)} new reports: p50 ${seconds(rank(rollUpMs, 50))}, ${range}`);
  print(`    with the work after it: up to ${seconds(Math.max(...updateMs))}`);
  print('  answers, in ms                      question with the slowest p95       all questions in one answer');
  for (const page of ['public', 'admin'] as const) {
    for (const days of [90, 365]) {
      for (const detail of ['coarse', 'fine'] as const) {
        const set = answers.filter((each) => each.page === page && each.days === days && each.detail === detail);
        const worst = slowest(set);
        const all = set.find((each) => !isOne(each));
        const time = ({ p50, p95 }: AnswerTimes): string => `${p50.toFixed(1)} ${p95.toFixed(1)}`.padEnd(12);
        print(
          `    ${page.padEnd(7)}${String(days).padStart(4)} days ${detail.padEnd(7)} p50 p95: ${time(worst)} ${worst.question.padEnd(28)}` +
            (all === undefined ? '' : `${time(all)} ${all.kilobytes} kB`),
        );
      }
    }
  }
}

function printIngest({ plain, facts, rollUp, rolledUp }: IngestRates): void {
  print(
    `ingest, ${plain.length} alternating rounds of ${whole(INGEST.reportsEach)} reports, reports a second (median):`,
  );
  print(`  without statistics        ${whole(rank(plain, 50))}`);
  for (const [name, rates] of [
    ['with facts', facts],
    ['while a roll-up runs', rollUp],
  ] as const) {
    const { median, least, greatest } = ratiosOf(plain, rates);
    print(
      `  ${name.padEnd(25)} ${whole(rank(rates, 50))}: ${median.toFixed(2)} of it (${least.toFixed(2)} to ${greatest.toFixed(2)})`,
    );
  }
  print(`  the roll-ups meanwhile    ${whole(rank(rolledUp, 50))}`);
}

const costs: Costs[] = [];
print(`${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, Node.js ${process.version}, embedded engine`);
const ingestClusters = quick ? 500 : 20_000;
const now = new Date();
const rates =
  flags['no-ingest'] === true
    ? undefined
    : await withEngine((_store, uri) =>
        measureIngest(uri, { reports: createReports(ingestClusters, now, now), clusters: ingestClusters, ...INGEST }),
      );
if (rates !== undefined) printIngest(rates);
for (const size of SIZES) {
  const measured = await measure(size);
  costs.push(measured);
  printCosts(measured);
}

const missed = costs.flatMap(({ reports, rollUps, answers }) => {
  const worst = slowest(answers);
  const rollUpMs = Math.max(...rollUps.rollUpMs);
  return [
    ...(worst.p95 > TARGETS.answerMs
      ? [`${whole(reports)} reports: ${worst.question} takes ${milliseconds(worst.p95)} at p95`]
      : []),
    ...(rollUpMs > TARGETS.rollUpMs ? [`${whole(reports)} reports: a roll-up takes ${seconds(rollUpMs)}`] : []),
  ];
});
const kept = rates === undefined ? 1 : ratiosOf(rates.plain, rates.rollUp).median;
if (kept < TARGETS.ingestShare) missed.push(`ingest keeps ${kept.toFixed(2)} of its rate while a roll-up runs`);
for (const text of missed) print(`MISSED: ${text}`);
// A quick run is no measurement: it shows that the bench works.
if (missed.length > 0 && !quick) process.exitCode = 1;

if (flags.plot !== undefined) {
  const points = costs.map(({ reports, rollUps, answers }) => ({
    reports,
    rollUpMs: rank(rollUps.rollUpMs, 50),
    answerMs: slowest(answers, 365).p95,
    shortAnswerMs: slowest(answers, 90).p95,
  }));
  await writeFile(flags.plot, plotCosts(points, TARGETS));
}
