import { create } from '@bufbuild/protobuf';
import { type Group, GroupKind, GroupSchema } from '../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import type { SeriesOptions } from './answer-others.ts';
import { compareVersions } from './compare-versions.ts';
import type { ValueCount, ValuesPoint } from './day-point.ts';
import type { Figures } from './figures.ts';
import { hideSmallGroups, type SafeGroups } from './suppression.ts';

interface HideOptions {
  readonly fine: boolean;
  /** Of a fine value; the value itself where there is no coarser one. */
  readonly coarseOf: (value: string) => string;
  readonly figures: Figures;
}

interface ValuesOptions extends SeriesOptions {
  readonly ordered: boolean;
}

/** In an answer; the values with fewer clusters are folded into the hidden group. */
const MAX_GROUPS = 200;

/** What may be shown of one question on each day; undefined on days without figures for it. */
export function hideByDay(
  days: readonly { readonly active: number; readonly point?: ValuesPoint | undefined }[],
  { fine, coarseOf, figures }: HideOptions,
): readonly (SafeGroups | undefined)[] {
  const { smallestGroup } = figures;
  return days.map(({ active, point }) => {
    if (point === undefined) return undefined;
    const { reporting, values, rest, coarse } = point;
    const input = { active, reporting, values: coarse ?? values, rest: coarse ? undefined : rest };
    const coarsely = hideSmallGroups(input, smallestGroup);
    if (!fine || coarse === undefined) return coarsely;
    const shownCoarse = new Set(coarsely.shown.map(({ value }) => value));
    return hideSmallGroups({ active, reporting, values, rest, coarseOf, shownCoarse }, smallestGroup);
  });
}

/** The groups of the last day, each with its series; values that are shown on an earlier day only have 0 on the last. */
export function answerValues(days: readonly (SafeGroups | undefined)[], options: ValuesOptions): Group[] {
  const { id, ordered, figures, withSeries } = options;
  const last = days.length - 1;
  const byValue = new Map<string, (ValueCount | undefined)[]>();
  for (const [index, day] of days.entries()) {
    if (!withSeries && index !== last) continue;
    for (const each of day?.shown ?? []) {
      let series = byValue.get(each.value);
      if (series === undefined) byValue.set(each.value, (series = Array.from({ length: days.length })));
      series[index] = each;
    }
  }
  const largest = [...byValue]
    .map(([value, series]) => ({
      value,
      series,
      now: series[last]?.clusters ?? 0,
      peak: Math.max(...series.map((each) => each?.clusters ?? 0)),
    }))
    .toSorted(
      (left, right) => right.now - left.now || right.peak - left.peak || compareVersions(left.value, right.value),
    );
  const kept = largest.slice(0, MAX_GROUPS);
  if (ordered) kept.sort((left, right) => compareVersions(left.value, right.value));
  const folded = largest.slice(MAX_GROUPS);
  const countsOf = (series: readonly (Omit<ValueCount, 'value'> | undefined)[], label: string) => {
    const clusters = series.map((each) => each?.clusters ?? 0);
    const nodes = series.map((each) => each?.nodes ?? 0);
    const hasNodes = series.some((each) => each?.nodes !== undefined);
    return {
      clusters: figures.clusters(clusters, label, withSeries),
      nodes: hasNodes ? figures.amounts(nodes, `${label}|nodes`, withSeries) : undefined,
    };
  };
  const groups = kept.map(({ value, series }) =>
    create(GroupSchema, { kind: GroupKind.VALUE, value, ...countsOf(series, `${id}|${value}`) }),
  );
  const hidden = days.map((day, index) => {
    const all = [day?.hidden, ...folded.map(({ series }) => series[index])].filter((each) => each !== undefined);
    const nodes = all.reduce((sum, each) => sum + (each.nodes ?? 0), 0);
    return { clusters: all.reduce((sum, { clusters }) => sum + clusters, 0), nodes: nodes > 0 ? nodes : undefined };
  });
  const shownHidden = withSeries ? hidden : hidden.slice(-1);
  if (shownHidden.some(({ clusters }) => clusters > 0))
    groups.push(create(GroupSchema, { kind: GroupKind.HIDDEN, ...countsOf(hidden, `${id}||hidden`) }));
  return groups;
}

/** Sets the share of the clusters with each value or a later one, or of the nodes for values of nodes, from the figures that are shown. */
export function addShares(groups: readonly Group[]): void {
  const sizeOf = ({ nodes, clusters }: Group): number => Number((nodes ?? clusters)?.value ?? 0n);
  const all = groups.reduce((sum, group) => sum + sizeOf(group), 0);
  if (all === 0) return;
  let later = 0;
  for (const group of groups.filter(({ kind }) => kind === GroupKind.VALUE).toReversed()) {
    later += sizeOf(group);
    group.shareOrLater = later / all;
  }
}
