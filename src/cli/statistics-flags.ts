import { LEAST_SMALLEST_GROUP } from '../collector/statistics/figures.ts';
import { parseCount } from './values.ts';

export function parseSmallestGroup(text: string): number {
  return parseCount(text, LEAST_SMALLEST_GROUP);
}

/** Clusters are kept for a year after their last report. */
const MOST_ACTIVE_DAYS = 365;

export function parseActiveDays(text: string): number {
  const days = parseCount(text, 1);
  if (days <= MOST_ACTIVE_DAYS) return days;
  throw new Error(`${JSON.stringify(text)} is too long: use 1 to ${MOST_ACTIVE_DAYS} days`);
}
