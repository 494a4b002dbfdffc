import type {
  Amount as AmountMessage,
  Answer as AnswerMessage,
  Count,
  GetStatisticsResponse,
  Group as GroupMessage,
} from '../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { AnswerKind, GroupKind } from '../../../gen/spartakus/statistics/v1/statistics_service_pb.js';

export type Statistics = ReturnType<typeof readStatistics>;
export type Overview = Statistics['overview'];
export type Answer = ReturnType<typeof readAnswer>[number];
export type Group = ReturnType<typeof readGroup>;
export type Amount = ReturnType<typeof readAmount>;
export type Cohort = Answer['cohorts'][number];
/** A number on the day of the answer, and on each day of the series. */
export type Figure = ReturnType<typeof readFigure>;

type Kind = 'values' | 'sizes' | 'amounts' | 'cohorts' | 'upgrades' | 'unknown';

const KINDS: Readonly<Partial<Record<AnswerKind, Kind>>> = {
  [AnswerKind.VALUES]: 'values',
  [AnswerKind.SIZES]: 'sizes',
  [AnswerKind.AMOUNTS]: 'amounts',
  [AnswerKind.COHORTS]: 'cohorts',
  [AnswerKind.UPGRADES]: 'upgrades',
};

/** A response of GetStatistics with plain numbers: no count comes near the limit of a JavaScript number. */
export function readStatistics(response: GetStatisticsResponse) {
  const { privacy, computedAt, activeWindow, overview } = response;
  return {
    smallestGroup: privacy?.smallestGroup ?? 0,
    roundedTo: Math.max(privacy?.roundedTo ?? 1, 1),
    /** Empty where there are no figures yet. */
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

function readAnswer({ question, ...answer }: AnswerMessage) {
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

function readGroup({ kind, value, atLeast, clusters, nodes, shareOrLater, supportEnds }: GroupMessage) {
  return {
    isHidden: kind === GroupKind.HIDDEN,
    value,
    atLeast,
    clusters: readFigure(clusters),
    ...(nodes && { nodes: readFigure(nodes) }),
    ...(shareOrLater !== undefined && { shareOrLater }),
    /** A day; empty where it is not known. */
    supportEnds,
  };
}

function readAmount({ name, unit, clusters, total, percentiles, totalSeries }: AmountMessage) {
  return {
    name,
    unit,
    clusters: Number(clusters),
    total,
    percentiles: new Map(percentiles.map(({ percent, value }) => [percent, value])),
    totalSeries,
  };
}

function readFigure(count: Count | undefined) {
  return { value: Number(count?.value ?? 0), series: (count?.series ?? []).map(Number) };
}
