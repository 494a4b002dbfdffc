import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createAmountRounding, createRounding } from '../../../src/collector/statistics/rounding.ts';

const key = Buffer.alloc(32, 7);

describe('random rounding', () => {
  test('returns the multiple below or above, and multiples as they are', () => {
    const round = createRounding(key, 5);
    fc.assert(
      fc.property(fc.nat(100_000), fc.string(), (count, label) => {
        const rounded = round(count, label);
        expect(rounded % 5).toBe(0);
        expect(Math.abs(rounded - count)).toBeLessThan(5);
        expect(round(count, label)).toBe(rounded);
        expect(round(count * 5, label)).toBe(count * 5);
      }),
    );
  });

  test('rounds a series as each of its numbers', () => {
    const counts = Array.from({ length: 200 }, (_, index) => (index * 37) % 211);
    for (const round of [createRounding(key, 5), createRounding(key, 1), createAmountRounding(key, 5, 2)])
      expect(round.all(counts, 'label')).toEqual(counts.map((count) => round(count, 'label')));
    expect(createRounding(key, 5).all([], 'label')).toEqual([]);
  });

  test('keeps the expected value', () => {
    const round = createRounding(key, 5);
    const labels = Array.from({ length: 10_000 }, (_, index) => `label ${index}`);
    for (const count of [11, 12, 13, 14]) {
      const mean = labels.reduce((sum, label) => sum + round(count, label), 0) / labels.length;
      expect(Math.abs(mean - count)).toBeLessThan(0.15);
    }
  });

  test('an increase by one can be seen as a decrease, so that a change does not tell its direction', () => {
    const round = createRounding(key, 5);
    const differences = new Set(
      Array.from({ length: 500 }, (_, index) => round(13, `l${index}`) - round(12, `l${index}`)),
    );
    expect(differences).toEqual(new Set([-5, 0, 5]));
  });

  test('another key rounds differently', () => {
    const rounded = (by: Uint8Array) =>
      Array.from({ length: 100 }, (_, index) => createRounding(by, 5)(12, `${index}`));
    expect(rounded(key)).not.toEqual(rounded(Buffer.alloc(32, 8)));
  });

  test('a base of 1 keeps numbers as they are', () => {
    expect(createRounding(key, 1)(13, '')).toBe(13);
  });
});

describe('rounding of amounts', () => {
  test('keeps two significant digits', () => {
    const round = createAmountRounding(key, 0, 2);
    fc.assert(
      fc.property(fc.double({ min: 0.001, max: 1e18, noNaN: true }), (amount) => {
        const rounded = round(amount, '');
        expect(Number(rounded.toPrecision(2))).toBeCloseTo(rounded, 12);
        expect(Math.abs(rounded - amount) / amount).toBeLessThanOrEqual(0.1 + 1e-9);
      }),
    );
  });

  test('rounds to the least base at least', () => {
    const round = createAmountRounding(key, 5, 2);
    expect(new Set([1, 2, 3, 4].map((count) => round(count, 'few') % 5))).toEqual(new Set([0]));
    expect([4_000, 4_100]).toContain(round(4_012, ''));
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('returns 0 for %d', (amount) => {
    expect(createAmountRounding(key, 5, 2)(amount, '')).toBe(0);
  });
});
