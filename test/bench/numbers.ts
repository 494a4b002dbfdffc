import type { Spread } from './rounds.ts';

/** Three significant digits; whole numbers with thousands. */
export function formatNumber(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(Number(value.toPrecision(3))).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

/** Such as "1.52 (1.47 to 1.6)". */
export function formatSpread({ median, least, greatest }: Spread): string {
  return `${formatNumber(median)} (${formatNumber(least)} to ${formatNumber(greatest)})`;
}
