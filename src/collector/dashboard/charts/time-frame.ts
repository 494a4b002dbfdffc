import { drawingFrame, type Drawing, type Point, widthOf } from '../chart.ts';
import { s } from '../element.ts';
import { dayNumber } from '../format.ts';
import { linear, nearestIndex, niceTicks, timeTicks } from '../scales.ts';

const TOP = 12;
const BOTTOM = 28;
const NARROW = 480;

export interface TimeFrameOptions {
  readonly width: number;
  readonly height: number;
  readonly days: readonly string[];
  /** The largest and, below zero, the smallest value. */
  readonly max: number;
  readonly min?: number;
  /** Between two lines: 1 for numbers of clusters. */
  readonly leastStep?: number;
  /** The space for labels behind the last day. */
  readonly labelWidth: number;
  readonly formatTick: (value: number) => string;
}

/** The axes of a chart over time: horizontal lines at round numbers, and ticks at round dates. */
export function createTimeFrame(options: TimeFrameOptions) {
  const { width, height, days, max, min = 0, leastStep = 0, labelWidth, formatTick } = options;
  const svg = drawingFrame(width, height);
  const ticks = niceTicks([min, max], 4, leastStep);
  const left = Math.ceil(Math.max(...ticks.map((tick) => widthOf(formatTick(tick))))) + 10;
  const right = Math.max(width - labelWidth, left + 40);
  const bottom = height - BOTTOM;
  const y = linear([ticks[0] ?? 0, ticks.at(-1) ?? 1], [bottom, TOP]);
  const first = days[0] ?? '';
  const last = days.at(-1) ?? '';
  const toX = linear([dayNumber(first), dayNumber(last)], [left, right]);
  const x = (day: string): number => toX(dayNumber(day));
  for (const tick of ticks) {
    const at = Math.round(y(tick)) + 0.5;
    svg.append(
      s('line', { x1: left, x2: right, y1: at, y2: at, class: tick === 0 ? 'axis' : 'grid' }),
      s('text', { x: left - 8, y: at + 4, class: 'tick end' }, formatTick(tick)),
    );
  }
  const most = Math.max(2, Math.floor((right - left) / (width < NARROW ? 58 : 76)));
  for (const { day, label, isYear } of timeTicks(first, last, most)) {
    const at = x(day);
    const half = widthOf(label) / 2;
    const middle = Math.min(Math.max(at, half), width - half);
    svg.append(
      s('line', { x1: at, x2: at, y1: bottom, y2: bottom + 5, class: 'axis' }),
      s('text', { x: middle, y: bottom + 20, class: isYear ? 'tick middle year' : 'tick middle' }, label),
    );
  }
  return { svg, x, y, left, right, top: TOP, bottom };
}

/** A drawing whose points are days, with a vertical line at the marked one. */
export function createTimeDrawing(
  { svg, x, top, bottom, left, right }: Omit<ReturnType<typeof createTimeFrame>, 'y'>,
  days: readonly string[],
  points: readonly Point[],
  dots: (index: number) => readonly { readonly y: number; readonly colour: number }[],
): Drawing {
  const marker = s('g', { class: 'marker' });
  svg.append(marker);
  const positions = days.map(x);
  return {
    svg,
    points,
    nearest: (at) => (at < left - 12 || at > right + 12 ? undefined : nearestIndex(positions, at)),
    mark(index) {
      const at = index === undefined ? undefined : positions[index];
      if (index === undefined || at === undefined) {
        marker.replaceChildren();
        return;
      }
      marker.replaceChildren(
        s('line', { x1: at, x2: at, y1: top, y2: bottom, class: 'rule' }),
        ...dots(index).map(({ y, colour }) => s('circle', { cx: at, cy: y, r: 4, class: `dot c${colour}` })),
      );
    },
  };
}
