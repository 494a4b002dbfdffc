import { addHatch, type Chart, createRows, drawingFrame, fit, widthOf } from '../chart.ts';
import { s } from '../element.ts';

export interface Bar {
  readonly name: string;
  /** What the length shows. */
  readonly value: number;
  /** The text at the end of the bar. */
  readonly text: string;
  /** The text in the last column, such as the change; empty or absent for none. */
  readonly note?: string;
  /** The index of a data colour. */
  readonly colour?: number;
  readonly isHidden?: boolean;
  /** Hatched: a version out of support. */
  readonly isEnded?: boolean;
  /** What the chart says about the bar. */
  readonly details: readonly { readonly name: string; readonly value: string }[];
}

export interface BarsOptions {
  readonly bars: readonly Bar[];
  /** The heading of the last column. */
  readonly noteTitle?: string;
  readonly table: Chart['table'];
}

const ROW = 28;
const STACKED_ROW = 48;
const THICKNESS = 18;
const NARROW = 460;

/** Horizontal bars, one for each value; the name is beside the bar, or above it where the chart is narrow. */
export function createBars({ bars, noteTitle, table }: BarsOptions): Chart {
  return {
    table,
    draw(width) {
      const widest = Math.ceil(Math.max(0, ...bars.map(({ name }) => widthOf(name))));
      const isStacked = width < NARROW && widest > width * 0.28;
      const row = isStacked ? STACKED_ROW : ROW;
      const hasNotes = bars.some(({ note = '' }) => note !== '');
      const top = hasNotes && noteTitle !== undefined ? 22 : 4;
      const svg = drawingFrame(width, top + Math.max(bars.length, 1) * row + 2);
      const hatch = addHatch(svg, 'hatch-line');
      const left = isStacked ? 0 : Math.min(widest + 12, Math.round(width * 0.4));
      const valueWidth = Math.ceil(Math.max(...bars.map(({ text }) => widthOf(text, 600)))) + 8;
      const noteWidth = hasNotes
        ? Math.ceil(Math.max(...bars.map(({ note = '' }) => widthOf(note)), isStacked ? 0 : 56)) + 14
        : 0;
      const space = Math.max(width - left - valueWidth - noteWidth, 20);
      const shown = bars.filter(({ isHidden = false }) => !isHidden);
      const longest = Math.max(...(shown.length === 0 ? bars : shown).map(({ value }) => value), 1e-9);
      if (top > 10) svg.append(s('text', { x: width, y: 12, class: 'tick end' }, noteTitle ?? ''));
      const rows = createRows(svg, { top, height: row, width });
      const points = bars.map((bar) => {
        const y = rows.begin();
        const barY = isStacked ? y + 20 : y + (row - THICKNESS) / 2;
        const length = bar.value === 0 ? 0 : Math.min(Math.max((bar.value / longest) * space, 1.5), space);
        const textY = barY + THICKNESS / 2 + 4.5;
        const fillClass = bar.isHidden === true ? 'hidden-group' : `c${bar.colour ?? 0}`;
        const place = isStacked ? { x: 0, y: y + 14, class: 'name' } : { x: left - 12, y: textY, class: 'name end' };
        svg.append(
          s('text', place, fit(bar.name, isStacked ? width : left - 12)),
          s('rect', { x: left, y: barY, width: length, height: THICKNESS, rx: 2, class: `bar ${fillClass}` }),
          s('text', { x: left + length + 7, y: textY, class: 'value' }, bar.text),
        );
        if (bar.isHidden === true || bar.isEnded === true)
          svg.append(s('rect', { x: left, y: barY, width: length, height: THICKNESS, rx: 2, fill: hatch }));
        // Hidden values together may be more than the largest one: their bar is broken.
        if (bar.value > longest)
          svg.append(
            s('path', { d: `M${left + length - 28} ${barY + THICKNESS + 3}l8 ${-THICKNESS - 6}`, class: 'break' }),
          );
        if (bar.note !== undefined && bar.note !== '')
          svg.append(s('text', { x: width, y: textY, class: 'note end' }, bar.note));
        return { x: left + length, y: barY, title: bar.name, rows: bar.details };
      });
      return rows.drawing(points);
    },
  };
}
