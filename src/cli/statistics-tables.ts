import {
  type Amount,
  type Answer,
  AnswerKind,
  type GetStatisticsResponse,
  type Group,
  GroupKind,
} from '../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { wrap } from '../runtime/wrap.ts';
import type { Format } from './help.ts';

interface TableOptions {
  readonly format: Format;
  /** Whether to draw bars and small charts; otherwise the output is a plain table. */
  readonly bars: boolean;
  /** Of a table of groups; default all. */
  readonly maxRows?: number;
}

const COUNT = new Intl.NumberFormat('en');
const PERCENT = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 });
const COMPACT = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 2 });
const BAR_WIDTH = 30;
/** Longer values are cut, because a table must stay a table. */
const MAX_VALUE_WIDTH = 40;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const LEVELS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** Answers as text: a heading, the denominator and a table for each. */
export function describeStatistics(response: GetStatisticsResponse, options: TableOptions): string {
  const { day, overview, answers, privacy, computedAt } = response;
  if (day === '') return 'There are no statistics yet: they are computed a minute after the first report.\n';
  const { format } = options;
  const counts: [string, { value: bigint; series: bigint[] } | undefined][] = [
    ['active clusters', overview?.clusters],
    ['nodes', overview?.nodes],
    ['new clusters', overview?.newClusters],
    ['returning clusters', overview?.returningClusters],
    ['lost clusters', overview?.lostClusters],
  ];
  const summary = counts.map(([name, count]) => [
    name,
    COUNT.format(count?.value ?? 0n),
    ...(options.bars ? [sparkline(count?.series ?? [])] : []),
  ]);
  const time = new Date(Number(computedAt?.seconds ?? 0n) * 1000).toISOString().slice(0, 16);
  const notes = [
    `Figures of ${day} (UTC), computed at ${time}Z.`,
    `Groups of fewer than ${privacy?.smallestGroup ?? 0} clusters are hidden.`,
    (privacy?.roundedTo ?? 1) > 1 ? `Numbers of clusters are rounded to multiples of ${privacy?.roundedTo}.` : '',
    'Nodes and amounts are rounded.',
  ].filter((note) => note !== '');
  const parts = [
    `${format.bold('Overview')}\n${columns(summary, [false, true, false])}`,
    ...answers.map((answer) => describeAnswer(answer, options, privacy?.smallestGroup ?? 0)),
    wrap(notes.join(' '), format.width, ''),
  ];
  return `${parts.join('\n\n')}\n`;
}

function describeAnswer(answer: Answer, options: TableOptions, smallest: number): string {
  const { question, reportingClusters, activeClusters } = answer;
  const { format } = options;
  const heading = `${format.bold(question?.title ?? '')} ${format.dim(`(${question?.id ?? ''})`)}`;
  const table = tableOf(answer, options, smallest);
  if (table === '') return `${heading}\n  Fewer than ${smallest} clusters report this.`;
  const denominator = `${COUNT.format(reportingClusters)} of ${COUNT.format(activeClusters)} clusters report this.`;
  return `${heading}\n  ${denominator}\n${table}`;
}

function tableOf(answer: Answer, options: TableOptions, smallest: number): string {
  const { question, groups, amounts, cohorts, upgrades } = answer;
  switch (question?.kind) {
    case AnswerKind.VALUES:
    case AnswerKind.SIZES:
      return [describeGroups(answer, options, smallest), groups.length === 0 ? '' : describeAmounts(amounts)]
        .filter((part) => part !== '')
        .join('\n');
    case AnswerKind.AMOUNTS:
      return describeAmounts(amounts);
    case AnswerKind.COHORTS:
      return columns(
        cohorts.map(({ month, clusters, active }) => [
          month,
          COUNT.format(clusters),
          ...active.map((count) => PERCENT.format(clusters === 0n ? 0 : Number(count) / Number(clusters))),
        ]),
        [false, true, ...(cohorts[0]?.active ?? []).map(() => true)],
        ['month', 'clusters', 'active in this month and the next ones'],
      );
    case AnswerKind.UPGRADES:
      return columns(
        upgrades.map(({ from, to, clusters, medianTime }) => [
          `${from} -> ${to}`,
          COUNT.format(clusters),
          medianTime === undefined ? '' : `${Math.round(Number(medianTime.seconds) / 86_400)}`,
        ]),
        [false, true, true],
        ['versions', 'clusters', 'median days before'],
      );
    case AnswerKind.UNSPECIFIED:
    case undefined:
      return '';
  }
}

