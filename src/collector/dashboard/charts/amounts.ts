import { type Chart, createRows, drawingFrame, fit, widthOf } from '../chart.ts';
import { s } from '../element.ts';
import { formatAmount, formatNumber, formatShare } from '../format.ts';
import type { Amount } from '../model.ts';
import { linear } from '../scales.ts';

const ROW = 62;
const HEADER = 26;
const NARROW = 560;

/**
 * One row for each resource: the total, and how it differs between clusters. Each row has a logarithmic scale of its own, because the
 * units differ.
 */
export function createAmounts(amounts: readonly Amount[], reporting: number): Chart {
  return {
    draw(width) {
      const isNarrow = width < NARROW;
      const row = isNarrow ? ROW + 26 : ROW;
      const svg = drawingFrame(width, HEADER + Math.max(amounts.length, 1) * row);
      const nameWidth = isNarrow
        ? 0
        : Math.min(Math.max(...amounts.map(({ name }) => widthOf(name, 600))) + 24, width * 0.26);
      const totalWidth = isNarrow
        ? 0
        : Math.max(...amounts.map((each) => widthOf(formatAmount(each.total, each.unit), 600)), 70) + 32;
      const start = nameWidth + totalWidth + (isNarrow ? 4 : 20);
      const end = width - (isNarrow ? 28 : 48);
      const headings: readonly (readonly [x: number, text: string])[] = isNarrow
        ? [[0, 'One cluster: median, middle half, 10–90 %']]
        : [
            [0, 'Resource'],
            [nameWidth, 'In total'],
            [start, fit('In one cluster: median, middle half, 10th to 90th percentile', width - start)],
          ];
      for (const [x, text] of headings) svg.append(s('text', { x, y: 14, class: 'tick' }, text));
      const rows = createRows(svg, { top: HEADER, height: row, width });
      const points = amounts.map(({ name, unit, total, clusters, percentiles }) => {
        const y = rows.begin(2);
        const middle = y + (isNarrow ? 50 : 30);
        svg.append(s('line', { x1: 0, x2: width, y1: y + 0.5, y2: y + 0.5, class: 'grid' }));
        const totalText = formatAmount(total, unit);
        if (isNarrow)
          svg.append(
            s('text', { x: 0, y: y + 22, class: 'name value' }, fit(name, width * 0.6)),
            s('text', { x: width, y: y + 22, class: 'name end' }, `${totalText} in total`),
          );
        else
          svg.append(
            s('text', { x: 0, y: middle + 4.5, class: 'name value' }, fit(name, nameWidth - 10)),
            s('text', { x: nameWidth, y: middle + 4.5, class: 'name' }, totalText),
          );
        const values = [10, 25, 50, 75, 90].map((percent) => percentiles.get(percent));
        const [p10 = 0, p25 = 0, p50 = 0, p75 = 0, p90 = 0] = values;
        const log = (value: number): number => Math.log(Math.max(value, 1e-9));
        const toX = linear([log(p10), log(p90)], [start + 20, end - 20]);
        const x = (value: number): number => toX(log(value));
        const half = { width: Math.max(x(p75) - x(p25), 1), height: 12 };
        if (!values.includes(undefined))
          svg.append(
            s('line', { x1: x(p10), x2: x(p90), y1: middle, y2: middle, class: 'whisker' }),
            s('rect', { x: x(p25), y: middle - 6, ...half, rx: 3, class: 'bar c1' }),
            s('circle', { cx: x(p50), cy: middle, r: 5.5, class: 'dot c0' }),
            s('text', { x: x(p50), y: middle - 12, class: 'value middle' }, formatAmount(p50, unit)),
            p10 < p90 ? s('text', { x: x(p10), y: middle + 22, class: 'tick middle' }, formatAmount(p10, unit)) : '',
            p10 < p90 ? s('text', { x: x(p90), y: middle + 22, class: 'tick middle' }, formatAmount(p90, unit)) : '',
          );
        return {
          x: x(p50),
          y: middle,
          title: name,
          rows: [
            { name: 'In total', value: totalText },
            {
              name: 'Clusters that have it',
              value: `${formatNumber(clusters)} (${formatShare(clusters / Math.max(reporting, 1))})`,
            },
            ...[...percentiles].map(([percent, value]) => ({
              name: percent === 50 ? 'Median' : `${percent}th percentile`,
              value: formatAmount(value, unit),
            })),
          ],
        };
      });
      return rows.drawing(points);
    },
    table() {
      const percents = [...new Set(amounts.flatMap(({ percentiles }) => [...percentiles.keys()]))];
      return {
        columns: ['Resource', 'Unit', 'Clusters', 'Total', ...percents.map((percent) => `${percent}th percentile`)],
        rows: amounts.map(({ name, unit, clusters, total, percentiles }) => [
          name,
          unit,
          clusters,
          total,
          ...percents.map((percent) => percentiles.get(percent) ?? ''),
        ]),
      };
    },
  };
}
