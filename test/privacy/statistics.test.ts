import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { roundQuantity } from '../../src/report/normalise/quantity.ts';
import { startOfHour } from '../../src/report/report-id.ts';

// Statistics lose nothing by coarser values: distributions and sums of generated populations, exact and as they are sent.

const PERCENTILES = [1, 5, 10, 25, 50, 75, 90, 95, 99];

function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.floor(((sorted.length - 1) * percent) / 100)] ?? 0;
}

const ascending = (values: readonly number[]) => values.toSorted((a, b) => a - b);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Memory of nodes from 1 GiB to 4 TiB, in Ki, with the same number of nodes at each order of magnitude. */
const memoryKi = fc.double({ min: 20, max: 32, noNaN: true }).map((power) => Math.floor(2 ** power));
const population = fc.array(memoryKi, { minLength: 500, maxLength: 2000 });

test('each percentile of the memory of nodes is within 5 % of the exact one, and the sum within 1 %', () => {
  fc.assert(
    fc.property(population, (exact) => {
      const sent = exact.map((ki) => Number(roundQuantity(`${ki}Ki`).slice(0, -2)));
      const [exactSorted, sentSorted] = [ascending(exact), ascending(sent)];

      for (const percent of PERCENTILES) {
        const [truth, found] = [percentile(exactSorted, percent), percentile(sentSorted, percent)];
        expect(Math.abs(found - truth) / truth).toBeLessThanOrEqual(0.05);
      }
      expect(Math.abs(sum(sent) - sum(exact)) / sum(exact)).toBeLessThanOrEqual(0.01);
    }),
    { numRuns: 50 },
  );
});

test('machines of one size stay together, and machines of different sizes apart', () => {
  // The memory of an instance of 16 GB differs with its kernel; that of 32 GB is another.
  const sizes = (gib: number) =>
    Array.from({ length: 50 }, (_, index) => gib * 2 ** 20 - 300_000 * (gib / 16) - index * 997);
  const sent = (gib: number) => new Set(sizes(gib).map((ki) => roundQuantity(`${ki}Ki`)));

  expect(sent(16)).toStrictEqual(new Set(['16000000Ki']));
  expect(sent(32)).toStrictEqual(new Set(['33000000Ki']));
});

test('a report is counted on the same day, in the same week and in the same month as at its exact time', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true }), (time) => {
      const hour = startOfHour(time);
      expect(hour.toISOString().slice(0, 13)).toBe(time.toISOString().slice(0, 13));
      expect(hour.toISOString().slice(13)).toBe(':00:00.000Z');
    }),
  );
});

test.each([
  ['15437428Ki', '15000000Ki'],
  ['15500000Ki', '16000000Ki'],
  ['99600Ki', '100000Ki'],
  ['999Mi', '1000Mi'],
  ['1.25Gi', '1.3Gi'],
  ['0.0123Gi', '0.012Gi'],
  ['16378642432', '16000000000'],
  ['16Gi', '16Gi'],
  ['3920m', '3900m'],
  ['0', '0'],
  ['110', '110'],
  ['999', '999'],
  ['1234', '1200'],
  ['-1234', '-1200'],
  ['1e3', '1e3'],
  ['123e6', '120e6'],
  ['', ''],
  ['jane', 'jane'],
])('the quantity %j is sent as %j', (quantity, sent) => {
  expect(roundQuantity(quantity)).toBe(sent);
});

test('a rounded quantity stays as it is when it is rounded again', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 18n }), fc.constantFrom('', 'Ki', 'Mi', 'm', 'e3'), (number, unit) => {
      const once = roundQuantity(`${number}${unit}`);
      expect(roundQuantity(once)).toBe(once);
    }),
  );
});
