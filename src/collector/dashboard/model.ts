import type {
  Amount as AmountMessage,
  Answer as AnswerMessage,
  Count,
  GetStatisticsResponse,
  Group as GroupMessage,
} from '../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { AnswerKind, GroupKind } from '../../../gen/spartakus/statistics/v1/statistics_service_pb.js';

/** A number on the day of the answer, and on each day of the series. */
export interface Figure {
  readonly value: number;
  readonly series: readonly number[];
}

export type Kind = 'values' | 'sizes' | 'amounts' | 'cohorts' | 'upgrades' | 'unknown';

export interface Group {
  readonly isHidden: boolean;
  readonly value: string;
  readonly atLeast: number;
  readonly clusters: Figure;
  readonly nodes?: Figure;
  readonly shareOrLater?: number;
  /** A day; empty where it is not known. */
  readonly supportEnds: string;
}

export interface Amount {
  readonly name: string;
  readonly unit: string;
  readonly clusters: number;
  readonly total: number;
  readonly percentiles: ReadonlyMap<number, number>;
  readonly totalSeries: readonly number[];
}

export interface Cohort {
  readonly month: string;
  readonly clusters: number;
  readonly active: readonly number[];
}

export interface Upgrade {
  readonly from: string;
  readonly to: string;
  readonly clusters: number;
  readonly medianDays?: number;
}

export interface Answer {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly kind: Kind;
  readonly hasDetail: boolean;
  readonly isOrdered: boolean;
  readonly reporting: number;
  readonly active: number;
  readonly groups: readonly Group[];
  readonly amounts: readonly Amount[];
  readonly cohorts: readonly Cohort[];
  readonly upgrades: readonly Upgrade[];
}

export interface Overview {
  readonly clusters: Figure;
  readonly nodes: Figure;
  readonly newClusters: Figure;
  readonly returningClusters: Figure;
  readonly lostClusters: Figure;
}

/** A response of GetStatistics with plain numbers: no count comes near the limit of a JavaScript number. */
export interface Statistics {
  readonly smallestGroup: number;
  readonly roundedTo: number;
  /** Empty where there are no figures yet. */
  readonly day: string;
  readonly computedAt?: Date;
  readonly activeDays: number;
  readonly days: readonly string[];
  readonly overview: Overview;
  readonly answers: readonly Answer[];
}

const KINDS: Readonly<Partial<Record<AnswerKind, Kind>>> = {
  [AnswerKind.VALUES]: 'values',
  [AnswerKind.SIZES]: 'sizes',
  [AnswerKind.AMOUNTS]: 'amounts',
  [AnswerKind.COHORTS]: 'cohorts',
  [AnswerKind.UPGRADES]: 'upgrades',
};

export function readStatistics(response: GetStatisticsResponse): Statistics {
  const { privacy, computedAt, activeWindow, overview } = response;
  return {
    smallestGroup: privacy?.smallestGroup ?? 0,
    roundedTo: Math.max(privacy?.roundedTo ?? 1, 1),
    day: response.day,
    computedAt: computedAt && new Date(Number(computedAt.seconds) * 1000),
    activeDays: Math.round(Number(activeWindow?.seconds ?? 0) / 86_400),
    days: response.days,
    overview: {
      clusters: readFigure(overview?.clusters),
      nodes: readFigure(overview?.nodes),
      newClusters: readFigure(overview?.newClusters),
      returningClusters: readFigure(overview?.returningClusters),
      lostClusters: readFigure(overview?.lostClusters),
    },
    answers: response.answers.flatMap(readAnswer),
  };
}

function readAnswer({ question, ...answer }: AnswerMessage): Answer[] {
  if (question === undefined) return [];
  return [
    {
      id: question.id,
      title: question.title === '' ? question.id : question.title,
      description: question.description,
      kind: KINDS[question.kind] ?? 'unknown',
      hasDetail: question.hasDetail,
      isOrdered: question.ordered,
      reporting: Number(answer.reportingClusters),
      active: Number(answer.activeClusters),
      groups: answer.groups.map(readGroup),
      amounts: answer.amounts.map(readAmount),
      cohorts: answer.cohorts.map(({ month, clusters, active }) => ({
        month,
        clusters: Number(clusters),
        active: active.map(Number),
      })),
      upgrades: answer.upgrades.map(({ from, to, clusters, medianTime }) => ({
        from,
        to,
        clusters: Number(clusters),
        medianDays: medianTime && Math.round(Number(medianTime.seconds) / 86_400),
      })),
    },
  ];
}

function readGroup(group: GroupMessage): Group {
  const { kind, value, atLeast, clusters, nodes, shareOrLater, supportEnds } = group;
  return {
    isHidden: kind === GroupKind.HIDDEN,
    value,
    atLeast,
    clusters: readFigure(clusters),
    nodes: nodes && readFigure(nodes),
    shareOrLater,
    supportEnds,
  };
}

function readAmount({ name, unit, clusters, total, percentiles, totalSeries }: AmountMessage): Amount {
  return {
    name,
    unit,
    clusters: Number(clusters),
    total,
    percentiles: new Map(percentiles.map(({ percent, value }) => [percent, value])),
    totalSeries,
  };
}

function readFigure(count: Count | undefined): Figure {
  return { value: Number(count?.value ?? 0), series: (count?.series ?? []).map(Number) };
}
