import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ValueCount } from '../../../src/collector/statistics/day-point.ts';
import { hideSmallGroups, joinSmallBuckets } from '../../../src/collector/statistics/suppression.ts';

const values = (counts: Readonly<Record<string, number>>): ValueCount[] =>
  Object.entries(counts).map(([value, clusters]) => ({ value, clusters }));
const sum = (counts: readonly ValueCount[]) => counts.reduce((all, { clusters }) => all + clusters, 0);

/** Each cluster has one value; `silent` clusters have none. */
function hide(counts: Readonly<Record<string, number>>, silent = 0, smallest = 5) {
  const all = values(counts);
  return hideSmallGroups({ reporting: sum(all), active: sum(all) + silent, values: all }, smallest);
}

describe('small groups', () => {
  test('a group of the smallest size is shown, a smaller one is hidden', () => {
    expect(hide({ a: 5, b: 20 })).toEqual({ reporting: 25, shown: values({ a: 5, b: 20 }) });
    expect(hide({ a: 4, b: 3, c: 20 }).shown).toEqual(values({ c: 20 }));
  });

  test('a single hidden value takes the smallest shown one with it', () => {
    expect(hide({ a: 4, b: 9, c: 20 })).toEqual({
      reporting: 33,
      shown: values({ c: 20 }),
      hidden: { clusters: 13, nodes: 0 },
    });
  });

  test('hidden values of fewer clusters than the smallest group in all take another with them', () => {
    expect(hide({ a: 1, b: 1, c: 9, d: 20 }).hidden).toEqual({ clusters: 11, nodes: 0 });
  });

  test('nothing is told where fewer clusters report than the smallest group', () => {
    expect(hide({ a: 4 }, 100)).toEqual({ reporting: 0, shown: [] });
  });

  test('values that were not stored one by one may be of any coarse value, so none is told by subtraction', () => {
    // One cluster has a version of 1.31 that is not stored: "1.31" has 101 clusters.
    const { shown, hidden } = hideSmallGroups(
      {
        reporting: 171,
        active: 171,
        values: values({ '1.31.1': 90, '1.31.2': 10, '1.30.1': 50, '1.30.2': 20 }),
        rest: { clusters: 1 },
        coarseOf: (value) => value.slice(0, 4),
        shownCoarse: new Set(['1.31', '1.30']),
      },
      5,
    );
    expect(shown).toEqual(values({ '1.31.1': 90, '1.30.1': 50 }));
    expect(hidden?.clusters).toBe(31);
  });

  test('few clusters that do not report the value are hidden with another value', () => {
    expect(hide({ a: 9, b: 20 }, 2)).toEqual({
      reporting: 31,
      shown: values({ b: 20 }),
      hidden: { clusters: 11, nodes: 0 },
    });
  });

  test('fine values are hidden so that the shown coarse value minus the shown fine ones is no small number', () => {
    const fine = values({ '1.31.4': 18, '1.31.5': 9, '1.31.6': 2, '1.30.1': 3, '1.30.2': 4, '1.29.0': 20 });
    const coarseOf = (value: string) => value.slice(0, 4);
    const shownCoarse = new Set(['1.31', '1.30', '1.29']);
    const { shown, hidden } = hideSmallGroups({ reporting: 56, active: 56, values: fine, coarseOf, shownCoarse }, 5);
    expect(shown).toEqual(values({ '1.31.4': 18, '1.29.0': 20 }));
    expect(hidden).toEqual({ clusters: 18, nodes: 0 });
  });

  test('fine values of a hidden coarse value are hidden', () => {
    const fine = values({ '1.31.4': 18, '1.30.1': 30 });
    const { shown } = hideSmallGroups(
      {
        reporting: 48,
        active: 48,
        values: fine,
        coarseOf: (value) => value.slice(0, 4),
        shownCoarse: new Set(['1.30']),
      },
      5,
    );
    expect(shown).toEqual([]);
  });
});

const counts = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), fc.integer({ min: 1, max: 30 }), {
  minKeys: 1,
});
const smallestGroup = fc.integer({ min: 3, max: 10 });

test('no subtraction of shown numbers from each other or from the totals returns a small number', () => {
  fc.assert(
    fc.property(counts, fc.nat(30), smallestGroup, (all, silent, smallest) => {
      const { reporting, shown, hidden } = hide(all, silent, smallest);
      expect(shown.every(({ clusters }) => clusters >= smallest)).toBe(true);
      const rest = reporting - sum(shown);
      expect(rest === 0 || rest >= smallest).toBe(true);
      expect(rest).toBe(reporting === 0 ? 0 : (hidden?.clusters ?? 0));
      const active = sum(values(all)) + silent;
      const told = active - reporting;
      expect(told === 0 || told >= smallest || reporting === 0).toBe(true);
    }),
  );
});

test('for each small value there is another world with the same answer, in which it has another number of clusters', () => {
  fc.assert(
    fc.property(
      counts,
      fc.integer({ min: 0, max: 3 }).map((few) => few * 20),
      smallestGroup,
      (all, silent, smallest) => {
        const answer = JSON.stringify(hide(all, silent, smallest));
        const shown = new Set(hide(all, silent, smallest).shown.map(({ value }) => value));
        const hiddenNames = Object.keys(all).filter((name) => !shown.has(name));
        for (const name of hiddenNames.filter((each) => (all[each] ?? 0) < smallest)) {
          const worlds = hiddenNames
            .filter((other) => other !== name)
            .flatMap((other) => [
              { ...all, [name]: (all[name] ?? 0) + 1, [other]: (all[other] ?? 0) - 1 },
              { ...all, [name]: (all[name] ?? 0) - 1, [other]: (all[other] ?? 0) + 1 },
            ])
            .filter((world) => Object.values(world).every((count) => count >= 0));
          // A value that is not known to exist may have one of the clusters.
          worlds.push({ ...all, [name]: (all[name] ?? 0) - 1, z: 1 });
          // The few clusters of an answer that is hidden as a whole may also be fewer.
          worlds.push({ ...all, [name]: (all[name] ?? 0) + 1 }, { ...all, [name]: (all[name] ?? 0) - 1 });
          expect(worlds.some((world) => JSON.stringify(hide(world, silent, smallest)) === answer)).toBe(true);
        }
      },
    ),
    { numRuns: 1_000 },
  );
});

test('small buckets of sizes are joined with their neighbours', () => {
  const bucket = (atLeast: number, clusters: number) => ({ atLeast, clusters });
  expect(joinSmallBuckets([bucket(1, 9), bucket(2, 5), bucket(4, 4), bucket(8, 1), bucket(16, 1)], 5)).toEqual([
    bucket(1, 9),
    bucket(2, 5),
    bucket(4, 6),
  ]);
  expect(joinSmallBuckets([bucket(1, 2), bucket(2, 5)], 5)).toEqual([bucket(1, 7)]);
  expect(joinSmallBuckets([bucket(1, 2), bucket(2, 2)], 5)).toEqual([]);
});
