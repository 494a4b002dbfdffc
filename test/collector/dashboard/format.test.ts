import { expect, test } from 'vitest';
import {
  formatAge,
  formatAmount,
  formatChange,
  formatDays,
  formatPoints,
  formatShare,
  formatSizes,
} from '../../../src/collector/dashboard/format.ts';

const plain = (text: string): string => text.replaceAll('\u202f', ' ').replaceAll('\u2212', '-');

test.each([
  [0, '0 %'],
  [0.0004, '< 0.1 %'],
  [0.0071, '0.7 %'],
  [0.0096, '1 %'],
  [0.4949, '49 %'],
  [1, '100 %'],
])('the share %d is %s', (share, text) => {
  expect(plain(formatShare(share))).toBe(text);
});

test.each([
  [0.0004, '±0'],
  [0.01, '+1.0'],
  [-0.0214, '-2.1'],
  [0.4, '+40'],
])('the difference %d is %s points', (difference, text) => {
  expect(plain(formatPoints(difference))).toBe(text);
});

test.each([
  [1_234, '+1,234'],
  [-5, '-5'],
  [0, '±0'],
])('the change %d is %s', (change, text) => {
  expect(plain(formatChange(change))).toBe(text);
});

test.each([
  [2 ** 40 * 1.15, 'bytes', '1.2 TiB'],
  [0, 'bytes', '0 B'],
  [1, 'cores', '1 core'],
  [290_000, 'cores', '290,000 cores'],
  [2_300_000, '', '2.3 million'],
])('the amount %d %s is %s', (value, unit, text) => {
  expect(plain(formatAmount(value, unit))).toBe(text);
});

test.each([
  [1, '1 day'],
  [59, '59 days'],
  [122, '4 months'],
  [730, '2 years'],
])('%d days are %s', (days, text) => {
  expect(formatDays(days)).toBe(text);
});

test.each([
  [1, 2, '1'],
  [2, 4, '2–3'],
  [1_024, undefined, '1,024+'],
])('sizes from %d to before %s are %s', (atLeast, next, text) => {
  expect(formatSizes(atLeast, next)).toBe(text);
});

test.each([
  [30, 'just now'],
  [61, 'a minute ago'],
  [3_599, '59 minutes ago'],
  [5_400, '2 hours ago'],
  [200_000, '2 days ago'],
])('%d seconds are %s', (seconds, text) => {
  const now = new Date('2026-11-21T12:00:00Z');
  expect(formatAge(new Date(now.getTime() - seconds * 1000), now)).toBe(text);
});
