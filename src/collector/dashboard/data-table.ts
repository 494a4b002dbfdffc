import { h } from './element.ts';
import { formatExactShare, formatNumber } from './format.ts';
import type { Table } from './table.ts';

/** A chart's figures as a table that can be scrolled. */
export function createTable({ columns, rows, shareColumns = [] }: Table, caption: string): HTMLElement {
  const head = h('tr', {}, ...columns.map((column) => h('th', { scope: 'col' }, column)));
  const body = rows.map(([first = '', ...rest]) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, String(first)),
      ...rest.map((cell, index) =>
        h(
          'td',
          { class: typeof cell === 'number' ? 'number' : undefined },
          show(cell, shareColumns.includes(index + 1)),
        ),
      ),
    ),
  );
  const table = h('table', {}, h('caption', {}, caption), h('thead', {}, head), h('tbody', {}, ...body));
  return h('div', { class: 'table-scroll', tabindex: 0, role: 'region', 'aria-label': `Table: ${caption}` }, table);
}

function show(cell: string | number, isShare: boolean): string {
  if (typeof cell === 'string') return cell;
  if (isShare) return formatExactShare(cell);
  return Number.isInteger(cell) ? formatNumber(cell) : String(cell);
}
