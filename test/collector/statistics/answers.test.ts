import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import {
  Detail,
  GetStatisticsRequestSchema,
  GroupKind,
} from '../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { createAnswers } from '../../../src/collector/statistics/answers.ts';
import type { DayPoint } from '../../../src/collector/statistics/day-point.ts';
import { createFigures } from '../../../src/collector/statistics/figures.ts';
import { listQuestions } from '../../../src/collector/statistics/questions.ts';
import { dayPoint, readerOf, valuesPoint } from '../../support/statistics.ts';

const KEY = Buffer.alloc(32, 1);

function statisticsOf(points: readonly DayPoint[], { smallest = 5, rounded = 1 } = {}) {
  const statistics = createAnswers({
    questions: listQuestions(),
    reader: readerOf(points),
    figures: createFigures(KEY, smallest, rounded),
  });
  const ask = (request: Parameters<typeof create<typeof GetStatisticsRequestSchema>>[1]) =>
    statistics.answer(create(GetStatisticsRequestSchema, request));
  return { ...statistics, ask };
}

const YESTERDAY = dayPoint('2026-11-20', {
  masterVersion: valuesPoint({ 'v1.36.1': 50, 'v1.30.1': 40 }, { '1.36': 50, '1.30': 40 }),
});
const TODAY = dayPoint('2026-11-21', {
  masterVersion: valuesPoint(
    { 'v1.37.0': 50, 'v1.37.1': 10, 'v1.30.1': 20, 'v1.30.9': 20 },
    { '1.37': 60, '1.30': 40 },
  ),
  nodes: {
    kind: 'sizes',
    reporting: 100,
    buckets: [
      { atLeast: 1, clusters: 60 },
      { atLeast: 2, clusters: 37 },
      { atLeast: 64, clusters: 3 },
    ],
    amount: { name: '', clusters: 100, total: 1234, percentiles: [1, 1, 2, 4, 8, 100] },
  },
  'nodes.capacity': {
    kind: 'amounts',
    reporting: 100,
    amounts: [
      { name: 'memory', clusters: 100, total: 123_456_789, percentiles: [10, 25, 51_234, 75, 90, 99] },
      { name: 'example.com/tpu', clusters: 4, total: 4, percentiles: [1, 1, 1, 1, 1, 1] },
    ],
  },
});

describe('an answer', () => {
  test('has the groups of the last day with their series, and the day on which support ends', async () => {
    const { answers, days, day } = await statisticsOf([YESTERDAY, TODAY]).ask({ questions: ['masterVersion'] });
    expect({ day, days }).toEqual({ day: '2026-11-21', days: ['2026-11-20', '2026-11-21'] });
    expect(
      answers[0]?.groups.map(({ value, clusters, supportEnds, shareOrLater }) => ({
        value,
        clusters: clusters?.value,
        series: clusters?.series,
        supportEnds,
        shareOrLater,
      })),
    ).toEqual([
      { value: '1.30', clusters: 40n, series: [40n, 40n], supportEnds: '2025-07-15', shareOrLater: 1 },
      { value: '1.36', clusters: 0n, series: [50n, 0n], supportEnds: '2027-06-28', shareOrLater: 0.6 },
      { value: '1.37', clusters: 60n, series: [0n, 60n], supportEnds: '2027-10-28', shareOrLater: 0.6 },
    ]);
  });

  test('states how many clusters report the value, of how many', async () => {
    const { answers } = await statisticsOf([YESTERDAY]).ask({ questions: ['masterVersion'] });
    expect(answers[0]).toMatchObject({ reportingClusters: 90n, activeClusters: 100n });
  });

  test('has whole values in detail', async () => {
    const { answers } = await statisticsOf([TODAY]).ask({ questions: ['masterVersion'], detail: Detail.FINE });
    expect(answers[0]?.groups.map(({ value }) => value)).toEqual(['v1.30.1', 'v1.30.9', 'v1.37.0', 'v1.37.1']);
  });

  test('counts the versions that are supported on each day', async () => {
    const { answers } = await statisticsOf([TODAY]).ask({ questions: ['support'] });
    expect(answers[0]?.groups.map(({ value, clusters }) => [value, clusters?.value])).toEqual([
      ['supported', 60n],
      ['not supported', 40n],
    ]);
  });

  test('joins small sizes, and leaves percentiles out that few clusters exceed', async () => {
    const { answers } = await statisticsOf([TODAY]).ask({ questions: ['nodes'] });
    expect(answers[0]?.groups.map(({ atLeast, clusters }) => [atLeast, clusters?.value])).toEqual([
      [1, 60n],
      [2, 40n],
    ]);
    expect(answers[0]?.amounts[0]?.percentiles.map(({ percent }) => percent)).toEqual([10, 25, 50, 75, 90]);
  });

  test('has no amounts of resources that few clusters have, and rounds the others', async () => {
    const { answers } = await statisticsOf([TODAY]).ask({ questions: ['nodes.capacity'] });
    expect(answers[0]?.amounts.map(({ name, unit }) => [name, unit])).toEqual([['memory', 'bytes']]);
    expect([123_000_000, 124_000_000]).toContain(answers[0]?.amounts[0]?.total);
    expect(answers[0]?.amounts[0]?.percentiles.find(({ percent }) => percent === 50)?.value).toBe(51_000);
  });

  test('rounds numbers of clusters where figures are public', async () => {
    const { overview, answers, privacy } = await statisticsOf([YESTERDAY, TODAY], { smallest: 10, rounded: 5 }).ask({
      questions: ['masterVersion', 'nodes'],
    });
    expect(privacy).toMatchObject({ smallestGroup: 10, roundedTo: 5 });
    const counts = [
      overview?.newClusters,
      overview?.lostClusters,
      ...answers.flatMap(({ groups }) => groups.map(({ clusters }) => clusters)),
    ];
    expect(
      counts.flatMap((count) => [count?.value, ...(count?.series ?? [])]).filter((count) => Number(count) % 5 !== 0),
    ).toEqual([]);
  });

  test('has no series where the request omits them', async () => {
    const { answers, days } = await statisticsOf([YESTERDAY, TODAY]).ask({ omitSeries: true });
    expect(days).toEqual([]);
    expect(answers.flatMap(({ groups }) => groups.flatMap(({ clusters }) => clusters?.series ?? []))).toEqual([]);
    expect(answers.find(({ question }) => question?.id === 'masterVersion')?.groups.map(({ value }) => value)).toEqual([
      '1.30',
      '1.37',
    ]);
  });
});

