/** A date in UTC, such as "2026-11-21". Days are ordered as their texts are. */
export type Day = string;

export const DAY_MS = 86_400_000;

/** No report is of an earlier day, because Kubernetes 1.0 is of that year; documents that were inserted by hand may say otherwise. */
const FIRST_DAY: Day = '2015-01-01';

export function isPlausibleDay(day: Day): boolean {
  return day >= FIRST_DAY;
}

/** @returns undefined for a text that is no date, such as "2026-02-30" */
export function parseDay(text: string): Day | undefined {
  const date = /^\d{4}-\d{2}-\d{2}$/.test(text) ? startOfDay(text) : undefined;
  return date !== undefined && !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text) ? text : undefined;
}

/** At least the first plausible day. */
export function latestDay(...days: readonly Day[]): Day {
  return days.reduce((latest, day) => (day > latest ? day : latest), FIRST_DAY);
}

let lastIndex = Number.NaN;
let lastDay: Day = '';

/** Remembers the last day, because most reports are of today. */
export function dayOf(date: Date): Day {
  const index = Math.floor(date.getTime() / DAY_MS);
  if (index !== lastIndex) {
    lastDay = date.toISOString().slice(0, 10);
    lastIndex = index;
  }
  return lastDay;
}

export function startOfDay(day: Day): Date {
  return new Date(`${day}T00:00:00Z`);
}

export function addDays(day: Day, days: number): Day {
  return dayOf(new Date(startOfDay(day).getTime() + days * DAY_MS));
}

export function daysBetween(from: Day, to: Day): number {
  return Math.round((startOfDay(to).getTime() - startOfDay(from).getTime()) / DAY_MS);
}

/** All days from the first to the last one, both included. */
export function listDays(from: Day, to: Day): Day[] {
  return Array.from({ length: Math.max(0, daysBetween(from, to) + 1) }, (_, index) => addDays(from, index));
}

/** Such as "2026-11". */
export function monthOf(day: Day): string {
  return day.slice(0, 7);
}

export function addMonths(month: string, months: number): string {
  const index = Number(month.slice(0, 4)) * 12 + Number(month.slice(5)) - 1 + months;
  return `${String(Math.floor(index / 12)).padStart(4, '0')}-${String((index % 12) + 1).padStart(2, '0')}`;
}

export function monthsBetween(from: string, to: string): number {
  return (Number(to.slice(0, 4)) - Number(from.slice(0, 4))) * 12 + Number(to.slice(5)) - Number(from.slice(5));
}
