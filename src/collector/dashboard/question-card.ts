import { type Card, createCard } from './card.ts';
import { createMessage } from './charts/message.ts';
import { createChoices } from './controls.ts';
import { button, h } from './element.ts';
import { dayNumber, formatDay, formatDays, formatNumber, formatShare, plural } from './format.ts';
import { OVER_TIME, WIDE } from './layout.ts';
import type { Answer, Statistics } from './model.ts';
import {
  chartOf,
  chooseCounting,
  findValues,
  isExclusive,
  type QuestionFigures,
  SHORT_LIST,
} from './question-chart.ts';
import { answerInWords, type Counting } from './sentences.ts';
import { isOverTime, type Range, RANGE_DAYS, type ViewState, withOverTime } from './view-state.ts';

/** What is loaded for a view. */
export interface LoadedFigures {
  readonly now: Statistics;
  /** On the first day of the range; absent where there are no figures of it. */
  readonly before?: Statistics;
  /** Over the range: the overview, and the questions that are shown over time. */
  readonly overTime: Statistics;
}

export interface CardContext {
  readonly figures: LoadedFigures;
  readonly view: ViewState;
  readonly change: (view: ViewState) => void;
  readonly announce: (text: string) => void;
  /** What the reader searches in each question, kept while the view changes. */
  readonly searches: Map<string, string>;
}

const RANGE_WORDS: Readonly<Record<Range, string>> = {
  '30d': '30 days',
  '90d': '90 days',
  '1y': 'a year',
  '3y': 'three years',
};

/** The time that the figures really cover, where they are younger than the range. */
export function spanOf({ figures, view }: Pick<CardContext, 'figures' | 'view'>): string {
  const { days } = figures.overTime;
  const covered = dayNumber(days.at(-1) ?? '') - dayNumber(days[0] ?? '') + 1;
  return covered < RANGE_DAYS[view.range] ? formatDays(covered) : RANGE_WORDS[view.range];
}

/** Whether there is anything to show of an answer. */
export function hasFigures(answer: Answer): boolean {
  const { groups, amounts, cohorts, upgrades } = answer;
  return (
    groups.some(({ isHidden, clusters }) => !isHidden && clusters.value > 0) ||
    (answer.kind === 'amounts' && amounts.length > 0) ||
    cohorts.length > 0 ||
    upgrades.length > 0
  );
}

export function isShownOverTime({ id, kind, hasDetail }: Answer, view: ViewState): boolean {
  return kind === 'values' && isOverTime(view, id, isByDefault({ id, hasDetail }, view));
}

/** In full detail there are too many values for a chart over time. */
function isByDefault({ id, hasDetail }: Pick<Answer, 'id' | 'hasDetail'>, { detail }: ViewState): boolean {
  return OVER_TIME.has(id) && !(hasDetail && detail === 'full');
}

