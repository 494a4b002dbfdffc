import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { collectorCommand } from '../../src/cli/collector.ts';
import { listFlags } from '../../src/cli/flags.ts';
import { volunteerCommand } from '../../src/cli/volunteer.ts';
import { DEFAULT_STATISTICS_CONFIG } from '../../src/collector/statistics/roll-up.ts';
import { type CollectionSpec, DATABASE_COLLECTIONS } from '../../src/collector/store/collections.ts';
import { evaluate } from '../support/formula.ts';

const page = readFileSync(path.join(import.meta.dirname, '../../docs/scale.md'), 'utf8');
const SIZES = [10_000, 1_000_000, 10_000_000];
/** Of the numbers of the plan. */
const DIGITS = 2;
const UNITS: Readonly<Record<string, number>> = { GB: 1e9, 'GB/day': 1e9 };

/** The rows of the table below a heading, without those of its head. */
function rowsOf(heading: string): readonly (readonly string[])[] {
  const [, section = ''] = page.split(`\n## ${heading}\n`);
  const [table = ''] = /(^\|.*\n)+/m.exec(section) ?? [];
  const rows = table.trim().split('\n').slice(2);
  return rows.map((row) =>
    row
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

const numberOf = (text: string): number => Number(text.replaceAll(',', ''));

const inputs = new Map(rowsOf('Inputs').map(([name = '', value = '']) => [name.replaceAll('`', ''), numberOf(value)]));
/** The rows of the plan, with the values of their formulas by size. */
const plan = computePlan();

function computePlan(): readonly {
  readonly quantity: string;
  readonly stated: readonly number[];
  readonly computed: readonly number[];
}[] {
  const bySize = SIZES.map((clusters) => new Map([...inputs, ['clusters', clusters]]));
  return rowsOf('Plan').map(([quantity = '', formula = '', unit = '', ...cells]) => {
    const name = /\(`(\w+)`\)/.exec(quantity)?.[1];
    const computed = bySize.map((values) => {
      const value = evaluate(formula.replaceAll('`', ''), values);
      if (name !== undefined) values.set(name, value);
      return Number((value / (UNITS[unit] ?? 1)).toPrecision(DIGITS));
    });
    return { quantity, stated: cells.map(numberOf), computed };
  });
}

test('the page has inputs and a plan', () => {
  expect([...inputs.values()].filter((value) => !(value > 0))).toStrictEqual([]);
  expect([inputs.size, plan.length]).toStrictEqual([24, 27]);
});

test.each(plan)('plan: $quantity', ({ stated, computed }) => {
  expect(stated).toStrictEqual(computed);
});

test('every input is used', () => {
  const formulas = rowsOf('Plan')
    .map(([, formula = '']) => formula)
    .join(' ');

  expect([...inputs.keys()].filter((name) => !new RegExp(`\\b${name}\\b`).test(formulas))).toStrictEqual([
    'deletedEachMinute',
  ]);
});

test('the inputs are the defaults of the program', () => {
  const defaultOf = (command: typeof collectorCommand, name: string): number => {
    const flag = listFlags(command.flags).find((each) => each.name === name);
    return Number.parseInt(flag?.default ?? '', 10);
  };

  expect(inputs.get('retain')).toBe(defaultOf(collectorCommand, 'retain'));
  expect(inputs.get('activeDays')).toBe(defaultOf(collectorCommand, 'active-days'));
  expect(inputs.get('period')).toBe(defaultOf(volunteerCommand, 'period') / 24);
  expect(inputs.get('changedLeast')).toBe(DEFAULT_STATISTICS_CONFIG.minChanged);
});

test('retention keeps up with the reports of each size', () => {
  for (const clusters of SIZES)
    expect(clusters / (inputs.get('period') ?? 0) / 1_440).toBeLessThan(inputs.get('deletedEachMinute') ?? 0);
});

test('the table of shard keys has every collection, with the key that "database init --sharded" sets', () => {
  const specs = Object.entries<CollectionSpec>(DATABASE_COLLECTIONS);
  const isSharded = new Map(
    rowsOf('Shard keys').flatMap(([names = '', key = '']) =>
      names.split(', ').map((name) => [name.replaceAll('`', ''), key === '`{ _id: "hashed" }`']),
    ),
  );

  const expected = specs
    .filter(([name]) => name !== 'probes')
    .map(([name, { shardKey }]) => [name, shardKey !== undefined] as const);
  expect(isSharded).toStrictEqual(new Map([...expected, ['metadata', false]]));
});
