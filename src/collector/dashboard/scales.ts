import { addDays, dayNumber, formatShortDay, formatShortMonth } from './format.ts';

export type Scale = (value: number) => number;

export function linear([from, to]: readonly [number, number], [start, end]: readonly [number, number]): Scale {
  const span = to - from;
  return (value) => (span === 0 ? (start + end) / 2 : start + ((value - from) / span) * (end - start));
}

/** Round numbers that are at least `leastStep` apart, from `min` or less to `max` or more, with 0; about `count` of them. */
export function niceTicks([min, max]: readonly [number, number], count: number, leastStep = 0): readonly number[] {
  const step = niceStep(Math.max(max - min, leastStep), count, leastStep);
  const steps = (value: number): number => Math.ceil(value / step - 1e-9);
  const [below, above] = [steps(Math.max(-min, 0)), Math.max(steps(max), min < 0 ? 0 : 1)];
  return Array.from({ length: below + above + 1 }, (_, index) => Number(((index - below) * step).toPrecision(12)));
}

function niceStep(span: number, count: number, leastStep: number): number {
  const rough = Math.max(span, 1e-9) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  // A little more than `count` is better than much unused space.
  const isWhole = (step: number): boolean => leastStep === 0 || Number.isInteger(step / leastStep);
  const factor =
    [1, 2, 2.5, 5, 10].find((each) => each * power >= rough / 1.3 && isWhole(each * power)) ?? Math.max(10, 1 / power);
  return Math.max(factor * power, leastStep);
}

export interface TimeTick {
  readonly day: string;
  readonly label: string;
  readonly isYear: boolean;
}

const MONTH_STEPS = [1, 2, 3, 6, 12, 24, 60];
const DAY_STEPS = [1, 2, 7, 14];

/** Starts of months, or days where the range is short; at most `most` of them. */
export function timeTicks(first: string, last: string, most: number): readonly TimeTick[] {
  const days = dayNumber(last) - dayNumber(first);
  if (days <= 75) {
    const step = DAY_STEPS.find((each) => days / each + 1 <= most) ?? 28;
    return Array.from({ length: Math.floor(days / step) + 1 }, (_, index) => {
      const day = addDays(last, -step * index);
      return { day, label: formatShortDay(day), isYear: false };
    }).toReversed();
  }
  const step = MONTH_STEPS.find((each) => days / 30.4 / each <= most) ?? 120;
  const ticks: TimeTick[] = [];
  for (let year = Number(first.slice(0, 4)), month = 0; ; month += step) {
    const at = year * 12 + month;
    const day = `${Math.floor(at / 12)}-${String((at % 12) + 1).padStart(2, '0')}-01`;
    if (day > last) return ticks;
    if (day < first) continue;
    const isYear = day.slice(5, 7) === '01';
    ticks.push({ day, label: isYear ? day.slice(0, 4) : formatShortMonth(day), isYear });
  }
}

/**
 * Moves labels apart so that they do not overlap, as little as possible.
 *
 * @param wanted ascending positions
 * @returns one position for each, within the bounds as long as there is space
 */
export function spread(wanted: readonly number[], gap: number, [low, high]: readonly [number, number]): number[] {
  const placed: number[] = [];
  for (const position of wanted) placed.push(Math.max(position, (placed.at(-1) ?? low - gap) + gap));
  let limit = high;
  for (let index = placed.length - 1; index >= 0; index -= 1) {
    placed[index] = Math.min(placed[index] ?? 0, limit);
    limit = (placed[index] ?? 0) - gap;
  }
  return placed;
}

/** The position of the entry that is nearest to a value; -1 in an empty list. */
export function nearestIndex(entries: readonly number[], value: number): number {
  const distances = entries.map((entry) => Math.abs(entry - value));
  return distances.lastIndexOf(Math.min(...distances));
}
