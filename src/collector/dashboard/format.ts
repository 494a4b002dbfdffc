/** The page has one language, so its numbers and dates have one form, whatever the browser's. */
const LOCALE = 'en-GB';
const WHOLE = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const PRECISE = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1 });
/** The service rounds percentiles to two digits, and sums to two or three. */
const SIGNIFICANT = new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 2 });
const DAY = new Intl.DateTimeFormat(LOCALE, { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' });
const SHORT_DAY = new Intl.DateTimeFormat(LOCALE, { day: 'numeric', month: 'short', timeZone: 'UTC' });
const SHORT_MONTH = new Intl.DateTimeFormat(LOCALE, { month: 'short', timeZone: 'UTC' });
const MONTH = new Intl.DateTimeFormat(LOCALE, { month: 'long', year: 'numeric', timeZone: 'UTC' });

const DAY_MS = 86_400_000;
const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
const MINUS = '\u2212';
/** Between a number and its unit, which must not be on different lines. */
const NARROW_SPACE = '\u202f';

export function formatNumber(value: number): string {
  return WHOLE.format(value).replace('-', MINUS);
}

/** Such as "34 %"; shares below one per cent have a decimal, and those that are almost nothing say so. */
export function formatShare(share: number): string {
  const percent = share * 100;
  if (percent > 0 && percent < 0.1) return `<${NARROW_SPACE}0.1${NARROW_SPACE}%`;
  const text = percent > 0 && percent < 0.95 ? PRECISE.format(percent) : WHOLE.format(percent);
  return `${text}${NARROW_SPACE}%`;
}

/** With a decimal, for tables: "34.2 %". */
export function formatExactShare(share: number): string {
  return `${(share * 100).toFixed(1)}${NARROW_SPACE}%`;
}

/** Such as "+120", "−5" or "±0". */
export function formatChange(change: number): string {
  if (Math.round(change) === 0) return '±0';
  return change > 0 ? `+${formatNumber(change)}` : formatNumber(change);
}

/** The difference of two shares in percentage points, such as "+2.1"; "±0" where it is less than a tenth. */
export function formatPoints(difference: number): string {
  const points = Math.round(difference * 1000) / 10;
  if (points === 0) return '±0';
  const size = Math.abs(points);
  return `${points > 0 ? '+' : MINUS}${size >= 10 ? WHOLE.format(size) : size.toFixed(1)}`;
}

/** An amount with its unit: "48.2 TiB", "1.2 million cores", "310". */
export function formatAmount(value: number, unit: string): string {
  if (unit === 'bytes') {
    const power = value < 1 ? 0 : Math.min(Math.floor(Math.log2(value) / 10), BINARY_UNITS.length - 1);
    return `${SIGNIFICANT.format(value / 1024 ** power)}${NARROW_SPACE}${BINARY_UNITS[power]}`;
  }
  const word = unit === 'cores' && value === 1 ? 'core' : unit;
  return `${formatLarge(value)}${word === '' ? '' : ` ${word}`}`;
}

/** In words from a million on. */
function formatLarge(value: number): string {
  if (value >= 1e9) return `${SIGNIFICANT.format(value / 1e9)} billion`;
  if (value >= 1e6) return `${SIGNIFICANT.format(value / 1e6)} million`;
  return value >= 100 ? formatNumber(value) : SIGNIFICANT.format(value);
}

/** Such as "21 November 2026". */
export function formatDay(day: string): string {
  return DAY.format(dateOf(day));
}

/** Such as "21 Nov". */
export function formatShortDay(day: string): string {
  return SHORT_DAY.format(dateOf(day));
}

/** Such as "Nov". */
export function formatShortMonth(day: string): string {
  return SHORT_MONTH.format(dateOf(day)).slice(0, 3);
}

/** Such as "November 2026", of "2026-11". */
export function formatMonth(month: string): string {
  return MONTH.format(dateOf(`${month}-01`));
}

/** A time in days, in the unit that people would use: "12 days", "5 months", "1.5 years". */
export function formatDays(days: number): string {
  if (days < 60) return days === 1 ? '1 day' : `${formatNumber(days)} days`;
  const months = days / 30.44;
  if (months < 23.5) return `${formatNumber(months)} months`;
  return `${PRECISE.format(days / 365.25)} years`;
}

/** Such as "3 minutes ago". */
export function formatAge(from: Date, now: Date): string {
  const minutes = Math.floor((now.getTime() - from.getTime()) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return minutes === 1 ? 'a minute ago' : `${minutes} minutes ago`;
  const hours = Math.round(minutes / 60);
  if (hours < 48) return hours === 1 ? 'an hour ago' : `${hours} hours ago`;
  return `${formatNumber(hours / 24)} days ago`;
}

/** "2 values", "1 value". */
export function plural(count: number, one: string, many: string = `${one}s`): string {
  return `${formatNumber(count)} ${count === 1 ? one : many}`;
}

export function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Sizes from this bound to the next: "1", "2–3", "64–127", "1,024+". */
export function formatSizes(atLeast: number, next: number | undefined): string {
  if (next === undefined) return `${formatNumber(atLeast)}+`;
  return next - atLeast <= 1 ? formatNumber(atLeast) : `${formatNumber(atLeast)}–${formatNumber(next - 1)}`;
}

export function addDays(day: string, days: number): string {
  return new Date(timeOf(day) + days * DAY_MS).toISOString().slice(0, 10);
}

/** Days since 1970. */
export function dayNumber(day: string): number {
  return timeOf(day) / DAY_MS;
}

function dateOf(day: string): Date {
  return new Date(timeOf(day));
}

function timeOf(day: string): number {
  return Date.parse(`${day}T00:00:00Z`);
}
