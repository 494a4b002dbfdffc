import { expect, test } from 'vitest';
import type { CaseResult, Ratio } from './cases/case.ts';
import { listWorse, type Results } from './results.ts';
import { ratio, spreadOf } from './rounds.ts';

const ratioOf = (median: number, rest: Partial<Ratio> = {}): Ratio => ({
  id: 'cpu',
  label: 'CPU of bare node:http',
  value: spreadOf([median]),
  better: 'lower',
  ...rest,
});
const caseOf = (...ratios: readonly Ratio[]): CaseResult => ({ id: 'json', title: 'JSON', rows: [], ratios });
const worse = (now: Ratio, before: Ratio): readonly string[] =>
  listWorse([caseOf(now)], { cases: [caseOf(before)] } as Partial<Results> as Results);

test('a ratio is worse if it has changed by more than 15 % in the wrong direction', () => {
  expect(worse(ratioOf(2.4), ratioOf(2))).toStrictEqual([
    'json: CPU of bare node:http is 2.40 instead of 2.00, 20 % worse',
  ]);
  expect(worse(ratioOf(2.2), ratioOf(2))).toStrictEqual([]);
  expect(worse(ratioOf(1), ratioOf(2))).toStrictEqual([]);
  expect(worse(ratioOf(0.5, { better: 'higher' }), ratioOf(0.6, { better: 'higher' }))).toHaveLength(1);
  expect(worse(ratioOf(0.7, { better: 'higher' }), ratioOf(0.6, { better: 'higher' }))).toStrictEqual([]);
});

test('figures that depend on the machine and ratios without a committed one are not compared', () => {
  expect(worse(ratioOf(9, { isAbsolute: true }), ratioOf(1, { isAbsolute: true }))).toStrictEqual([]);
  expect(worse(ratioOf(9, { id: 'new' }), ratioOf(1))).toStrictEqual([]);
});

test('a spread has the median, the least and the greatest value, and a ratio is that of each round', () => {
  expect(spreadOf([3, 1, 2])).toStrictEqual({ median: 2, least: 1, greatest: 3 });
  expect(spreadOf([4, 1, 3, 2])).toStrictEqual({ median: 2.5, least: 1, greatest: 4 });
  expect(ratio([2, 9, 4], [1, 3, 4])).toStrictEqual({ median: 2, least: 1, greatest: 3 });
});
