import type { Card } from './card.ts';
import { h } from './element.ts';
import { capitalised, formatAge, formatDay, formatNumber, plural } from './format.ts';
import { createHeadline } from './headline.ts';
import { arrange } from './layout.ts';
import type { Statistics } from './model.ts';
import { createOverviewCards } from './overview-cards.ts';
import { type CardContext, createQuestionCard, denominatorOf, hasFigures, spanOf, titleOf } from './question-card.ts';

/** All sections of the page, not yet drawn: charts need the width that they have in the document. */
export function renderPage(context: CardContext) {
  const { now, overTime } = context.figures;
  const cards: Card[] = [];
  const grid = (more: readonly Card[]): HTMLElement => {
    cards.push(...more);
    return h('div', { class: 'grid' }, ...more.map(({ element }) => element));
  };
  const sections = arrange(now.answers.filter(hasFigures)).map(({ id, title, answers }) =>
    createSection(id, title, grid(answers.map((answer) => createQuestionCard(answer, context)))),
  );
  const elements: HTMLElement[] = [
    createContents(sections),
    h(
      'section',
      { class: 'overview', 'aria-labelledby': 'section-overview' },
      h('h2', { id: 'section-overview', class: 'visually-hidden' }, 'Overview'),
      createHeadline(withToday(now, overTime), overTime.days, spanOf(context)),
      overTime.days.length > 1
        ? grid(createOverviewCards(context))
        : h('p', { class: 'section-note' }, 'Charts over time appear with the second day of figures.'),
    ),
    ...sections,
  ];
  const silent = now.answers.filter((answer) => !hasFigures(answer));
  if (silent.length > 0) elements.push(createSilentSection(silent, now));
  return { elements, cards };
}

/** The values of the last day with the series of the range. */
function withToday({ overview: today }: Statistics, { overview }: Statistics): Statistics['overview'] {
  const { clusters, nodes } = overview;
  return {
    ...overview,
    clusters: { ...clusters, value: today.clusters.value },
    nodes: { ...nodes, value: today.nodes.value },
  };
}

function createContents(sections: readonly HTMLElement[]): HTMLElement {
  const links = sections.map((section) =>
    h('a', { href: `#${section.id}` }, section.querySelector('h2')?.textContent ?? section.id),
  );
  return h('nav', { class: 'contents', 'aria-label': 'Sections' }, ...links);
}

function createSection(id: string, title: string, ...children: readonly HTMLElement[]): HTMLElement {
  return h('section', { id, 'aria-labelledby': `section-${id}` }, h('h2', { id: `section-${id}` }, title), ...children);
}

function createSilentSection(answers: Statistics['answers'], { smallestGroup }: Statistics): HTMLElement {
  return createSection(
    'silent',
    'Not enough reports yet',
    h(
      'p',
      { class: 'section-note' },
      `An answer needs values that at least ${formatNumber(smallestGroup)} clusters have in common. Clusters send some of these fields only where their administrators choose to.`,
    ),
    h(
      'ul',
      { class: 'silent' },
      ...answers.map((answer) => h('li', {}, titleOf(answer), h('span', {}, denominatorOf(answer)))),
    ),
  );
}

export function renderHeader(now: Statistics, at: Date): readonly HTMLElement[] {
  const { overview, activeDays, roundedTo, smallestGroup, computedAt, day } = now;
  const { clusters, nodes } = overview;
  const age = computedAt === undefined ? '' : `, computed ${formatAge(computedAt, at)}`;
  const privacy = [
    roundedTo > 1 ? `Figures are rounded to multiples of ${roundedTo}` : '',
    smallestGroup > 1 ? `values of fewer than ${smallestGroup} clusters are hidden` : '',
  ].filter((text) => text !== '');
  return [
    h(
      'p',
      { class: 'lead' },
      `${plural(clusters.value, 'cluster')} with ${plural(nodes.value, 'node')} report with Spartakus. Reports are anonymous, and a cluster counts for ${plural(activeDays, 'day')} after its last one.`,
    ),
    h(
      'p',
      { class: 'meta' },
      `Figures of ${formatDay(day)}${age}. ${privacy.length === 0 ? '' : `${capitalised(privacy.join('; '))}.`}`,
    ),
  ];
}
