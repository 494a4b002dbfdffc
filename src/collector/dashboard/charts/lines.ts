import { type Chart, fit, path, TEXT_SIZE, widthOf } from '../chart.ts';
import { colourOf } from '../colours.ts';
import { s } from '../element.ts';
import { formatDay } from '../format.ts';
import { spread } from '../scales.ts';
import { roundShare, shareColumnsOf } from '../table.ts';
import { createTimeDrawing, createTimeFrame } from './time-frame.ts';

export interface Line {
  readonly name: string;
  /** The index of a data colour; by default that of the name. */
  readonly colour?: number;
  /** One value for each day; undefined where it is hidden. */
  readonly values: readonly (number | undefined)[];
}

export interface LinesOptions {
  readonly days: readonly string[];
  readonly lines: readonly Line[];
  readonly height?: number;
  /** Fills the space below a single line. */
  readonly isFilled?: boolean;
  readonly isShare?: boolean;
  readonly format: (value: number) => string;
  readonly formatTick: (value: number) => string;
  readonly leastStep?: number;
  /** The name of the values in the table, such as "share". */
  readonly unit: string;
}

/** Of lines of the same colour. */
const DASHES = [undefined, '8 5', '2 5', '12 4 2 4'];
const LABEL_GAP = TEXT_SIZE + 4;

/** Lines over time, each with its name and last value at its end. Values of the same colour differ in their dashes. */
export function createLines(options: LinesOptions): Chart {
  const { days, lines, height = 240, isFilled = false, isShare = false, format, formatTick, leastStep, unit } = options;
  const styled = lines.map((line, index) => {
    const colour = line.colour ?? colourOf(line.name);
    const twins = lines.slice(0, index).filter((other) => (other.colour ?? colourOf(other.name)) === colour).length;
    return { ...line, colour, dash: DASHES[twins % DASHES.length] };
  });
  const labelOf = ({ name, values }: Line): string => [name, format(values.at(-1) ?? 0)].filter(Boolean).join(' ');
  return {
    draw(width) {
      const most = width * (width < 480 ? 0.4 : 0.34);
      const needed = Math.max(...styled.map((line) => widthOf(labelOf(line), 600))) + 20;
      const max = Math.max(...styled.flatMap(({ values }) => values.map((value = 0) => value)));
      const labelWidth = Math.min(needed, most);
      const frame = createTimeFrame({ width, height, days, max, leastStep, labelWidth, formatTick });
      const { svg, x, y, right, top, bottom } = frame;
      const ends = styled
        .map((line) => ({ line, wanted: y(line.values.at(-1) ?? 0) }))
        .toSorted((one, other) => one.wanted - other.wanted);
      const wantedPlaces = ends.map(({ wanted }) => wanted);
      const places = spread(wantedPlaces, LABEL_GAP, [top, bottom]);
      for (const { values, colour, dash } of styled.toReversed()) {
        for (const points of piecesOf(values, (value, day) => [x(days[day] ?? ''), y(value)])) {
          const [firstX] = points[0] ?? [0];
          if (isFilled)
            svg.append(s('path', { d: `${path(points)}V${bottom}H${firstX}Z`, class: `area-below c${colour}` }));
          svg.append(s('path', { d: path(points), class: `line c${colour}`, 'stroke-dasharray': dash }));
        }
        const last = values.at(-1);
        if (last !== undefined) svg.append(s('circle', { cx: right, cy: y(last), r: 3.5, class: `dot c${colour}` }));
      }
      ends.forEach(({ line, wanted }, index) => {
        const place = places[index] ?? wanted;
        const value = format(line.values.at(-1) ?? 0);
        const name = line.name === '' ? '' : fit(line.name, labelWidth - 22 - widthOf(value, 600));
        if (Math.abs(place - wanted) > 3)
          svg.append(s('path', { d: `M${right + 5} ${wanted}L${right + 14} ${place}`, class: 'leader' }));
        svg.append(
          s(
            'text',
            { x: right + 17, y: place + 4.5, class: 'label' },
            s('tspan', { class: 'value' }, value),
            name === '' ? undefined : ` ${name}`,
          ),
        );
      });
      const points = days.map((day, index) => ({
        x: x(day),
        y: Math.min(...styled.map(({ values }) => y(values[index] ?? 0))),
        title: formatDay(day),
        rows: styled
          .map(({ name, values, colour }) => ({ colour, name, value: values[index] }))
          .toSorted((one, other) => (other.value ?? 0) - (one.value ?? 0))
          .map((row) => ({ ...row, value: row.value === undefined ? 'hidden' : format(row.value) })),
      }));
      return createTimeDrawing(frame, days, points, (index) =>
        styled.flatMap(({ values, colour }) => {
          const value = values[index];
          return value === undefined ? [] : [{ y: y(value), colour }];
        }),
      );
    },
    table: () => ({
      shareColumns: shareColumnsOf(lines.length, isShare),
      columns: ['Day', ...styled.map(({ name }) => (name === '' ? unit : `${name} (${unit})`))],
      rows: days
        .map((day, index) => [
          day,
          ...styled.map(({ values }) => {
            const value = values[index];
            return value === undefined ? '' : isShare ? roundShare(value) : value;
          }),
        ])
        .toReversed(),
    }),
  };
}

/** The positions of the values, without a line over the days on which they are hidden. */
function piecesOf(
  values: readonly (number | undefined)[],
  place: (value: number, day: number) => readonly [number, number],
): readonly (readonly [number, number])[][] {
  const pieces: (readonly [number, number])[][] = [];
  values.forEach((value, day) => {
    if (value === undefined) return;
    const piece = pieces.at(-1);
    if (piece === undefined || values[day - 1] === undefined) pieces.push([place(value, day)]);
    else piece.push(place(value, day));
  });
  return pieces;
}