test('installations of Kubermatic are counted for themselves, not among the clusters', async () => {
  const point = dayPoint('2026-11-21', { 'kubermatic.kubermaticEdition': valuesPoint({ CE: 8, EE: 6 }) }, 3);
  const { answers } = await statisticsOf([point]).ask({ questions: ['kubermatic.kubermaticEdition'] });
  expect(answers[0]).toMatchObject({ reportingClusters: 14n, activeClusters: 14n });
  expect(answers[0]?.groups.map(({ value, clusters }) => [value, clusters?.value])).toEqual([
    ['CE', 8n],
    ['EE', 6n],
  ]);
});

describe('a request', () => {
  test('without figures is answered without answers', async () => {
    const response = await statisticsOf([]).ask({});
    expect(response).toMatchObject({ day: '', answers: [] });
  });

  test.each([
    [{ questions: ['nodes.hostname'] }, 'there is no question "nodes.hostname"'],
    [{ since: 'yesterday' }, 'since: "yesterday" is no day'],
    [{ until: '2026-02-30' }, 'until: "2026-02-30" is no day'],
    [{ since: '2027-01-01' }, 'since 2027-01-01: ask for 1 to 1100 days'],
    [{ since: '2023-11-16' }, 'since 2023-11-16: ask for 1 to 1100 days'],
  ])('%j is rejected', async (request, message) => {
    await expect(statisticsOf([TODAY]).ask(request)).rejects.toThrow(message);
  });

  test('for the longest range is answered', async () => {
    await expect(statisticsOf([TODAY]).ask({ since: '2023-11-18' })).resolves.toMatchObject({ day: '2026-11-21' });
  });
});

test('the groups that hide small ones are marked, and come last', async () => {
  const hidden = dayPoint(
    '2026-11-21',
    { masterVersion: valuesPoint({ 'v1.37.0': 50, 'v1.20.0': 2, 'v1.19.0': 4 }, { '1.37': 50, '1.20': 2, '1.19': 4 }) },
    56,
  );
  const { answers } = await statisticsOf([hidden]).ask({ questions: ['masterVersion'] });
  expect(answers[0]?.groups.map(({ kind, value, clusters }) => [kind, value, clusters?.value])).toEqual([
    [GroupKind.VALUE, '1.37', 50n],
    [GroupKind.HIDDEN, '', 6n],
  ]);
});

test('every question has a title that is a question, and a description', () => {
  const questions = listQuestions();
  expect(questions.length).toBeGreaterThan(20);
  expect(questions.filter(({ title, description }) => !/^[A-Z].*\?$/.test(title) || description === '')).toEqual([]);
  expect(new Set(questions.map(({ id }) => id)).size).toBe(questions.length);
});
