import { type Chart, widthOf } from '../chart.ts';
import { s } from '../element.ts';
import { dayNumber, formatDay, formatNumber, formatShortDay } from '../format.ts';
import { linear } from '../scales.ts';
import { createTimeDrawing, createTimeFrame } from './time-frame.ts';

export interface Flows {
  readonly days: readonly string[];
  readonly came: readonly number[];
  readonly returned: readonly number[];
  readonly lost: readonly number[];
}

interface Period {
  readonly from: string;
  readonly to: string;
  readonly came: number;
  readonly returned: number;
  readonly lost: number;
}

const HEIGHT = 240;
const CAME = 0;
const RETURNED = 1;
const LOST = 6;

/** Columns above zero for clusters that came, and below zero for those that were lost; one for each week, or four weeks. */
export function createFlows(flows: Flows): Chart {
  const periods = toPeriods(flows);
  return {
    draw(width) {
      const max = Math.max(...periods.map(({ came, returned }) => came + returned), 0);
      const min = Math.min(...periods.map(({ lost }) => -lost), 0);
      const names = ['new', 'returned', 'lost'];
      const labelWidth = Math.max(...names.map((name) => widthOf(name, 600))) + 24;
      const days = periods.map(({ to }) => to);
      const first = periods[0]?.from ?? '';
      const axisDays = [first, ...days];
      const formatTick = (value: number): string => formatNumber(Math.abs(value));
      const axes = { days: axisDays, max, min, leastStep: 1, labelWidth, formatTick };
      const frame = createTimeFrame({ width, height: HEIGHT, ...axes });
      const { svg, y, left, right } = frame;
      const x = linear([0, periods.length], [left, right]);
      const gap = periods.length > 40 ? 1 : 2;
      periods.forEach(({ came, returned, lost }, index) => {
        const size = { x: x(index) + gap / 2, width: Math.max(x(index + 1) - x(index) - gap, 1) };
        const column = (from: number, to: number, colour: number): SVGRectElement =>
          s('rect', { ...size, y: y(to), height: Math.max(y(from) - y(to), 0), class: `bar c${colour}` });
        svg.append(column(0, came, CAME), column(came, came + returned, RETURNED), column(-lost, 0, LOST));
      });
      const zero = y(0);
      const label = (at: number, name: string, colour: number): SVGElement[] => [
        s('rect', { x: right + 9, y: at - 9, width: 9, height: 9, rx: 2, class: `bar c${colour}` }),
        s('text', { x: right + 22, y: at, class: 'label' }, name),
      ];
      if (max > 0) svg.append(...label(zero - 28, 'returned', RETURNED), ...label(zero - 8, 'new', CAME));
      if (min < 0) svg.append(...label(zero + 20, 'lost', LOST));
      const points = periods.map(({ from, to, came, returned, lost }, index) => ({
        x: x(index + 0.5),
        y: y(came + returned),
        title: from === to ? formatDay(to) : `${formatShortDay(from)} to ${formatDay(to)}`,
        rows: [
          { colour: CAME, name: 'New', value: formatNumber(came) },
          { colour: RETURNED, name: 'Returned', value: formatNumber(returned) },
          { colour: LOST, name: 'Lost', value: formatNumber(lost) },
        ],
      }));
      const middles = new Map(days.map((day, index) => [day, points[index]?.x ?? 0]));
      return createTimeDrawing({ ...frame, x: (day) => middles.get(day) ?? 0 }, days, points, () => []);
    },
    table: () => ({
      columns: ['From', 'To', 'New', 'Returned', 'Lost'],
      rows: periods.map(({ from, to, came, returned, lost }) => [from, to, came, returned, lost]).toReversed(),
    }),
  };
}

/** Whole periods that end with the last day; what is left at the start is not a whole one, and is left out if there are others. */
function toPeriods({ days, came, returned, lost }: Flows): readonly Period[] {
  const first = days[0];
  const last = days.at(-1);
  if (first === undefined || last === undefined) return [];
  const span = dayNumber(last) - dayNumber(first) + 1;
  const length = span <= 45 ? 1 : span <= 400 ? 7 : 28;
  const periods = new Map<number, Period>();
  days.forEach((day, index) => {
    const key = Math.floor((dayNumber(last) - dayNumber(day)) / length);
    const before = periods.get(key) ?? { from: day, came: 0, returned: 0, lost: 0 };
    periods.set(key, {
      from: before.from,
      to: day,
      came: before.came + (came[index] ?? 0),
      returned: before.returned + (returned[index] ?? 0),
      lost: before.lost + (lost[index] ?? 0),
    });
  });
  const whole = [...periods.values()].filter(({ from, to }) => dayNumber(to) - dayNumber(from) === length - 1);
  return whole.length > 1 ? whole : [...periods.values()];
}
