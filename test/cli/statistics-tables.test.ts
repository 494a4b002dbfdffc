import { PassThrough } from 'node:stream';
import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { GetStatisticsRequestSchema } from '../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { formatFor } from '../../src/cli/help.ts';
import { describeAmount, describeStatistics } from '../../src/cli/statistics-tables.ts';
import { createAnswers } from '../../src/collector/statistics/answers.ts';
import type { DayPoint } from '../../src/collector/statistics/day-point.ts';
import { createFigures } from '../../src/collector/statistics/figures.ts';
import { listQuestions } from '../../src/collector/statistics/questions.ts';
import { dayPoint, readerOf, valuesPoint } from '../support/statistics.ts';

async function describe(points: readonly DayPoint[], questions: readonly string[], bars = false): Promise<string> {
  const figures = createFigures(Buffer.alloc(32, 1), 5, 1);
  const statistics = createAnswers({ questions: listQuestions(), reader: readerOf(points), figures });
  const response = await statistics.answer(create(GetStatisticsRequestSchema, { questions: [...questions] }));
  return describeStatistics(response, { format: formatFor(new PassThrough(), {}), bars });
}

const POINTS = [
  dayPoint('2026-11-20', { masterVersion: valuesPoint({ 'v1.36.1': 90 }, { '1.36': 90 }) }, 90),
  dayPoint('2026-11-21', {
    masterVersion: valuesPoint(
      { 'v1.37.0': 60, 'v1.30.1': 31, 'v1.9.0': 4, 'v1.8.0': 3 },
      { '1.37': 60, '1.30': 31, '1.9': 4, '1.8': 3 },
    ),
    'nodes.architecture': { ...valuesPoint({ amd64: 80, arm64: 30 }, undefined, true), reporting: 98 },
    nodes: {
      kind: 'sizes',
      reporting: 98,
      buckets: [
        { atLeast: 1, clusters: 50 },
        { atLeast: 2, clusters: 30 },
        { atLeast: 4, clusters: 18 },
      ],
      amount: { name: '', clusters: 98, total: 1234, percentiles: [1, 1, 2, 4, 8, 100] },
    },
    'nodes.capacity': {
      kind: 'amounts',
      reporting: 98,
      amounts: [
        {
          name: 'memory',
          clusters: 98,
          total: 2 ** 50,
          percentiles: [1, 2, 3, 4, 5, 6].map((power) => 2 ** (30 + power)),
        },
      ],
    },
    cohorts: { kind: 'cohorts', reporting: 100, cohorts: [{ month: '2026-10', clusters: 40, active: [40, 30] }] },
    upgrades: {
      kind: 'upgrades',
      reporting: 100,
      upgrades: [{ from: '1.36', to: '1.37', clusters: 20, medianDays: 123 }],
    },
  }),
];

test('answers are printed as tables with their denominators', async () => {
  const text = await describe(POINTS, [
    'masterVersion',
    'nodes.architecture',
    'nodes',
    'nodes.capacity',
    'cohorts',
    'upgrades',
    'namespaces',
  ]);
  await expect(text).toMatchFileSnapshot('../golden/statistics/tables.txt');
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(120);
});

test('bars and the course of the last days are drawn for a terminal', async () => {
  await expect(await describe(POINTS, ['masterVersion'], true)).toMatchFileSnapshot('../golden/statistics/bars.txt');
});

test('a database without statistics is no error', async () => {
  expect(await describe([], [])).toBe(
    'There are no statistics yet: they are computed a minute after the first report.\n',
  );
});

test.each([
  [16 * 2 ** 30, 'bytes', '16 GiB'],
  [0.5, 'bytes', '0.5 B'],
  [0, 'bytes', '0 B'],
  [2 ** 80, 'bytes', '1000000 EiB'],
  [12_345, 'cores', '12K'],
])('%d %s is printed as %s', (amount, unit, text) => {
  expect(describeAmount(amount, unit)).toBe(text);
});
