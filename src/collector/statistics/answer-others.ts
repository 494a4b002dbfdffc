import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import {
  type Amount,
  AmountSchema,
  type Cohort,
  CohortSchema,
  type Group,
  GroupKind,
  GroupSchema,
  PercentileSchema,
  type Upgrade,
  UpgradeSchema,
} from '../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { type AmountsPoint, type CohortsPoint, PERCENTS, type SizesPoint, type UpgradesPoint } from './day-point.ts';
import { DAY_MS } from './days.ts';
import type { Figures } from './figures.ts';
import { joinSmallBuckets } from './suppression.ts';

export interface SeriesOptions {
  /** Of the question, and its detail. */
  readonly id: string;
  readonly figures: Figures;
  readonly withSeries: boolean;
}

/** Buckets of sizes with their series. On days on which a bucket was joined with others, it is in the lowest of them. */
export function answerSizes(
  days: readonly (SizesPoint | undefined)[],
  options: SeriesOptions,
): { readonly groups: Group[]; readonly amounts: Amount[] } {
  const { id, figures, withSeries } = options;
  const { smallestGroup } = figures;
  const joined = days.map((point) => joinSmallBuckets(point?.buckets ?? [], smallestGroup));
  const bounds = new Set(
    (withSeries ? joined : joined.slice(-1)).flatMap((buckets) => buckets.map(({ atLeast }) => atLeast)),
  );
  const groups = [...bounds]
    .toSorted((left, right) => left - right)
    .map((atLeast) => {
      const series = joined.map((buckets) => buckets.find((bucket) => bucket.atLeast === atLeast)?.clusters ?? 0);
      return create(GroupSchema, {
        kind: GroupKind.VALUE,
        atLeast,
        clusters: figures.clusters(series, `${id}|${atLeast}`, withSeries),
      });
    });
  const amounts = days.map((point) => ({ amounts: point?.amount === undefined ? [] : [point.amount] }));
  return { groups, amounts: answerAmounts(amounts, options) };
}

export function answerAmounts(
  days: readonly (Pick<AmountsPoint, 'amounts'> | undefined)[],
  { id, figures, withSeries }: SeriesOptions,
): Amount[] {
  const { smallestGroup } = figures;
  const shown = (days.at(-1)?.amounts ?? []).filter(({ clusters }) => clusters >= smallestGroup);
  return shown
    .toSorted((left, right) => right.clusters - left.clusters || (left.name < right.name ? -1 : 1))
    .map(({ name, clusters, total, percentiles }) => {
      const totals = days.map((point) => {
        const each = point?.amounts.find((amount) => amount.name === name);
        return each === undefined || each.clusters < smallestGroup ? 0 : each.total;
      });
      return create(AmountSchema, {
        name,
        unit: unitOf(name),
        clusters: BigInt(figures.cluster(clusters, `${id}|${name}|amount`)),
        total: figures.amount(total, `${id}|${name}|total`),
        // A percentile with few clusters beyond it is about these.
        percentiles: PERCENTS.flatMap((percent, index) => {
          const value = percentiles[index];
          const isAboutFew = (clusters * Math.min(percent, 100 - percent)) / 100 < smallestGroup;
          if (value === undefined || isAboutFew) return [];
          return [create(PercentileSchema, { percent, value: Number(value.toPrecision(2)) })];
        }),
        totalSeries: withSeries ? figures.amountSeries(totals, `${id}|${name}|total`) : [],
      });
    });
}

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
function unitOf(resource: string): string {
  if (resource === 'cpu') return 'cores';
  return /^(?:memory$|ephemeral-storage$|hugepages-)/.test(resource) ? 'bytes' : '';
}

export function answerCohorts(point: CohortsPoint | undefined, figures: Figures): Cohort[] {
  const { smallestGroup } = figures;
  return (point?.cohorts ?? [])
    .filter(({ clusters }) => clusters >= smallestGroup)
    .map(({ month, clusters, active }) =>
      create(CohortSchema, {
        month,
        clusters: BigInt(figures.cluster(clusters, `cohorts|${month}`)),
        active: active.map((each, age) => {
          const safe = hideEnds(each, clusters, smallestGroup);
          // The same number as of the cohort itself where all are active.
          return BigInt(figures.cluster(safe, safe === clusters ? `cohorts|${month}` : `cohorts|${month}|${age}`));
        }),
      }),
    );
}

/** Neither the few clusters that are left nor the few that are gone are distinguished. */
function hideEnds(part: number, all: number, smallest: number): number {
  if (part < smallest) return 0;
  return all - part < smallest ? all : part;
}

export function answerUpgrades(point: UpgradesPoint | undefined, figures: Figures): Upgrade[] {
  const { smallestGroup } = figures;
  return (point?.upgrades ?? [])
    .filter(({ clusters }) => clusters >= smallestGroup)
    .toSorted((left, right) => right.clusters - left.clusters || (left.from < right.from ? -1 : 1))
    .map(({ from, to, clusters, medianDays }) =>
      create(UpgradeSchema, {
        from,
        to,
        clusters: BigInt(figures.cluster(clusters, `upgrades|${from}|${to}`)),
        // The median of few clusters is about the one in the middle.
        medianTime:
          clusters < 2 * smallestGroup ? undefined : durationFromMs(Number(medianDays.toPrecision(2)) * DAY_MS),
      }),
    );
}
