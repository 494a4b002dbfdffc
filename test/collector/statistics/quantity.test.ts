import { expect, test } from 'vitest';
import { parseQuantity } from '../../../src/collector/statistics/quantity.ts';

/** From TestQuantityParse of Kubernetes (apimachinery, pkg/api/resource/quantity_test.go). Amounts below a billionth are not rounded up here. */
test.each<[string, number]>([
  ['0', 0],
  ['0n', 0],
  ['0u', 0],
  ['0m', 0],
  ['0Ki', 0],
  ['0k', 0],
  ['0Mi', 0],
  ['0M', 0],
  ['0Ti', 0],
  ['1', 1],
  ['1Ki', 1024],
  ['8Ki', 8 * 1024],
  ['7Mi', 7 * 1024 ** 2],
  ['6Gi', 6 * 1024 ** 3],
  ['5Ti', 5 * 1024 ** 4],
  ['4Pi', 4 * 1024 ** 5],
  ['3Ei', 3 * 1024 ** 6],
  ['100Ti', 100 * 1024 ** 4],
  ['5n', 5e-9],
  ['4u', 4e-6],
  ['3m', 0.003],
  ['100m', 0.1],
  ['9', 9],
  ['8k', 8e3],
  ['50k', 5e4],
  ['7M', 7e6],
  ['6G', 6e9],
  ['300T', 3e14],
  ['2P', 2e15],
  ['1E', 1e18],
  ['1E-3', 0.001],
  ['1e3', 1e3],
  ['1E6', 1e6],
  ['1e14', 1e14],
  ['1E18', 1e18],
  ['100.035k', 100_035],
  ['0.0005k', 0.5],
  ['0.00500', 0.005],
  ['0.5e-1', 0.05],
  ['0.5e0', 0.5],
  ['1.3E+6', 1.3e6],
  ['1.53E12', 1.53e12],
  ['9.01', 9.01],
  ['7.123456M', 7_123_456],
  ['6.987654321G', 6_987_654_321],
  ['1.01E', 1.01e18],
  ['100.035Ki', 102_435.84],
  ['0.5Mi', 512 * 1024],
  ['0.025Ti', 27_487_790_694.4],
  ['.001', 0.001],
  ['.0001k', 0.1],
  ['1.', 1],
  ['1.G', 1e9],
  ['+4', 4],
  ['-0', 0],
])('%s is %d', (text, value) => {
  expect(parseQuantity(text)).toBeCloseTo(value, 12);
  expect(Math.abs((parseQuantity(text) ?? Number.NaN) - value)).toBeLessThanOrEqual(Math.abs(value) * 1e-15);
});

test.each([
  '',
  '.',
  '-.',
  '1.1.M',
  '1+1.0M',
  '0.1mi',
  '0.1am',
  'aoeu',
  '.5i',
  '1i',
  '-3.01i',
  '1ki',
  '1 Gi',
  'Ki',
  '1e',
  '1e1.5',
  '1K',
])('the text %j is no quantity', (text) => {
  expect(parseQuantity(text)).toBeUndefined();
});

test.each(['-1', '-2Gi', '9Ei', '12E', '9223372036854775807Ki', '1e99', '1e9999', '9'.repeat(100)])(
  'the quantity %s, negative or absurd, is ignored',
  (text) => {
    expect(parseQuantity(text)).toBeUndefined();
  },
);
