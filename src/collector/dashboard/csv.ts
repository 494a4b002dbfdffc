import type { Table } from './table.ts';

/** RFC 4180, with a byte order mark so that spreadsheets read it as UTF-8. */
export function toCsv({ columns, rows }: Table): string {
  return `\uFEFF${[columns, ...rows].map((row) => row.map(toCell).join(',')).join('\r\n')}\r\n`;
}

/** A text that starts like a formula would be computed by a spreadsheet: values come from the reports of strangers. */
function toCell(cell: string | number): string {
  if (typeof cell === 'number') return String(cell);
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
