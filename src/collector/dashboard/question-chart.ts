import type { Chart } from './chart.ts';
import { createAmounts } from './charts/amounts.ts';
import { createAreas } from './charts/areas.ts';
import { type Bar, createBars } from './charts/bars.ts';
import { createCohorts } from './charts/cohorts.ts';
import { createColumns } from './charts/columns.ts';
import { createLines } from './charts/lines.ts';
import { colourOf } from './colours.ts';
import { formatDay, formatDays, formatNumber, formatPoints, formatShare, formatChange, formatSizes } from './format.ts';
import type { Answer, Figure, Group } from './model.ts';
import type { Counting } from './sentences.ts';
import { roundShare, type Table } from './table.ts';
import type { ViewState } from './view-state.ts';

export interface QuestionFigures {
  readonly answer: Answer;
  /** On the first day of the range; absent where there are no figures of it. */
  readonly before?: Answer;
  /** Over the range, with its days; absent where the question is not shown over time. */
  readonly overTime?: { readonly answer: Answer; readonly days: readonly string[]; readonly active: Figure };
  readonly counting: Counting;
  readonly view: ViewState;
  readonly day: string;
  /** The range in words. */
  readonly span: string;
}

/** Lines over time: more cannot be told apart. */
const MOST_LINES = 6;
const MOST_BANDS = 8;
/** With rounded figures, the groups of an exclusive value add up to about all clusters. */
const EXCLUSIVE = 1.03;
const HOURS_A_DAY = 24;
/** Its values are numbers of versions. */
const SKEW = 'kubeletSkew';
/** A value of the question "support". */
const UNSUPPORTED = 'not supported';

/** Nodes are counted where the reader asks for it and the value is one of nodes; otherwise clusters. */
export function chooseCounting({ groups, reporting }: Answer, { count }: Pick<ViewState, 'count'>): Counting {
  if (count === 'clusters' || !groups.some(({ nodes }) => nodes !== undefined))
    return { unit: 'clusters', of: ({ clusters }) => clusters.value, whole: reporting };
  const of = ({ nodes }: Group): number => nodes?.value ?? 0;
  return { unit: 'nodes', of, whole: groups.reduce((sum, group) => sum + of(group), 0) };
}

/** The chart of an answer by its kind, so that a new question needs no code; undefined where there is nothing to draw. */
export function chartOf(figures: QuestionFigures, search: string, isShort: boolean): Chart | undefined {
  const { answer, overTime } = figures;
  switch (answer.kind) {
    case 'values':
      if (overTime !== undefined) return overTimeChart(figures, overTime);
      return valuesChart(figures, search, isShort);
    case 'sizes':
      return sizesChart(figures);
    case 'amounts':
      return answer.amounts.length === 0 ? undefined : createAmounts(answer.amounts, answer.reporting);
    case 'cohorts':
      return answer.cohorts.length === 0 ? undefined : createCohorts(answer.cohorts);
    case 'upgrades':
      return upgradesChart(answer);
    case 'unknown':
      return undefined;
  }
}

/** The values of a question that a search finds; those of versions with the newest first. */
export function findValues({ groups, isOrdered, id }: Answer, search: string): readonly Group[] {
  const wanted = search.trim().toLowerCase();
  const shown = groups.filter(({ isHidden, clusters }) => !isHidden && clusters.value > 0);
  const ordered = isOrdered && id !== SKEW ? shown.toReversed() : shown;
  return ordered.filter(({ value }) => value.toLowerCase().includes(wanted));
}

export const SHORT_LIST = 10;

