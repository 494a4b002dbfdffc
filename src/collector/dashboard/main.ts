import { Code, ConnectError } from '@connectrpc/connect';
import type { Card } from './card.ts';
import { createStatisticsClient } from './client.ts';
import { createChoices } from './controls.ts';
import { button, h } from './element.ts';
import { loadFigures } from './loader.ts';
import { renderHeader, renderPage } from './page.ts';
import type { LoadedFigures } from './question-card.ts';
import { keep, readKept } from './storage.ts';
import { applyTheme, chooseTheme, readTheme } from './theme.ts';
import { createToolbar } from './toolbar.ts';
import { readViewState, type ViewState, writeViewState } from './view-state.ts';

const TOKEN_KEY = 'spartakus-token';
const MINUTE_MS = 60_000;
/** Open pages load new figures so often, while they can be seen. */
const REFRESH_MS = 10 * MINUTE_MS;

const main = part('figures');
const toolbar = part('toolbar');
const announcement = part('announcement');
const lead = h('div', { class: 'lead-block' });
const searches = new Map<string, string>();

let view = readViewState(location.search);
let token = readKept('sessionStorage', TOKEN_KEY);
let cards: readonly Card[] = [];
let shown: LoadedFigures | undefined;
/** Counts loads, so that the answer to an older one is not shown over a newer one. */
let loads = 0;
let loadedAtMs = 0;

const client = createStatisticsClient(new URL('.', document.baseURI).href, () => token);

applyTheme(readTheme());
part('header').append(
  h(
    'div',
    { class: 'title-row' },
    h('h1', {}, 'Kubernetes in use'),
    createChoices({
      legend: 'Theme',
      isLegendHidden: true,
      name: 'theme',
      choices: [
        { value: 'auto', text: 'Auto', label: 'Theme of the system' },
        { value: 'light', text: 'Light' },
        { value: 'dark', text: 'Dark' },
      ],
      chosen: readTheme(),
      onChoose: chooseTheme,
    }),
  ),
  lead,
);
part('footer').append(
  h(
    'p',
    {},
    'Spartakus collects anonymous statistics of Kubernetes clusters whose administrators choose to take part. The figures of this page are also at ',
    h('a', { href: './stats.json' }, 'stats.json'),
    '.',
  ),
);
renderToolbar();
void load();

addEventListener('popstate', () => {
  const next = readViewState(location.search);
  // Links within the page change the address too.
  if (writeViewState(next) === writeViewState(view)) return;
  view = next;
  renderToolbar();
  void load();
});
new ResizeObserver(() => cards.forEach(({ explorer }) => explorer.fit())).observe(main);

setInterval(() => {
  if (shown === undefined || document.hidden) return;
  lead.replaceChildren(...renderHeader(shown.now, new Date()));
  if (Date.now() - loadedAtMs >= REFRESH_MS) retry();
}, MINUTE_MS);

function change(next: ViewState): void {
  view = next;
  history.pushState(null, '', `${location.pathname}${writeViewState(view)}`);
  renderToolbar();
  void load();
}

function renderToolbar(): void {
  keepFocus(() => toolbar.replaceChildren(...createToolbar(view, change)));
}

async function load(): Promise<void> {
  loads += 1;
  const mine = loads;
  main.setAttribute('aria-busy', 'true');
  try {
    const figures = await loadFigures(client, view);
    if (mine === loads) show(figures);
  } catch (error) {
    if (mine === loads) showError(ConnectError.from(error));
  } finally {
    if (mine === loads) main.setAttribute('aria-busy', 'false');
  }
}

function show(figures: LoadedFigures | undefined): void {
  const isFirst = shown === undefined;
  shown = figures;
  loadedAtMs = Date.now();
  toolbar.hidden = figures === undefined;
  if (figures === undefined) {
    cards = [];
    lead.replaceChildren();
    main.replaceChildren(
      h(
        'div',
        { class: 'message' },
        h('h2', {}, 'No figures yet'),
        h('p', {}, 'Figures appear within a minute of the first report.'),
        button('Look again', { class: 'primary' }, retry),
      ),
    );
    return;
  }
  const page = renderPage({ figures, view, change, announce, searches });
  cards = page.cards;
  lead.replaceChildren(...renderHeader(figures.now, new Date()));
  keepFocus(() => {
    // The page must not become shorter for a moment: the browser would scroll.
    main.style.minHeight = `${main.offsetHeight}px`;
    main.replaceChildren(...page.elements);
    cards.forEach(({ explorer }) => explorer.fit());
    main.style.minHeight = '';
  });
  // Ids have no characters that an address would escape.
  if (isFirst) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  else announce('The figures were updated.');
}

function showError(error: ConnectError): void {
  const needsToken = error.code === Code.Unauthenticated;
  const box = h(
    'div',
    { class: needsToken ? 'message' : 'message error', role: 'alert' },
    h('h2', {}, needsToken ? 'This page needs a token' : 'The figures could not be loaded'),
    h('p', {}, needsToken ? 'The collector shows its figures to operators only.' : `The cause: ${error.rawMessage}.`),
    needsToken ? createTokenForm() : button('Try again', { class: 'primary' }, retry),
  );
  if (shown === undefined) {
    toolbar.hidden = true;
    main.replaceChildren(box);
  } else {
    // The figures of the view before stay, below the message.
    main.querySelector('.message')?.remove();
    main.prepend(box);
    box.scrollIntoView({ block: 'nearest' });
  }
}

function retry(): void {
  client.clear();
  void load();
}

function createTokenForm(): HTMLFormElement {
  const input = h('input', { type: 'password', id: 'token', autocomplete: 'current-password', required: true });
  const form = h(
    'form',
    { class: 'token' },
    h('label', { for: 'token' }, 'Token'),
    input,
    h('button', { type: 'submit', class: 'primary' }, 'Show the figures'),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    token = input.value.trim();
    keep('sessionStorage', TOKEN_KEY, token);
    void load();
  });
  return form;
}

function announce(text: string): void {
  announcement.textContent = text;
}

/** Elements that are made again receive the focus of those that they replace. */
function keepFocus(replace: () => void): void {
  const active = document.activeElement;
  const selector =
    active instanceof HTMLInputElement && active.type === 'radio'
      ? `input[name="${CSS.escape(active.name)}"][value="${CSS.escape(active.value)}"]`
      : active?.id
        ? `#${CSS.escape(active.id)}`
        : undefined;
  replace();
  if (selector !== undefined && !document.body.contains(active))
    document.querySelector<HTMLElement>(selector)?.focus({ preventScroll: true });
}

function part(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`index.html has no element ${id}`);
  return element;
}
