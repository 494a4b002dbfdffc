import { type PointReader } from '../../src/collector/statistics/answers.ts';
import { answerKey, type DayPoint, type PointAnswer } from '../../src/collector/statistics/day-point.ts';

/** Figures of a day with these answers by question. */
export function dayPoint(day: string, answers: Readonly<Record<string, PointAnswer>>, clusters = 100): DayPoint {
  return {
    _id: day,
    computedAt: new Date(`${day}T23:59:00Z`),
    activeWindowDays: 30,
    clusters,
    nodes: 1234,
    newClusters: 7,
    returningClusters: 0,
    lostClusters: 1,
    answers: Object.fromEntries(Object.entries(answers).map(([id, answer]) => [answerKey(id), answer])),
  };
}

/** A reader of these figures, ascending by day. */
export function readerOf(points: readonly DayPoint[]): PointReader {
  return {
    lastDay: (until = '9999') => Promise.resolve(points.findLast(({ _id }) => _id <= until)?._id),
    read: (since, until) => Promise.resolve(points.filter(({ _id }) => _id >= since && _id <= until)),
  };
}

/** The figures of a question by value, and by coarse value. */
export function valuesPoint(
  counts: Readonly<Record<string, number>>,
  coarse?: Readonly<Record<string, number>>,
  nodes = false,
): PointAnswer {
  const list = (of: Readonly<Record<string, number>>) =>
    Object.entries(of).map(([value, clusters]) => ({ value, clusters, ...(nodes ? { nodes: clusters * 10 } : {}) }));
  const reporting = Object.values(coarse ?? counts).reduce((sum, count) => sum + count, 0);
  return { kind: 'values', reporting, values: list(counts), ...(coarse === undefined ? {} : { coarse: list(coarse) }) };
}