function valuesChart(
  { answer, before, counting, view, day, span }: QuestionFigures,
  search: string,
  isShort: boolean,
): Chart | undefined {
  const found = findValues(answer, search);
  const ranked = answer.isOrdered ? found : found.toSorted((one, other) => counting.of(other) - counting.of(one));
  // A long list of ordered values is cut to those of most clusters, and keeps its order.
  const kept = new Set(
    ranked.toSorted((one, other) => counting.of(other) - counting.of(one)).slice(0, isShort ? SHORT_LIST : undefined),
  );
  const hidden = search === '' ? answer.groups.filter(({ isHidden, clusters }) => isHidden && clusters.value > 0) : [];
  const groups = [...ranked.filter((group) => kept.has(group)), ...hidden];
  if (groups.length === 0) return undefined;
  const earlier = before && new Map(before.groups.map((group) => [keyOf(group), group]));
  const earlierCounting = before && chooseCounting(before, view);
  const change = (group: Group): string | undefined => {
    if (earlier === undefined || earlierCounting === undefined || earlierCounting.whole === 0) return undefined;
    const old = earlier.get(keyOf(group));
    const oldCount = old === undefined ? 0 : earlierCounting.of(old);
    if (view.show === 'number') return formatChange(counting.of(group) - oldCount);
    return formatPoints(shareOf(counting.of(group), counting.whole) - shareOf(oldCount, earlierCounting.whole));
  };
  const bars = groups.map((group): Bar => {
    const { isHidden, supportEnds, clusters, nodes, shareOrLater } = group;
    // The service computes this share of nodes, where the value is one of nodes.
    const isSameUnit = (nodes === undefined) === (counting.unit === 'clusters');
    const tellsLater = shareOrLater !== undefined && isSameUnit && answer.id !== SKEW;
    const value = counting.of(group);
    const share = shareOf(value, counting.whole);
    const isEnded = supportEnds !== '' && supportEnds <= day;
    return {
      name: nameOf(answer, group),
      value,
      text: view.show === 'share' ? formatShare(share) : formatNumber(value),
      note: change(group),
      colour: isHidden ? undefined : colourOf(group.value),
      isHidden,
      isEnded: isEnded || group.value === UNSUPPORTED,
      details: detailsOf({
        [`Share of ${counting.unit}`]: formatShare(share),
        'This or newer': tellsLater ? formatShare(shareOrLater) : undefined,
        Clusters: formatNumber(clusters.value),
        Nodes: nodes && formatNumber(nodes.value),
        [isEnded ? 'Support ended' : 'Support ends']: supportEnds === '' ? undefined : formatDay(supportEnds),
      }),
    };
  });
  return createBars({
    bars,
    noteTitle: view.show === 'share' ? `points in ${span}` : `change in ${span}`,
    table: () => valuesTable([...ranked, ...hidden], answer, counting),
  });
}

function detailsOf(values: Readonly<Record<string, string | undefined>>): Bar['details'] {
  return Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
}

function valuesTable(groups: readonly Group[], answer: Answer, counting: Counting): Table {
  const hasNodes = groups.some(({ nodes }) => nodes !== undefined);
  const hasSupport = groups.some(({ supportEnds }) => supportEnds !== '');
  return {
    shareColumns: [hasNodes ? 3 : 2],
    columns: [
      'Value',
      'Clusters',
      ...(hasNodes ? ['Nodes'] : []),
      `Share of ${counting.unit}`,
      ...(hasSupport ? ['Support ends'] : []),
    ],
    rows: groups.map((group) => [
      nameOf(answer, group),
      group.clusters.value,
      ...(hasNodes ? [group.nodes?.value ?? ''] : []),
      roundShare(shareOf(counting.of(group), counting.whole)),
      ...(hasSupport ? [group.supportEnds] : []),
    ]),
  };
}

function keyOf({ isHidden, value }: Group): string {
  return isHidden ? '' : `=${value}`;
}

function nameOf({ id }: Answer, { isHidden, value }: Group): string {
  if (isHidden) return 'hidden';
  if (id !== SKEW) return value;
  const minors = Number(value);
  if (Number.isNaN(minors)) return value;
  return minors === 0 ? 'the same version' : `${minors} minor ${minors === 1 ? 'version' : 'versions'} behind`;
}

function shareOf(value: number, whole: number): number {
  return whole === 0 ? 0 : Math.min(value / whole, 1);
}

/** Whether each cluster (or node) has one value, so that the groups add up to all. */
export function isExclusive({ groups, reporting }: Answer, { unit }: Counting): boolean {
  const sum = groups.reduce((total, { clusters }) => total + clusters.value, 0);
  return unit === 'nodes' || sum <= reporting * EXCLUSIVE;
}

