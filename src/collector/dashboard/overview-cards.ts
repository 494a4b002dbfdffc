import { type Card, createCard } from './card.ts';
import { createFlows } from './charts/flows.ts';
import { createLines } from './charts/lines.ts';
import { formatDay, formatNumber, formatShare, plural } from './format.ts';
import type { Figure } from './model.ts';
import { type CardContext, spanOf } from './question-card.ts';

/** Active clusters, nodes, and who came and went, over the range. */
export function createOverviewCards(context: CardContext): readonly Card[] {
  const { figures, announce } = context;
  const { now, overTime } = figures;
  const { days, overview } = overTime;
  if (days.length < 2) return [];
  const span = spanOf(context);
  const rounded = now.roundedTo > 1 ? [`rounded to multiples of ${now.roundedTo}`] : [];
  const age = `figures of ${formatDay(now.day)}`;
  const line = (unit: 'clusters' | 'nodes', title: string, colour: number, rounding: readonly string[]): Card =>
    createCard({
      id: `overview.${unit}`,
      title,
      answer: describeChange(overview[unit], unit.slice(0, -1), span),
      chart() {
        const lines = [{ name: '', colour, values: overview[unit].series }];
        const formats = { format: formatNumber, formatTick: formatNumber, leastStep: 1 };
        return createLines({ days, lines, isFilled: true, ...formats, unit });
      },
      notes: [`active: reported within ${plural(now.activeDays, 'day')}`, ...rounding, age],
      day: now.day,
      announce,
    });
  const came = overview.newClusters.series;
  const returned = overview.returningClusters.series;
  const lost = overview.lostClusters.series;
  const cards = [
    line('clusters', 'How many clusters take part?', 0, rounded),
    line('nodes', 'How many nodes do they have?', 2, ['rounded']),
  ];
  if (sum(came) + sum(returned) + sum(lost) === 0) return cards;
  return [
    ...cards,
    createCard({
      id: 'overview.flows',
      title: 'Do more clusters come than go?',
      answer: describeFlows(sum(came) + sum(returned), sum(lost), span),
      chart: () => createFlows({ days, came, returned, lost }),
      notes: [`lost: no report for ${plural(now.activeDays, 'day')}`, ...rounded, age],
      isWide: true,
      day: now.day,
      announce,
    }),
  ];
}

function describeChange({ value, series }: Figure, unit: string, span: string): string {
  const first = series[0] ?? 0;
  const change = value - first;
  if (change === 0 || first === 0) return `${plural(value, unit)}.`;
  const word = change > 0 ? 'more' : 'fewer';
  return `${plural(value, unit)}, ${formatShare(Math.abs(change) / first)} ${word} than ${span} ago.`;
}

function describeFlows(came: number, lost: number, span: string): string {
  const word = came > lost ? 'Yes' : came < lost ? 'No' : 'As many';
  return `${word}: ${came === 0 ? 'none' : formatNumber(came)} came or returned in ${span}, and ${lost === 0 ? 'none' : formatNumber(lost)} stopped reporting.`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
