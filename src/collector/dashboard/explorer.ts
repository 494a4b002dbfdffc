import type { Drawing } from './chart.ts';
import { h } from './element.ts';

export interface Explorer {
  readonly element: HTMLElement;
  /** Draws the chart if its width has changed. */
  fit(): void;
  refresh(): void;
}

const PAGE = 30;

/**
 * A chart whose points can be read with the pointer and with the arrow keys. For screen readers it is a slider: each step says the figures
 * of a point.
 */
export function createExplorer(draw: (width: number) => Drawing, label: string): Explorer {
  const tip = h('div', { class: 'tip', hidden: true });
  const element = h('div', {
    class: 'chart',
    tabindex: 0,
    role: 'slider',
    'aria-label': `Chart: ${label}`,
    'aria-valuemin': 0,
  });
  let drawing: Drawing | undefined;
  let current: number | undefined;
  let drawnWidth = 0;

  const select = (index: number | undefined): void => {
    const point = index === undefined ? undefined : drawing?.points[index];
    current = point === undefined ? undefined : index;
    drawing?.mark(current);
    tip.hidden = point === undefined;
    if (point === undefined || current === undefined) return;
    tip.replaceChildren(
      h('strong', {}, point.title),
      ...point.rows.map(({ colour, name, value }) =>
        h(
          'span',
          { class: 'tip-row' },
          h('i', { class: colour === undefined ? 'swatch' : `swatch c${colour}` }),
          h('span', { class: 'tip-name' }, name),
          h('b', {}, value),
        ),
      ),
    );
    place(tip, element, point);
    element.setAttribute('aria-valuenow', String(current));
    element.setAttribute('aria-valuetext', describe(drawing, current));
  };

  const refresh = (): void => {
    const width = Math.floor(element.clientWidth);
    if (width === 0) return;
    drawnWidth = width;
    drawing = draw(width);
    const last = Math.max(drawing.points.length - 1, 0);
    element.setAttribute('aria-valuemax', String(last));
    const start = drawing.rowStarts === undefined ? last : 0;
    element.setAttribute('aria-valuenow', String(start));
    element.setAttribute('aria-valuetext', describe(drawing, start));
    element.replaceChildren(drawing.svg, tip);
    select(undefined);
  };

  const point = ({ clientX, clientY }: PointerEvent): void => {
    const { left, top } = element.getBoundingClientRect();
    select(drawing?.nearest(clientX - left, clientY - top));
  };
  element.addEventListener('pointerdown', point);
  element.addEventListener('pointermove', point);
  element.addEventListener('pointerleave', () => select(undefined));
  element.addEventListener('blur', () => select(undefined));
  element.addEventListener('keydown', (event) => {
    if (drawing === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === 'Escape') select(undefined);
    const target = step(event.key, current, drawing);
    if (target === undefined) return;
    event.preventDefault();
    select(target);
  });
  return {
    element,
    refresh,
    fit: () => {
      if (Math.floor(element.clientWidth) !== drawnWidth) refresh();
    },
  };
}

function describe(drawing: Drawing | undefined, index: number): string {
  const point = drawing?.points[index];
  if (point === undefined) return 'no figures';
  return `${point.title}: ${point.rows.map(({ name, value }) => `${name} ${value}`.trim()).join(', ')}`;
}

/** The point that a key leads to; undefined for other keys. The first key goes to the end of a time, and to the start of rows. */
function step(key: string, current: number | undefined, { points, rowStarts }: Drawing): number | undefined {
  const last = points.length - 1;
  if (last < 0) return undefined;
  if (key === 'Home') return 0;
  if (key === 'End') return last;
  const sideways = { ArrowRight: 1, ArrowLeft: -1 }[key];
  const forwards = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE }[key];
  if (sideways === undefined && forwards === undefined) return undefined;
  if (current === undefined) return rowStarts === undefined ? last : 0;
  const clamp = (index: number): number => Math.min(Math.max(index, 0), last);
  if (sideways !== undefined) return clamp(current + sideways);
  // On a slider, up is more: in the order of time that is later.
  if (rowStarts === undefined) return clamp(current - (forwards ?? 0));
  const row = rowStarts.findLastIndex((start) => start <= current);
  const target = Math.min(Math.max(row + (forwards ?? 0), 0), rowStarts.length - 1);
  const start = rowStarts[target] ?? 0;
  const end = (rowStarts[target + 1] ?? points.length) - 1;
  return Math.min(start + current - (rowStarts[row] ?? 0), end);
}

/** Beside the point, within the chart. */
function place(tip: HTMLElement, chart: HTMLElement, { x, y }: { readonly x: number; readonly y: number }): void {
  const { offsetWidth, offsetHeight } = tip;
  const isRight = x + offsetWidth + 20 < chart.clientWidth;
  const left = isRight ? x + 14 : Math.max(x - offsetWidth - 14, 0);
  const top = Math.max(Math.min(y - 8, chart.clientHeight - offsetHeight), 0);
  tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}