function describeGroups(
  { question, groups, reportingClusters }: Answer,
  { bars, maxRows = Number.POSITIVE_INFINITY }: TableOptions,
  smallest: number,
): string {
  const shown = groups.filter(({ clusters }) => (clusters?.value ?? 0n) > 0n);
  if (shown.length === 0) return '';
  const total = Number(reportingClusters);
  const largest = Math.max(...shown.map(({ clusters }) => Number(clusters?.value ?? 0n)));
  const withNodes = shown.some(({ nodes }) => nodes !== undefined);
  // The newest version first.
  const ordered = question?.kind === AnswerKind.VALUES && question.ordered ? byNewest(shown) : shown;
  const rows = ordered.slice(0, maxRows).map((group) => {
    const count = Number(group.clusters?.value ?? 0n);
    return [
      nameOf(group, shown, smallest),
      COUNT.format(count),
      PERCENT.format(Math.min(1, count / total)),
      ...(withNodes ? [COUNT.format(group.nodes?.value ?? 0n)] : []),
      ...(bars ? [bar(count / largest)] : []),
    ];
  });
  const header = ['', 'clusters', 'share', ...(withNodes ? ['nodes'] : [])];
  const table = columns(rows, [false, true, true, ...(withNodes ? [true] : []), false], header);
  const more = ordered.length - rows.length;
  return more === 0 ? table : `${table}\n  and ${COUNT.format(more)} more: spartakus stats ${question?.id ?? ''}`;
}

function byNewest(groups: readonly Group[]): readonly Group[] {
  const isHidden = ({ kind }: Group): boolean => kind === GroupKind.HIDDEN;
  return [...groups.filter((group) => !isHidden(group)).toReversed(), ...groups.filter(isHidden)];
}

function nameOf({ kind, value, atLeast }: Group, groups: readonly Group[], smallest: number): string {
  if (kind === GroupKind.HIDDEN) return `hidden: fewer than ${smallest} each`;
  if (value !== '') return value.length <= MAX_VALUE_WIDTH ? value : `${value.slice(0, MAX_VALUE_WIDTH - 1)}…`;
  const next = groups.find((other) => other.atLeast > atLeast)?.atLeast;
  if (next === undefined) return `${COUNT.format(atLeast)} or more`;
  return next - atLeast <= 1 ? COUNT.format(atLeast) : `${COUNT.format(atLeast)} to ${COUNT.format(next - 1)}`;
}

function describeAmounts(amounts: readonly Amount[]): string {
  const percents = [
    ...new Set(amounts.flatMap(({ percentiles }) => percentiles.map(({ percent }) => percent))),
  ].toSorted((left, right) => left - right);
  const rows = amounts.map(({ name, unit, clusters, total, percentiles }) => [
    name === '' ? 'total' : name,
    COUNT.format(clusters),
    describeAmount(total, unit),
    ...percents.map((percent) => {
      const found = percentiles.find((each) => each.percent === percent);
      return found === undefined ? '' : describeAmount(found.value, unit);
    }),
  ]);
  const header = ['', 'clusters', 'total', ...percents.map((percent) => (percent === 50 ? 'median' : `p${percent}`))];
  const right = header.map((_, index) => index > 0);
  return columns(rows, right, header);
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** A number with two significant digits, bytes with their unit. */
export function describeAmount(amount: number, unit: string): string {
  if (unit !== 'bytes') return COMPACT.format(amount);
  const power = amount < 1 ? 0 : Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log2(amount) / 10));
  return `${Number((amount / 2 ** (10 * power)).toPrecision(2))} ${BYTE_UNITS[power]}`;
}

/** @param share from 0 to 1 */
function bar(share: number): string {
  const eighths = Math.round(share * BAR_WIDTH * 8);
  return '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '');
}

/** A line of text with one character for each part of a series. */
function sparkline(series: readonly bigint[]): string {
  if (series.length < 2) return '';
  const count = Math.min(BAR_WIDTH, series.length);
  const picked = Array.from({ length: count }, (_, index) =>
    Number(series[Math.round((index * (series.length - 1)) / (count - 1))] ?? 0n),
  );
  const most = Math.max(...picked, 1);
  return picked.map((value) => LEVELS[Math.round((value / most) * (LEVELS.length - 1))]).join('');
}

/** A table; empty where it has no rows. */
function columns(rows: readonly (readonly string[])[], right: readonly boolean[], header?: readonly string[]): string {
  if (rows.length === 0) return '';
  const all = header === undefined ? rows : [header, ...rows];
  const widths = right.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0), Math.min(header?.[column]?.length ?? 0, 12)),
  );
  return all
    .map((row) =>
      `  ${row.map((cell, column) => (right[column] === true ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join('  ')}`.trimEnd(),
    )
    .join('\n');
}
