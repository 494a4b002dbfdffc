import { addHatch, type Chart, fit, path, TEXT_SIZE, widthOf } from '../chart.ts';
import { colourOf, isLightColour } from '../colours.ts';
import { s } from '../element.ts';
import { formatDay } from '../format.ts';
import { spread } from '../scales.ts';
import { roundShare, shareColumnsOf } from '../table.ts';
import { createTimeDrawing, createTimeFrame } from './time-frame.ts';

export interface Band {
  readonly name: string;
  readonly isHidden?: boolean;
  /** One value for each day. */
  readonly values: readonly number[];
  /** The day on which support ends; empty where it is not known. */
  readonly supportEnds?: string;
  /**
   * The share that is told for the last day. Rounded groups do not add up to all clusters exactly, and other charts tell shares of all
   * clusters.
   */
  readonly lastShare?: number;
  /** Hatched on all days. */
  readonly isEnded?: boolean;
}

export interface AreasOptions {
  readonly days: readonly string[];
  /** From the bottom to the top. */
  readonly bands: readonly Band[];
  /** Whether each day's bands fill the height; otherwise they are as high as their values. */
  readonly isShare: boolean;
  readonly format: (value: number) => string;
  readonly formatTick: (value: number) => string;
  readonly unit: string;
}

const LABEL_GAP = TEXT_SIZE + 4;
/** A band that is as thick as this has space for its name. */
const NAME_HEIGHT = 18;
const LONGEST_NAME = 8;
const LEAST_SHARE = 0.004;

