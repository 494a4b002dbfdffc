import { type Chart, drawingFrame, markOnly, type Point, widthOf } from '../chart.ts';
import { s } from '../element.ts';
import { formatMonth, formatNumber, formatShare, plural } from '../format.ts';
import type { Cohort } from '../model.ts';

const ROW = 24;
const TOP = 66;
const KEY_CELL = 22;
const STEPS = 5;

/** A grid: a row for each month of first reports, a column for each month after it. */
export function createCohorts(cohorts: readonly Cohort[]): Chart {
  const months = Math.max(...cohorts.map(({ active }) => active.length), 1);
  return {
    draw(width) {
      const svg = drawingFrame(width, TOP + Math.max(cohorts.length, 1) * ROW + 4);
      const isNarrow = width < 560;
      const label = (month: string): string => (isNarrow ? month : formatMonth(month));
      const left = Math.max(...cohorts.map(({ month }) => widthOf(label(month)))) + (isNarrow ? 8 : 78);
      const cell = Math.min((width - left) / months, 56);
      const hasText = cell >= 30;
      svg.append(s('text', { x: left, y: 34, class: 'tick' }, 'Months after the first report'), ...createKey(width));
      if (!isNarrow) svg.append(s('text', { x: left - 16, y: 56, class: 'tick end' }, 'Clusters'));
      const every = [1, 2, 3, 6, 12].find((step) => step * cell >= 22) ?? 12;
      for (let month = 0; month < months; month += every)
        svg.append(s('text', { x: left + (month + 0.5) * cell, y: 56, class: 'tick middle' }, String(month)));
      const cells: SVGRectElement[] = [];
      const points: Point[] = [];
      const starts: number[] = [];
      cohorts.forEach(({ month, clusters, active }, index) => {
        const y = TOP + index * ROW;
        starts.push(points.length);
        svg.append(s('text', { x: 0, y: y + 16, class: 'name' }, label(month)));
        if (!isNarrow) svg.append(s('text', { x: left - 16, y: y + 16, class: 'tick end' }, formatNumber(clusters)));
        active.forEach((count, after) => {
          const share = clusters === 0 ? 0 : Math.min(count / clusters, 1);
          const step = Math.min(Math.floor(share * STEPS), STEPS - 1);
          const x = left + after * cell;
          const size = { width: cell - 1.5, height: ROW - 1.5 };
          const rect = s('rect', { x: x + 0.75, y: y + 0.75, ...size, rx: 2, class: `heat h${step}` });
          cells.push(rect);
          svg.append(rect);
          if (hasText)
            svg.append(
              s(
                'text',
                { x: x + cell / 2, y: y + 16.5, class: `heat-text t${step} middle` },
                count === 0 ? '·' : String(Math.round(share * 100)),
              ),
            );
          points.push({
            x: x + cell / 2,
            y,
            title: `First report in ${formatMonth(month)}`,
            rows: [
              {
                name: after === 0 ? 'In the same month' : `${plural(after, 'month')} later`,
                value: count === 0 ? 'few or none' : formatShare(share),
              },
              {
                name: 'Clusters',
                value:
                  count === 0 ? `of ${formatNumber(clusters)}` : `${formatNumber(count)} of ${formatNumber(clusters)}`,
              },
            ],
          });
        });
      });
      return {
        svg,
        points,
        rowStarts: starts,
        nearest(x, y) {
          const row = Math.floor((y - TOP) / ROW);
          const column = Math.floor((x - left) / cell);
          const length = cohorts[row]?.active.length ?? 0;
          const start = starts[row];
          return start === undefined || column < 0 || column >= length ? undefined : start + column;
        },
        mark: (marked) => markOnly(cells, marked),
      };
    },
    table: () => ({
      columns: ['First report', 'Clusters', ...Array.from({ length: months }, (_, month) => `Month ${month}`)],
      rows: cohorts.map(({ month, clusters, active }) => [
        month,
        clusters,
        ...Array.from({ length: months }, (_, index) => active[index] ?? ''),
      ]),
    }),
  };
}

/** What the shades mean, at the top right. */
function createKey(width: number): SVGElement[] {
  const [from, to] = ['0 %', '100 % still report'];
  const end = width - widthOf(to) - 6;
  const start = end - STEPS * KEY_CELL;
  return [
    s('text', { x: start - 6, y: 12, class: 'tick end' }, from),
    ...Array.from({ length: STEPS }, (_, step) =>
      s('rect', { x: start + step * KEY_CELL, y: 2, width: KEY_CELL - 1, height: 12, rx: 2, class: `heat h${step}` }),
    ),
    s('text', { x: width, y: 12, class: 'tick end' }, to),
  ];
}
