import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { nearestIndex, niceTicks, spread, timeTicks } from '../../../src/collector/dashboard/scales.ts';

test('ticks are whole steps around the values, with zero, and not too many', () => {
  fc.assert(
    fc.property(fc.nat(1e7), fc.nat(1e7), (below, above) => {
      fc.pre(above > 0);
      const ticks = niceTicks([-below, above], 4, 1);
      expect(ticks).toContain(0);
      expect(ticks[0]).toBeLessThanOrEqual(-below);
      expect(ticks.at(-1)).toBeGreaterThanOrEqual(above);
      expect(ticks.every(Number.isInteger)).toBe(true);
      expect(ticks.length).toBeLessThanOrEqual(9);
    }),
  );
});

test.each([
  [2_080, [0, 500, 1_000, 1_500, 2_000, 2_500]],
  [1, [0, 1]],
  [17, [0, 5, 10, 15, 20]],
])('ticks up to %d', (max, ticks) => {
  expect(niceTicks([0, max], 4, 1)).toStrictEqual(ticks);
});

test('a year has ticks at the starts of quarters, and the year in place of January', () => {
  expect(timeTicks('2025-11-22', '2026-11-21', 5).map(({ label }) => label)).toStrictEqual([
    '2026',
    'Apr',
    'Jul',
    'Oct',
  ]);
});

test('a month has ticks at days, with the last one', () => {
  expect(timeTicks('2026-10-23', '2026-11-21', 6).map(({ label }) => label)).toStrictEqual([
    '24 Oct',
    '31 Oct',
    '7 Nov',
    '14 Nov',
    '21 Nov',
  ]);
});

test('labels that are spread do not overlap, and stay within the bounds where there is space', () => {
  const positions = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(positions, (wanted) => {
      const placed = spread(
        wanted.toSorted((one, other) => one - other),
        16,
        [0, 100],
      );
      placed.slice(1).forEach((place, index) => expect(place - (placed[index] ?? 0)).toBeGreaterThanOrEqual(16));
      expect(Math.min(...placed)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...placed)).toBeLessThanOrEqual(100);
    }),
  );
});

test('the nearest entry of a list is found', () => {
  const sorted = fc
    .uniqueArray(fc.integer(), { minLength: 1 })
    .map((list) => list.toSorted((one, other) => one - other));
  fc.assert(
    fc.property(sorted, fc.integer(), (list, value) => {
      const distance = (entry = Infinity): number => Math.abs(entry - value);
      expect(distance(list[nearestIndex(list, value)])).toBe(Math.min(...list.map(distance)));
    }),
  );
});