/** Stacked areas where each cluster has one value, otherwise a line for each value. */
function overTimeChart(
  { answer: now, view, counting }: QuestionFigures,
  { answer, days, active }: NonNullable<QuestionFigures['overTime']>,
): Chart | undefined {
  const isShare = view.show === 'share';
  const seriesOf = (group: Group): readonly number[] =>
    (counting.unit === 'nodes' ? group.nodes : group.clusters)?.series ?? [];
  const groups = answer.groups.filter((group) => seriesOf(group).some((value) => value > 0));
  if (groups.length === 0 || days.length === 0) return undefined;
  const format = isShare ? formatShare : formatNumber;
  const unit = isShare ? 'share' : counting.unit;
  const values = groups.filter(({ isHidden }) => !isHidden);
  const isOne = isExclusive(now, counting);
  const nowByKey = new Map(now.groups.map((group) => [keyOf(group), group]));
  const nowOf = (group: Group): number => {
    const same = nowByKey.get(keyOf(group));
    return same === undefined ? 0 : counting.of(same);
  };
  const named = (group: Group): string => nameOf(now, group);
  if (isOne && (view.detail === 'summary' || !answer.hasDetail) && values.length <= (now.isOrdered ? 16 : MOST_BANDS)) {
    // The newest version is at the top, and the values of most clusters at the bottom.
    const ordered = now.isOrdered
      ? values
      : values.toSorted((one, other) => (seriesOf(other).at(-1) ?? 0) - (seriesOf(one).at(-1) ?? 0));
    const bands = [...groups.filter(({ isHidden }) => isHidden), ...ordered].map((group) => ({
      name: group.isHidden ? 'hidden' : named(group),
      isHidden: group.isHidden,
      values: seriesOf(group),
      supportEnds: group.supportEnds,
      isEnded: group.value === UNSUPPORTED,
      lastShare: shareOf(nowOf(group), counting.whole),
    }));
    return createAreas({ days, bands, isShare, format, formatTick: format, unit });
  }
  // The service does not tell how many clusters reported a value on each day.
  const sums = days.map((_, day) => groups.reduce((sum, group) => sum + (seriesOf(group)[day] ?? 0), 0));
  // Rounded groups do not add up to all clusters exactly; the last day has the share that the other chart tells.
  const correction = counting.whole / Math.max(sums.at(-1) ?? 0, 1);
  const wholes = isOne ? sums.map((sum) => sum * correction) : active.series;
  // A value that is told on other days is hidden on a day without it, if others are.
  const hiddenGroup = groups.find(({ isHidden }) => isHidden);
  const hidden = hiddenGroup === undefined ? [] : seriesOf(hiddenGroup);
  const lines = values
    .toSorted((one, other) => (seriesOf(other).at(-1) ?? 0) - (seriesOf(one).at(-1) ?? 0))
    .slice(0, MOST_LINES)
    .map((group) => ({
      name: named(group),
      colour: colourOf(group.value),
      values: seriesOf(group).map((value, index) => {
        if (value === 0 && (hidden[index] ?? 0) > 0) return undefined;
        return isShare ? shareOf(value, wholes[index] ?? 0) : value;
      }),
    }));
  return createLines({ days, lines, isShare, height: 280, format, formatTick: format, unit });
}

function sizesChart({ answer, view, counting }: QuestionFigures): Chart | undefined {
  const groups = answer.groups.filter(({ isHidden }) => !isHidden);
  if (groups.length === 0) return undefined;
  const isHours = answer.id.endsWith('Hours');
  const bars = groups.map(({ atLeast, clusters }, index): Bar => {
    const next = groups[index + 1]?.atLeast;
    const share = shareOf(clusters.value, counting.whole);
    return {
      name: isHours ? formatHours(atLeast, next) : formatSizes(atLeast, next),
      value: clusters.value,
      text: view.show === 'share' ? formatShare(share) : formatNumber(clusters.value),
      colour: 0,
      details: detailsOf({ 'Share of clusters': formatShare(share), Clusters: formatNumber(clusters.value) }),
    };
  });
  return createColumns({
    bars,
    axisTitle: isHours ? 'old' : (answer.id.split('.').at(-1) ?? '').toLowerCase(),
    table: () => ({
      shareColumns: [2],
      columns: ['At least', 'Clusters', 'Share of clusters'],
      rows: groups.map(({ atLeast, clusters }) => [
        atLeast,
        clusters.value,
        roundShare(shareOf(clusters.value, counting.whole)),
      ]),
    }),
  });
}

function formatHours(atLeast: number, next: number | undefined): string {
  const text = (hours: number): string =>
    hours < 2 * HOURS_A_DAY ? `${hours} h` : formatDays(Math.round(hours / HOURS_A_DAY));
  return next === undefined ? `${text(atLeast)} or more` : `${text(atLeast)} to ${text(next)}`;
}

function upgradesChart({ upgrades }: Answer): Chart | undefined {
  if (upgrades.length === 0) return undefined;
  const bars = upgrades.slice(0, SHORT_LIST).map(({ from, to, clusters, medianDays }): Bar => {
    const text = formatNumber(clusters);
    const note = medianDays === undefined ? undefined : formatDays(medianDays);
    const details = detailsOf({ Clusters: text, 'Median time on the version before': note });
    return { name: `${from} → ${to}`, value: clusters, text, note, colour: colourOf(to), details };
  });
  return createBars({
    bars,
    noteTitle: 'time before',
    table: () => ({
      columns: ['From', 'To', 'Clusters', 'Median days on the version before'],
      rows: upgrades.map(({ from, to, clusters, medianDays = '' }) => [from, to, clusters, medianDays]),
    }),
  });
}
