export interface CostPoint {
  readonly reports: number;
  readonly rollUpMs: number;
  /** Of 365 days. */
  readonly answerMs: number;
  /** Of 90 days. */
  readonly shortAnswerMs: number;
}

const WIDTH = 720;
const HEIGHT = 380;
const PLOT = { left: 64, right: 500, top: 56, bottom: 320 };
const FLOOR_MS = 1;
const CEILING_MS = 10_000;

/** Transparent, in colours that are readable on light and dark. */
const STYLE = `text{font:13px system-ui,sans-serif;fill:#57606a}.t{font-size:16px;font-weight:600;fill:#1f2328}line{stroke:#8c959f;stroke-opacity:.35}
.g{stroke-dasharray:5 4;stroke-opacity:1}polyline{fill:none;stroke-width:2.5}.a{stroke:#0b6bcb;fill:#0b6bcb}.b{stroke:#b45309;fill:#b45309}.c{stroke:#0f766e;fill:#0f766e}
text.a,text.b,text.c{stroke:none}polyline.a,polyline.b,polyline.c{fill:none}
@media(prefers-color-scheme:dark){text{fill:#9198a1}.t{fill:#f0f6fc}.a{stroke:#58a6ff;fill:#58a6ff}.b{stroke:#f0a04b;fill:#f0a04b}.c{stroke:#3fc1b0;fill:#3fc1b0}}`;

/** An SVG of what a roll-up and an answer cost, by the number of reports, with their targets. Both axes are logarithmic. */
export function plotCosts(
  points: readonly CostPoint[],
  { answerMs, rollUpMs }: { readonly answerMs: number; readonly rollUpMs: number },
): string {
  const counts = points.map(({ reports }) => reports);
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  const scale = (share: number, from: number, to: number): number => Math.round((from + share * (to - from)) * 10) / 10;
  const x = (reports: number): number =>
    scale(Math.log(reports / fewest) / Math.log(most / fewest), PLOT.left + 24, PLOT.right - 8);
  const y = (ms: number): number =>
    scale(Math.log(ms / FLOOR_MS) / Math.log(CEILING_MS / FLOOR_MS), PLOT.bottom, PLOT.top);
  const text = (left: number, top: number, content: string, attributes = ''): string =>
    `<text x="${left}" y="${top}"${attributes}>${content}</text>`;
  const rule = (ms: number, attributes = ''): string =>
    `<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${y(ms)}" y2="${y(ms)}"${attributes}/>`;
  const ticks = [1, 10, 100, 1_000, 10_000].flatMap((ms) => [
    rule(ms),
    text(PLOT.left - 8, y(ms) + 4, formatMs(ms), ' text-anchor="end"'),
  ]);
  const sizes = counts.map((count) =>
    text(x(count), PLOT.bottom + 22, count.toLocaleString('en-US'), ' text-anchor="middle"'),
  );
  const lines: readonly (readonly [name: string, label: string, valueOf: (point: CostPoint) => number])[] = [
    ['b', 'roll-up of 1,000 reports', (point) => point.rollUpMs],
    ['a', 'slowest answer, 365 days', (point) => point.answerMs],
    ['c', 'slowest answer, 90 days', (point) => point.shortAnswerMs],
  ];
  const curves = lines.flatMap(([name, label, valueOf]) => {
    const places = points.map((point) => [x(point.reports), y(valueOf(point))] as const);
    const last = points.at(-1);
    const end = last === undefined ? 0 : valueOf(last);
    return [
      `<polyline class="${name}" points="${places.map((place) => place.join(',')).join(' ')}"/>`,
      ...places.map(([left, top]) => `<circle class="${name}" cx="${left}" cy="${top}" r="3.5"/>`),
      text(PLOT.right + 8, y(end) + 4, `${label}: ${formatMs(end)}`, ` class="${name}"`),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="The cost of a roll-up and of an answer by the number of reports">`,
    `<style>${STYLE}</style>`,
    text(PLOT.left, 28, 'What statistics cost, by the number of reports (each cluster has sent ten)', ' class="t"'),
    ...ticks,
    ...sizes,
    text((PLOT.left + PLOT.right) / 2, PLOT.bottom + 44, 'reports in the database', ' text-anchor="middle"'),
    rule(rollUpMs, ' class="g b"'),
    text(PLOT.left + 8, y(rollUpMs) - 6, `target of a roll-up: ${formatMs(rollUpMs)}`),
    rule(answerMs, ' class="g a"'),
    text(PLOT.left + 8, y(answerMs) + 16, `target of an answer: ${formatMs(answerMs)}`),
    ...curves,
    '</svg>',
    '',
  ].join('\n');
}

function formatMs(ms: number): string {
  return ms >= 1_000 ? `${Number((ms / 1_000).toPrecision(2))} s` : `${Number(ms.toPrecision(2))} ms`;
}
