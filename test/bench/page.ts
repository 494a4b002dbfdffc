import { readFile, writeFile } from 'node:fs/promises';
import type { CaseResult, Ratio, Series } from './cases/case.ts';
import { formatNumber, formatSpread } from './numbers.ts';
import { decadesOf, plotLines } from './plot.ts';
import { inRoot } from './processes.ts';
import type { Results } from './results.ts';
import { formatMs } from './statistics-plot.ts';

/** docs/performance.md between these lines is written by `npm run bench`; the rest is written by hand. */
const BEGIN = '<!-- Written by npm run bench from test/bench/results.json: begin -->';
const END = '<!-- end -->';
const PAGE = inRoot('docs/performance.md');

const row = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] => [
  row(...head),
  row(...head.map(() => '---')),
  ...rows.map((cells) => row(...cells)),
];

const isHit = ({ value, better, target }: Ratio): boolean =>
  target === undefined || (better === 'lower' ? value.median <= target : value.median >= target);

function measured({ value, unit }: Ratio): string {
  const text = value.least === value.greatest ? formatNumber(value.median) : formatSpread(value);
  return unit === undefined ? text : `${text} ${unit}`;
}

function targetRows({ title, ratios }: CaseResult): readonly (readonly string[])[] {
  return ratios
    .filter(({ target }) => target !== undefined)
    .map((ratio) => [
      title,
      ratio.label,
      measured(ratio),
      `at ${ratio.better === 'lower' ? 'most' : 'least'} ${formatNumber(ratio.target ?? 0)} ${ratio.unit ?? ''}`.trim(),
      isHit(ratio) ? 'hit' : '**missed**',
    ]);
}

function renderCase({ title, rows, ratios }: CaseResult): readonly string[] {
  if (rows.length === 0) return [];
  const units = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))];
  const cells = rows.map(({ name, figures }) => [
    name,
    ...units.map((unit) => (figures[unit] === undefined ? '' : formatNumber(figures[unit].median))),
  ]);
  const others = ratios.filter(({ isAbsolute }) => isAbsolute !== true);
  return [
    '',
    `### ${title}`,
    '',
    ...table(['', ...units], cells),
    '',
    ...table(
      ['of', 'ratio'],
      others.map((ratio) => [ratio.label, measured(ratio)]),
    ),
  ];
}

/** What is generated of the page. */
export function renderFigures({ cases, ...run }: Results): string {
  return [
    BEGIN,
    '',
    `Measured on ${run.date} with \`${run.command}\`, ${run.rounds}, in ${formatNumber(run.minutes)} minutes, on ${run.machine},`,
    `with Node.js ${run.node}. The load average before the run was ${run.loadAverage}.`,
    '',
    '## Targets',
    '',
    ...table(['case', 'figure', 'measured', 'target', ''], cases.flatMap(targetRows)),
    '',
    '## Figures',
    ...cases.flatMap(renderCase),
    '',
    '## Plots',
    '',
    ...plotsOf(cases).flatMap(({ file, alt }) => [`![${alt}](${file})`, '']),
    END,
  ].join('\n');
}

interface PlotFile {
  /** In docs/. */
  readonly file: string;
  readonly alt: string;
  readonly svg: string;
}

interface PlotSettings {
  readonly alt: string;
  readonly xLabel: string;
  readonly formatY: (value: number) => string;
  readonly formatX?: (value: number) => string;
}

const PLOTS: Readonly<Record<string, PlotSettings>> = {
  concurrency: {
    alt: 'Reports a second by the number of connections',
    xLabel: 'connections, one request at a time on each',
    formatY: (value) => `${formatNumber(value)}/s`,
  },
  nodes: {
    alt: 'CPU time of a report by the number of its nodes',
    xLabel: 'nodes of a report',
    formatY: (micros) => formatMs(micros / 1_000),
  },
  latency: {
    alt: 'Latency by the offered load',
    xLabel: 'offered reports a second',
    formatY: formatMs,
    formatX: (value) => (value < 1_000 ? formatNumber(value) : `${Number((value / 1_000).toPrecision(2))}k`),
  },
};

function plotOf(id: string, title: string, series: readonly Series[]): PlotFile | undefined {
  const settings = PLOTS[id];
  const [first] = series;
  if (settings === undefined || first === undefined) return undefined;
  const { alt, ...rest } = settings;
  const svg = plotLines({
    title,
    description: alt,
    ...rest,
    xs: first.points.map(([x]) => x),
    yTicks: decadesOf(series.flatMap(({ points }) => points.map(([, y]) => y))),
    lines: series.map(({ name, points }) => ({ label: name, points })),
  });
  return { file: `performance-${id}.svg`, alt, svg };
}

export function plotsOf(cases: readonly CaseResult[]): readonly PlotFile[] {
  return cases.flatMap(({ id, title, series }) => plotOf(id, title, series ?? []) ?? []);
}

/** The page with these figures in place of those that it has. */
export function replaceFigures(page: string, results: Results): string {
  const [start, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (start === -1 || end === -1) throw new Error('docs/performance.md has no place for the figures');
  return page.slice(0, start) + renderFigures(results) + page.slice(end + END.length);
}

export async function writePage(results: Results): Promise<void> {
  await writeFile(PAGE, replaceFigures(await readFile(PAGE, 'utf8'), results));
  for (const { file, svg } of plotsOf(results.cases)) await writeFile(inRoot('docs', file), svg);
}
