import { type Chart, drawingFrame, markOnly, widthOf } from '../chart.ts';
import { s } from '../element.ts';
import { linear } from '../scales.ts';
import { type Bar, createBars } from './bars.ts';

export interface ColumnsOptions {
  readonly bars: readonly Bar[];
  /** What the columns are, below them. */
  readonly axisTitle: string;
  readonly table: Chart['table'];
}

const HEIGHT = 260;
const TOP = 24;
const BOTTOM = 48;

/** Vertical bars in their order, for sizes. Where there is no space for their names, they lie down. */
export function createColumns({ bars, axisTitle, table }: ColumnsOptions): Chart {
  const lying = createBars({ bars, table });
  return {
    table,
    draw(width) {
      const widest = Math.max(...bars.flatMap(({ name, text }) => [widthOf(name), widthOf(text)]));
      const step = Math.min(width / Math.max(bars.length, 1), 120);
      if (widest + 6 > step) return lying.draw(width);
      const svg = drawingFrame(width, HEIGHT);
      const baseline = HEIGHT - BOTTOM;
      const y = linear([0, Math.max(...bars.map(({ value }) => value), 1e-9)], [baseline, TOP]);
      const thickness = Math.min(step * 0.78, 72);
      const columns: SVGRectElement[] = [];
      const points = bars.map(({ name, value, text, colour = 0, details }, index) => {
        const middle = step * (index + 0.5);
        const at = y(value);
        const size = { width: thickness, height: baseline - at };
        const column = s('rect', { x: middle - thickness / 2, y: at, ...size, rx: 2, class: `bar c${colour}` });
        columns.push(column);
        svg.append(
          column,
          s('text', { x: middle, y: at - 7, class: 'value middle' }, text),
          s('text', { x: middle, y: baseline + 18, class: 'tick middle' }, name),
        );
        return { x: middle, y: at, title: `${name} ${axisTitle}`, rows: details };
      });
      svg.append(
        s('line', { x1: 0, x2: step * bars.length, y1: baseline + 0.5, y2: baseline + 0.5, class: 'axis' }),
        s('text', { x: (step * bars.length) / 2, y: HEIGHT - 8, class: 'tick middle' }, axisTitle),
      );
      return {
        svg,
        points,
        nearest(x) {
          const index = Math.floor(x / step);
          return index >= 0 && index < bars.length ? index : undefined;
        },
        mark: (marked) => markOnly(columns, marked),
      };
    },
  };
}
