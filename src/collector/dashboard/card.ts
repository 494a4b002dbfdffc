import type { Chart } from './chart.ts';
import { toCsv } from './csv.ts';
import { createTable } from './data-table.ts';
import { savePicture, saveText } from './downloads.ts';
import { button, h } from './element.ts';
import { createExplorer } from './explorer.ts';

export interface CardOptions {
  readonly id: string;
  /** A question. */
  readonly title: string;
  /** Its answer, in a sentence. */
  readonly answer: string;
  /** Called for each drawing and each table, so that it follows what the reader searches. */
  readonly chart: () => Chart;
  /** The denominator, the age, what is hidden and rounded. */
  readonly notes: readonly string[];
  readonly isWide?: boolean;
  /** Above the chart. */
  readonly controls?: readonly HTMLElement[];
  /** Below the chart. */
  readonly more?: HTMLElement;
  readonly day: string;
  readonly announce: (text: string) => void;
}

export type Card = ReturnType<typeof createCard>;

/** A question, its answer, the chart, and the ways to take the figures away. */
export function createCard(options: CardOptions) {
  const { id, title, answer, chart, notes, isWide = false, controls = [], more } = options;
  const headingId = `title-${id}`;
  const sentence = answer === '' ? undefined : h('p', { class: 'answer' }, answer);
  const element = h(
    'article',
    { class: isWide ? 'card wide' : 'card', id: `question-${id}`, 'aria-labelledby': headingId },
    h('header', {}, h('h3', { id: headingId }, title), sentence),
  );
  if (controls.length > 0) element.append(h('div', { class: 'card-controls' }, ...controls));
  const noteLine = h('p', { class: 'notes' }, notes.join('\u00a0· '));
  const explorer = createExplorer((width) => chart().draw(width), title);
  element.append(explorer.element, more ?? '', noteLine, createTools(options, element));
  return { element, explorer };
}

function createTools({ id, title, answer, chart, notes, day, announce }: CardOptions, card: HTMLElement): HTMLElement {
  const tableId = `table-${id}`;
  const fileName = (ending: string): string => `spartakus-${id.replaceAll(/[^\w.-]/g, '-')}-${day}.${ending}`;
  let table: HTMLElement | undefined;
  const tableButton = button('Table', { 'aria-expanded': 'false', 'aria-controls': tableId }, () => {
    if (table === undefined) {
      table = createTable(chart().table(), title);
      table.id = tableId;
      card.append(table);
    } else {
      table.remove();
      table = undefined;
    }
    tableButton.setAttribute('aria-expanded', String(table !== undefined));
  });
  const csvButton = button('CSV', { 'aria-label': `Save as CSV: ${title}` }, () => {
    saveText(toCsv(chart().table()), 'text/csv;charset=utf-8', fileName('csv'));
    announce('The table was saved as a CSV file.');
  });
  const pngButton = button('PNG', { 'aria-label': `Save as PNG: ${title}` }, () => {
    savePicture({
      draw: (width) => chart().draw(width),
      host: card,
      title,
      answer,
      source: ['Spartakus', ...notes].join(' · '),
      name: fileName('png'),
    }).then(
      () => announce('The chart was saved as a PNG file.'),
      (error: unknown) =>
        announce(`The chart was not saved: ${error instanceof Error ? error.message : String(error)}`),
    );
  });
  return h('div', { class: 'tools' }, tableButton, csvButton, pngButton);
}