/** Bands on top of each other over time. Bands are hatched from the day on which the support of their version ends. */
export function createAreas({ days, bands, isShare, format, formatTick, unit }: AreasOptions): Chart {
  const totals = days.map((_, day) => bands.reduce((sum, { values }) => sum + (values[day] ?? 0), 0));
  const shown = (band: Band, day: number): number => {
    const value = band.values[day] ?? 0;
    return isShare ? value / Math.max(totals[day] ?? 0, 1e-9) : value;
  };
  const told = (band: Band, day: number): number =>
    isShare && day === last && band.lastShare !== undefined ? band.lastShare : shown(band, day);
  const last = days.length - 1;
  const stacked: { band: Band; from: number[]; to: number[] }[] = [];
  const base = days.map(() => 0);
  for (const band of bands) {
    const from = [...base];
    days.forEach((_, day) => (base[day] = (base[day] ?? 0) + shown(band, day)));
    stacked.push({ band, from, to: [...base] });
  }
  const classOf = ({ name, isHidden = false }: Band): string => (isHidden ? 'hidden-group' : `c${colourOf(name)}`);

  return {
    draw(width) {
      const isNarrow = width < 480;
      const height = isNarrow || width < 640 ? 280 : 380;
      const labels = stacked
        .filter(({ from, to }) => (to[last] ?? 0) - (from[last] ?? 0) > (isShare ? 1 : (base[last] ?? 0)) * LEAST_SHARE)
        .map(({ band, from, to }) => ({
          band,
          at: ((from[last] ?? 0) + (to[last] ?? 0)) / 2,
          value: told(band, last),
        }));
      const texts = labels.map(({ band, value }) => `${band.name} ${format(value)}`);
      const needed = Math.ceil(Math.max(0, ...texts.map((text) => widthOf(text, 600)))) + 24;
      const labelWidth = Math.min(needed, Math.round(width * 0.42));
      const max = isShare ? 1 : Math.max(...base, 1);
      const frame = createTimeFrame({ width, height, days, max, leastStep: isShare ? 0 : 1, labelWidth, formatTick });
      const { svg, x, y, left, right, top, bottom } = frame;
      const xs = days.map(x);
      const edge = (values: readonly number[]): [number, number][] =>
        xs.map((at, index) => [at, y(values[index] ?? 0)]);
      const hatch = addHatch(svg, 'hatch-line');
      const marks = s('g');
      for (const { band, from, to } of stacked) {
        svg.append(s('path', { d: outline(edge(to), edge(from)), class: `band ${classOf(band)}` }));
        const end = days.findIndex((day) => band.isEnded === true || hasEnded(band, day));
        if (end === -1) continue;
        const upper = edge(to).slice(end);
        const lower = edge(from).slice(end);
        svg.append(s('path', { d: outline(upper, lower), fill: hatch, stroke: 'none' }));
        const [[markX, markTop] = [0, 0]] = upper;
        const [[, markBottom] = [0, 0]] = lower;
        if (end > 0 && markBottom - markTop > 3)
          marks.append(s('line', { x1: markX, x2: markX, y1: markTop, y2: markBottom, class: 'support-end' }));
      }
      svg.append(marks);
      for (const { band, from, to } of stacked) {
        // Longer names have no space in most bands, and are beside them.
        if (band.isHidden === true || band.name.length > LONGEST_NAME) continue;
        const place = widest(xs, from, to, y, { left, right, space: widthOf(band.name, 600) / 2 + 6 });
        if (place === undefined || place.height < NAME_HEIGHT) continue;
        const tone = isLightColour(colourOf(band.name)) ? 'on-light' : 'on-dark';
        svg.append(s('text', { x: place.x, y: place.y + 4.5, class: `band-name middle ${tone}` }, band.name));
      }
      const sorted = labels.toSorted((one, other) => other.at - one.at);
      const wanted = sorted.map(({ at }) => y(at));
      const places = spread(wanted, LABEL_GAP, [top + 4, bottom - 4]);
      sorted.forEach(({ band, at, value }, index) => {
        const place = places[index] ?? 0;
        svg.append(
          s('path', { d: `M${right + 2} ${y(at)}L${right + 12} ${place}`, class: 'leader' }),
          s(
            'text',
            { x: right + 16, y: place + 4.5, class: 'label' },
            s('tspan', { class: 'value' }, format(value)),
            ` ${fit(band.name, labelWidth - 22 - widthOf(format(value), 600))}`,
          ),
        );
      });
      const points = days.map((day, index) => ({
        x: x(day),
        y: top,
        title: formatDay(day),
        rows: stacked
          .toReversed()
          .filter(({ band }) => (band.values[index] ?? 0) > 0)
          .map(({ band }) => ({
            colour: band.isHidden === true ? undefined : colourOf(band.name),
            name: `${band.name}${hasEnded(band, day) ? ' (support ended)' : ''}`,
            value: format(told(band, index)),
          })),
      }));
      return createTimeDrawing(frame, days, points, () => []);
    },
    table: () => ({
      shareColumns: shareColumnsOf(bands.length, isShare),
      columns: ['Day', ...bands.toReversed().map(({ name }) => `${name} (${unit})`)],
      rows: days
        .map((day, index) => [
          day,
          ...bands.toReversed().map((band) => (isShare ? roundShare(told(band, index)) : told(band, index))),
        ])
        .toReversed(),
    }),
  };
}

function outline(upper: readonly [number, number][], lower: readonly [number, number][]): string {
  return `${path(upper)}${path(lower.toReversed()).replace('M', 'L')}Z`;
}

function hasEnded({ supportEnds = '' }: Band, day: string): boolean {
  return supportEnds !== '' && day >= supportEnds;
}

/** Where a band has the most space for a name, with some to both sides. */
function widest(
  xs: readonly number[],
  from: readonly number[],
  to: readonly number[],
  y: (value: number) => number,
  { left, right, space }: Readonly<Record<'left' | 'right' | 'space', number>>,
): { x: number; y: number; height: number } | undefined {
  let best: { x: number; y: number; height: number } | undefined;
  const step = xs.length < 2 ? 1 : Math.max((right - left) / (xs.length - 1), 0.1);
  const around = Math.ceil(space / step);
  xs.forEach((x, index) => {
    if (x < left + space || x > right - space) return;
    const near = [index - around, index - Math.ceil(around / 2), index, index + Math.ceil(around / 2), index + around];
    const upper = Math.max(...near.map((each) => y(to[each] ?? 0)));
    const lower = Math.min(...near.map((each) => y(from[each] ?? 0)));
    if (best === undefined || lower - upper > best.height) best = { x, y: (upper + lower) / 2, height: lower - upper };
  });
  return best;
}
