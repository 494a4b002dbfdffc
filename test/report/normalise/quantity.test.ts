import { expect, test } from 'vitest';
import { roundQuantity } from '../../../src/report/normalise/quantity.ts';

test.each([
  ['15437428Ki', '15000000Ki'],
  ['15537428Ki', '16000000Ki'],
  ['995Mi', '1000Mi'],
  ['125Gi', '130Gi'],
  ['124Gi', '120Gi'],
  ['1.25Gi', '1.3Gi'],
  ['1.2345Gi', '1.2Gi'],
  ['0.0125Gi', '0.013Gi'],
  ['.125Gi', '0.13Gi'],
  ['99.95Gi', '100Gi'],
  ['1234', '1200'],
  ['1000.5', '1000'],
  ['-1234', '-1200'],
  ['+1950Mi', '+2000Mi'],
  ['0012345Ki', '12000Ki'],
  ['10203Ki', '10000Ki'],
  ['12345e3', '12000e3'],
])('%s is rounded to two significant digits: %s', (quantity, rounded) => {
  expect(roundQuantity(quantity)).toBe(rounded);
});

test.each([
  ['a count below 1,000', '999'],
  ['a fraction of a count below 1,000', '1.256'],
  ['a count below 1 without digits before the point', '.125'],
  ['a number of two digits', '12Ki'],
  ['one of two significant digits', '0.0012Gi'],
  ['a number of two digits after a zero', '012Ki'],
  ['zero', '0'],
  ['nothing', ''],
  ['what is no quantity', 'about 123456 Ki'],
  ['two numbers', '12 34567'],
  ['a unit alone', 'Ki'],
])('%s stays as it is: %s', (_what, quantity) => {
  expect(roundQuantity(quantity)).toBe(quantity);
});
