import { plotLines } from './plot.ts';

export interface CostPoint {
  readonly reports: number;
  readonly rollUpMs: number;
  /** Of 365 days. */
  readonly answerMs: number;
  /** Of 90 days. */
  readonly shortAnswerMs: number;
}

/** An SVG of what a roll-up and an answer cost, by the number of reports, with their targets. */
export function plotCosts(
  points: readonly CostPoint[],
  { answerMs, rollUpMs }: { readonly answerMs: number; readonly rollUpMs: number },
): string {
  const line = (label: string, valueOf: (point: CostPoint) => number) => ({
    label,
    points: points.map((point) => [point.reports, valueOf(point)] as const),
  });
  return plotLines({
    title: 'What statistics cost, by the number of reports (each cluster has sent ten)',
    description: 'The cost of a roll-up and of an answer by the number of reports',
    xLabel: 'reports in the database',
    xs: points.map(({ reports }) => reports),
    yTicks: [1, 10, 100, 1_000, 10_000],
    formatY: formatMs,
    lines: [
      line('roll-up of 1,000 reports', (point) => point.rollUpMs),
      line('slowest answer, 365 days', (point) => point.answerMs),
      line('slowest answer, 90 days', (point) => point.shortAnswerMs),
    ],
    targets: [
      { y: rollUpMs, line: 0, text: `target of a roll-up: ${formatMs(rollUpMs)}` },
      { y: answerMs, line: 1, text: `target of an answer: ${formatMs(answerMs)}`, isBelow: true },
    ],
  });
}

export function formatMs(ms: number): string {
  return ms >= 1_000 ? `${Number((ms / 1_000).toPrecision(2))} s` : `${Number(ms.toPrecision(2))} ms`;
}
