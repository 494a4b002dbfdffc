import { s } from './element.ts';
import type { Table } from './table.ts';

/** One line of what a chart says about a point. */
export interface PointRow {
  /** The index of a data colour; absent where the line is about everything. */
  readonly colour?: number;
  readonly name: string;
  readonly value: string;
}

/** A place in a chart that can be pointed at, or reached with the arrow keys. */
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly title: string;
  readonly rows: readonly PointRow[];
}

export interface Drawing {
  readonly svg: SVGSVGElement;
  readonly points: readonly Point[];
  /** The index of the point for a position of the pointer. */
  nearest(x: number, y: number): number | undefined;
  /** Highlights a point, or none. */
  mark(index: number | undefined): void;
  /** The index of the first point of each row, where the points are in rows; absent where they are in the order of time. */
  readonly rowStarts?: readonly number[];
}

export interface Chart {
  draw(width: number): Drawing;
  table(): Table;
}

export const FONT_FAMILY = 'system-ui, "Segoe UI", "Liberation Sans", sans-serif';
export const TEXT_SIZE = 13;

let context: CanvasRenderingContext2D | null | undefined;

export function widthOf(text: string, weight: 400 | 600 = 400, size: number = TEXT_SIZE): number {
  context ??= document.createElement('canvas').getContext('2d');
  if (!context) return text.length * size * 0.55;
  context.font = `${weight} ${size}px ${FONT_FAMILY}`;
  return context.measureText(text).width;
}

/** Shortens a text to a width, with an ellipsis. */
export function fit(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (widthOf(`${text.slice(0, middle).trimEnd()}…`) <= width) low = middle;
    else high = middle - 1;
  }
  return `${text.slice(0, low).trimEnd()}…`;
}

export function drawingFrame(width: number, height: number): SVGSVGElement {
  return s('svg', { width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true', focusable: 'false' });
}

/** The highlights and the pointer of a chart with one row of this height for each point. */
export function createRows(
  svg: SVGSVGElement,
  { top, height, width }: Readonly<Record<'top' | 'height' | 'width', number>>,
) {
  const highlights: SVGRectElement[] = [];
  return {
    /** Adds the highlight of the next row, with this distance from its edges. Returns the top of the row. */
    begin(margin = 0): number {
      const y = top + highlights.length * height;
      const size = { width: width + 12, height: height - 2 * margin };
      const highlight = s('rect', { x: -6, y: y + margin, ...size, rx: 4, class: 'row-highlight' });
      highlights.push(highlight);
      svg.append(highlight);
      return y;
    },
    drawing: (points: readonly Point[]): Drawing => ({
      svg,
      points,
      rowStarts: points.map((_, index) => index),
      nearest(_x, y) {
        const index = Math.floor((y - top) / height);
        return index >= 0 && index < points.length ? index : undefined;
      },
      mark: (marked) => markOnly(highlights, marked),
    }),
  };
}

export function markOnly(elements: readonly Element[], marked: number | undefined): void {
  for (const [index, element] of elements.entries()) element.classList.toggle('is-marked', index === marked);
}

let patterns = 0;

/** Adds a pattern of diagonal lines; returns the reference for `fill`. */
export function addHatch(svg: SVGSVGElement, lineClass: string): string {
  patterns += 1;
  const id = `hatch-${patterns}`;
  svg.append(
    s(
      'defs',
      {},
      s(
        'pattern',
        { id, width: 6, height: 6, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
        s('line', { x1: 0, y1: 0, x2: 0, y2: 6, class: lineClass }),
      ),
    ),
  );
  return `url(#${id})`;
}

export function path(points: readonly (readonly [number, number])[]): string {
  return points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
}
