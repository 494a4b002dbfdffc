import { expect, test } from 'vitest';
import type { Answer, Group } from '../../../src/collector/dashboard/model.ts';
import { answerInWords, type Counting } from '../../../src/collector/dashboard/sentences.ts';

const EMPTY: Answer = {
  id: 'later',
  title: '',
  description: '',
  kind: 'values',
  hasDetail: false,
  isOrdered: false,
  reporting: 100,
  active: 100,
  groups: [],
  amounts: [],
  cohorts: [],
  upgrades: [],
};
const COUNTING: Counting = { unit: 'clusters', of: ({ clusters }) => clusters.value, whole: 100 };

function groups(counts: Readonly<Record<string, number>>): Group[] {
  return Object.entries(counts).map(([value, count]) => ({
    isHidden: value === 'hidden',
    value,
    atLeast: 0,
    clusters: { value: count, series: [] },
    supportEnds: '',
  }));
}

function say(answer: Partial<Answer>): string | undefined {
  return answerInWords({ ...EMPTY, ...answer }, COUNTING)?.replaceAll('\u202f', ' ');
}

test.each([
  [{ '1.29': 20, '1.30': 29, '1.31': 51 }, '51 % of clusters run 1.31 or newer.'],
  [{ '1.29': 20, '1.30': 40, '1.31': 40 }, '80 % of clusters run 1.30 or newer.'],
  [{ '1.29': 20, '1.30': 30, '1.31': 50 }, 'Half of all clusters run 1.31 or newer.'],
  [{ '1.31': 100 }, 'All clusters run 1.31 or newer.'],
  [{ hidden: 100 }, undefined],
])('versions %j: %s', (counts, sentence) => {
  expect(say({ isOrdered: true, groups: groups(counts) })).toBe(sentence);
});

test('values: the two that most clusters have', () => {
  expect(say({ groups: groups({ arm64: 25, s390x: 1, amd64: 91 }) })).toBe(
    '91 % of clusters report amd64, 25 % arm64.',
  );
});

test('values: those that say nothing do not lead', () => {
  expect(say({ groups: groups({ aws: 25, unknown: 40, gce: 12, other: 20 }) })).toBe(
    '25 % of clusters report aws, 12 % gce.',
  );
});

test.each([
  [{ groups: groups({ 'example.com/tier': 40, other: 2 }) }, '40 % report example.com/tier.'],
  [{ isOrdered: true, groups: groups({ '2.0': 50, '2.1': 50 }) }, 'half run 2.1 or newer.'],
])('a question that few clusters report is about these', (answer, sentence) => {
  expect(say({ ...answer, active: 1_000 })).toBe(`Of the 100 clusters that report this, ${sentence}`);
});

test('support: how many are without', () => {
  expect(say({ id: 'support', groups: groups({ supported: 77, 'not supported': 23 }) })).toBe(
    '23 % of clusters run a version that is out of support.',
  );
  expect(say({ id: 'support', groups: groups({ supported: 100 }) })).toBe(
    'All clusters run a version that is supported.',
  );
});

test('sizes: the median, and the total', () => {
  const amount = { name: '', unit: '', clusters: 100, total: 1_234, percentiles: new Map([[50, 6]]), totalSeries: [] };

  expect(say({ id: 'nodes', kind: 'sizes', amounts: [amount] })).toBe(
    'Half of all clusters have 6 nodes or fewer; 1,234 nodes in total.',
  );
});

test('cohorts: those whose number is hidden do not count as gone', () => {
  const cohort = (clusters: number, left: number) => ({
    month: '2025-01',
    clusters,
    active: [clusters, ...Array.from({ length: 12 }, () => left)],
  });

  expect(say({ kind: 'cohorts', cohorts: [cohort(100, 60), cohort(20, 0)] })).toBe(
    '60 % of clusters still report 12 months after their first report.',
  );
});

test('upgrades: how many skip no version, and after which time', () => {
  const upgrades = [
    { from: '1.30', to: '1.31', clusters: 75, medianDays: 120 },
    { from: '1.30', to: '1.32', clusters: 25, medianDays: 240 },
  ];

  expect(say({ kind: 'upgrades', upgrades })).toBe(
    '75 % of changes are to the next minor version, typically after 5 months.',
  );
});

test('no figures, no sentence', () => {
  for (const kind of ['values', 'sizes', 'amounts', 'cohorts', 'upgrades', 'unknown'] as const)
    expect(say({ kind })).toBeUndefined();
});