export function createQuestionCard(answer: Answer, context: CardContext): Card {
  const { figures, view, change, announce, searches } = context;
  const { now, before, overTime } = figures;
  const { id, title } = answer;
  const counting = chooseCounting(answer, view);
  // One day has no course.
  const hasTime = answer.kind === 'values' && overTime.days.length > 1;
  const isTime = hasTime && isShownOverTime(answer, view);
  const timeAnswer = isTime ? overTime.answers.find((each) => each.id === id) : undefined;
  const question: QuestionFigures = {
    answer,
    before: before?.answers.find((each) => each.id === id),
    overTime: timeAnswer && { answer: timeAnswer, days: overTime.days, active: overTime.overview.clusters },
    counting,
    view,
    day: now.day,
    span: spanOf(context),
  };
  let isShort = true;
  const isList = answer.kind === 'values' && timeAnswer === undefined;
  const values = isList ? findValues(answer, '').length : 0;
  const isLong = values > SHORT_LIST;
  const controls: HTMLElement[] = [];
  if (hasTime) {
    controls.push(
      createChoices({
        legend: `View of: ${title}`,
        isLegendHidden: true,
        name: `view-${id}`,
        choices: [
          { value: 'now', text: 'Now' },
          { value: 'time', text: 'Over time' },
        ],
        chosen: isTime ? 'time' : 'now',
        onChoose: (value) => change(withOverTime(view, id, isByDefault(answer, view), value === 'time')),
      }),
    );
  }
  const count = h('span', { class: 'search-count', role: 'status' });
  const search = h('input', {
    type: 'search',
    id: `search-${id}`,
    placeholder: 'Search',
    autocomplete: 'off',
    'aria-label': `Search in: ${title}`,
  });
  search.value = searches.get(id) ?? '';
  if (isLong) controls.unshift(h('span', { class: 'search' }, count, search));
  const showAll = button(`Show all ${formatNumber(values)}`, { class: 'show-all', 'aria-expanded': 'false' }, () => {
    isShort = !isShort;
    showAll.textContent = isShort ? `Show all ${formatNumber(values)}` : `Show the first ${SHORT_LIST}`;
    showAll.setAttribute('aria-expanded', String(!isShort));
    card.explorer.refresh();
  });
  const card = createCard({
    id,
    title: titleOf(answer),
    answer: answerInWords(answer, counting) ?? '',
    chart() {
      const text = isLong ? search.value : '';
      return chartOf(question, text, isShort && text === '') ?? createMessage(`No value contains “${text}”.`);
    },
    notes: notesOf(answer, counting, now, { isTime: timeAnswer !== undefined, view }),
    isWide: WIDE.has(id),
    controls,
    more: isLong ? showAll : undefined,
    day: now.day,
    announce,
  });
  search.addEventListener('input', () => {
    searches.set(id, search.value);
    const found = findValues(answer, search.value).length;
    count.textContent = search.value === '' ? '' : `${formatNumber(found)} of ${formatNumber(values)}`;
    showAll.hidden = search.value !== '';
    card.explorer.refresh();
  });
  return card;
}

export function titleOf({ id, title }: Answer): string {
  return id.startsWith('kubermatic.') ? `Kubermatic: ${title.charAt(0).toLowerCase()}${title.slice(1)}` : title;
}

/** Such as "1,204 of 1,980 clusters report this (61 %)". */
export function denominatorOf({ reporting, active }: Answer): string {
  const share = active === 0 ? '' : ` (${formatShare(reporting / active)})`;
  return `${formatNumber(reporting)} of ${plural(active, 'cluster')} ${active === 1 ? 'reports' : 'report'} this${share}`;
}

/** The denominator, what is hidden, how figures are rounded, and their age. */
function notesOf(
  answer: Answer,
  counting: Counting,
  now: Statistics,
  { isTime, view }: { readonly isTime: boolean; readonly view: ViewState },
): string[] {
  const { reporting, active, groups, kind } = answer;
  const notes = [denominatorOf(answer)];
  if (view.count === 'nodes' && kind === 'values')
    notes.push(counting.unit === 'nodes' ? 'counted in nodes' : 'counted in clusters');
  if (isTime && view.show === 'share' && reporting < active && !isExclusive(answer, counting))
    notes.push('shares of all active clusters');
  const few = `fewer than ${formatNumber(now.smallestGroup)} clusters`;
  if (kind === 'values' && groups.some(({ isHidden, clusters }) => isHidden && clusters.value > 0))
    notes.push(`hidden: values of ${few} each`);
  if (kind === 'sizes') notes.push(`sizes of ${few} are joined`);
  if (kind === 'amounts' || kind === 'cohorts' || kind === 'upgrades') notes.push(`hidden: groups of ${few}`);
  if (isTime && groups.some(({ supportEnds }) => supportEnds !== '')) notes.push('hatched: after the end of support');
  if (kind === 'amounts' || counting.unit === 'nodes') notes.push('rounded');
  else if (now.roundedTo > 1) notes.push(`rounded to multiples of ${now.roundedTo}`);
  notes.push(`figures of ${formatDay(now.day)}`);
  return notes;
}
