import { path } from './chart.ts';
import { h, s } from './element.ts';
import { formatChange, formatNumber, formatShare } from './format.ts';
import type { Figure, Overview } from './model.ts';

/** The figures that matter most, each with its change in the range. */
export function createHeadline(overview: Overview, days: readonly string[], span: string): HTMLElement {
  const { clusters, nodes, newClusters, returningClusters, lostClusters } = overview;
  return h(
    'dl',
    { class: 'headline' },
    stateTile('Active clusters', clusters, days, span),
    stateTile('Nodes', nodes, days, span),
    flowTile('New clusters', newClusters, span),
    flowTile('Returned', returningClusters, span),
    flowTile('Lost', lostClusters, span),
  );
}

/** A number with its change since the first day. */
function stateTile(name: string, { value, series }: Figure, days: readonly string[], span: string): HTMLElement {
  const first = series[0] ?? value;
  const change = value - first;
  const share = first === 0 ? '' : ` (${change < 0 ? '\u2212' : '+'}${formatShare(Math.abs(change) / first)})`;
  const text =
    days.length < 2
      ? 'one day of figures so far'
      : change === 0
        ? `unchanged in ${span}`
        : `${formatChange(change)} in ${span}${share}`;
  return tile(name, formatNumber(value), text, series);
}

/** The sum of what happened on each day. */
function flowTile(name: string, { value, series }: Figure, span: string): HTMLElement {
  const sum = series.length === 0 ? value : series.reduce((total, each) => total + each, 0);
  const rate = sum < LEAST_FOR_RATE ? '' : `, ${formatRate(sum / series.length)}`;
  const text = series.length < 2 ? 'on this day' : sum === 0 ? `none in ${span}` : `in ${span}${rate}`;
  return tile(name, formatNumber(sum), text);
}

/** A rate of fewer would be a fraction of a cluster. */
const LEAST_FOR_RATE = 10;

/** In the unit in which it is at least one. */
function formatRate(perDay: number): string {
  if (perDay >= 1) return `${formatNumber(perDay)} a day`;
  if (perDay * 7 >= 1) return `${formatNumber(perDay * 7)} a week`;
  return `${formatNumber(Math.max(perDay * 30, 1))} a month`;
}

function tile(name: string, value: string, text: string, series: readonly number[] = []): HTMLElement {
  return h(
    'div',
    { class: 'tile' },
    h('dt', {}, name),
    h('dd', {}, h('span', { class: 'big' }, value), sparkline(series), h('span', { class: 'change' }, text)),
  );
}

const WIDTH = 96;
const HEIGHT = 28;
const LARGEST_MIN = 0.9;

/** The course of a number, without axes: its chart is below. */
function sparkline(series: readonly number[]): SVGSVGElement | undefined {
  if (series.length < 2) return undefined;
  const max = Math.max(...series);
  // Small changes must not look like large ones.
  const min = Math.min(...series, max * LARGEST_MIN);
  const points = series.map(
    (value, index) =>
      [
        2 + (index / (series.length - 1)) * (WIDTH - 6),
        max === min ? HEIGHT / 2 : HEIGHT - 3 - ((value - min) / (max - min)) * (HEIGHT - 6),
      ] as const,
  );
  const [x, y] = points.at(-1) ?? [0, 0];
  return s(
    'svg',
    { width: WIDTH, height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'sparkline', 'aria-hidden': 'true' },
    s('path', { d: path(points), class: 'line c0' }),
    s('circle', { cx: x, cy: y, r: 3, class: 'dot c0' }),
  );
}
