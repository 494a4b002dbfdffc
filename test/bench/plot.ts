/** A line of a plot. */
export interface PlotLine {
  readonly label: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Plot {
  readonly title: string;
  /** For screen readers. */
  readonly description: string;
  readonly lines: readonly PlotLine[];
  readonly xLabel: string;
  /** In the order of the lines' points. */
  readonly xs: readonly number[];
  readonly formatX?: (x: number) => string;
  readonly yTicks: readonly number[];
  readonly formatY: (y: number) => string;
  /** Horizontal lines in the colour of a line, with a text above or below them. */
  readonly targets?: readonly {
    readonly y: number;
    readonly line: number;
    readonly text: string;
    readonly isBelow?: boolean;
  }[];
}

const WIDTH = 720;
const HEIGHT = 380;
const PLOT = { left: 64, right: 500, top: 56, bottom: 320 };
const LABEL_HEIGHT = 16;

/** Transparent, in colours that are readable on light and dark. */
const STYLE = `text{font:13px system-ui,sans-serif;fill:#57606a}.t{font-size:16px;font-weight:600;fill:#1f2328}line{stroke:#8c959f;stroke-opacity:.35}
.g{stroke-dasharray:5 4;stroke-opacity:1}polyline{fill:none;stroke-width:2.5}.a{stroke:#0b6bcb;fill:#0b6bcb}.b{stroke:#b45309;fill:#b45309}.c{stroke:#0f766e;fill:#0f766e}.d{stroke:#7c3aed;fill:#7c3aed}
text.a,text.b,text.c,text.d{stroke:none}polyline.a,polyline.b,polyline.c,polyline.d{fill:none}
@media(prefers-color-scheme:dark){text{fill:#9198a1}.t{fill:#f0f6fc}.a{stroke:#58a6ff;fill:#58a6ff}.b{stroke:#f0a04b;fill:#f0a04b}.c{stroke:#3fc1b0;fill:#3fc1b0}.d{stroke:#b18cff;fill:#b18cff}}`;
const CLASSES = ['b', 'a', 'c', 'd'] as const;

/** An SVG of lines with logarithmic axes. Each line is labelled at its end, with its last value. */
export function plotLines(plot: Plot): string {
  const { title, description, lines, xLabel, xs, formatX = (x) => x.toLocaleString('en-US'), yTicks, formatY } = plot;
  const [fewest, most] = [Math.min(...xs), Math.max(...xs)];
  const [floor, ceiling] = [Math.min(...yTicks), Math.max(...yTicks)];
  const scale = (share: number, from: number, to: number): number => Math.round((from + share * (to - from)) * 10) / 10;
  const x = (value: number): number =>
    scale(Math.log(value / fewest) / Math.log(most / fewest), PLOT.left + 24, PLOT.right - 8);
  const y = (value: number): number =>
    scale(Math.log(Math.max(value, floor) / floor) / Math.log(ceiling / floor), PLOT.bottom, PLOT.top);
  const text = (left: number, top: number, content: string, attributes = ''): string =>
    `<text x="${left}" y="${top}"${attributes}>${content}</text>`;
  const rule = (value: number, attributes = ''): string =>
    `<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${y(value)}" y2="${y(value)}"${attributes}/>`;
  const classOf = (index: number): string => CLASSES[index % CLASSES.length] as string;
  const ticks = yTicks.flatMap((value) => [
    rule(value),
    text(PLOT.left - 8, y(value) + 4, formatY(value), ' text-anchor="end"'),
  ]);
  const sizes = xs.map((value) => text(x(value), PLOT.bottom + 22, formatX(value), ' text-anchor="middle"'));
  const ends = spreadLabels(lines.map(({ points }) => y(points.at(-1)?.[1] ?? floor)));
  const curves = lines.flatMap(({ label, points }, index) => {
    const places = points.map(([left, top]) => [x(left), y(top)] as const);
    const name = classOf(index);
    return [
      `<polyline class="${name}" points="${places.map((place) => place.join(',')).join(' ')}"/>`,
      ...places.map(([left, top]) => `<circle class="${name}" cx="${left}" cy="${top}" r="3.5"/>`),
      text(
        PLOT.right + 8,
        (ends[index] ?? 0) + 4,
        `${label}: ${formatY(points.at(-1)?.[1] ?? floor)}`,
        ` class="${name}"`,
      ),
    ];
  });
  const targets = (plot.targets ?? []).flatMap(({ y: value, line, text: content, isBelow }) => [
    rule(value, ` class="g ${classOf(line)}"`),
    text(PLOT.left + 8, y(value) + (isBelow === true ? 16 : -6), content),
  ]);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${description}">`,
    `<style>${STYLE}</style>`,
    text(PLOT.left, 28, title, ' class="t"'),
    ...ticks,
    ...sizes,
    text((PLOT.left + PLOT.right) / 2, PLOT.bottom + 44, xLabel, ' text-anchor="middle"'),
    ...targets,
    ...curves,
    '</svg>',
    '',
  ].join('\n');
}

/** The places of labels, apart from each other, in the order of the lines. */
function spreadLabels(places: readonly number[]): readonly number[] {
  const spread = [...places];
  let lowest = -Infinity;
  for (const index of [...places.keys()].toSorted((left, right) => (places[left] ?? 0) - (places[right] ?? 0))) {
    lowest = Math.max(places[index] ?? 0, lowest + LABEL_HEIGHT);
    spread[index] = Math.round(lowest * 10) / 10;
  }
  return spread;
}

/** Powers of ten around all values. */
export function decadesOf(values: readonly number[]): readonly number[] {
  const from = Math.floor(Math.log10(Math.min(...values)));
  const to = Math.ceil(Math.log10(Math.max(...values)));
  return Array.from({ length: Math.max(to, from + 1) - from + 1 }, (_, index) => 10 ** (from + index));
}
