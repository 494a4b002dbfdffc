import type { Writable } from 'node:stream';
import { styleText } from 'node:util';
import { wrap } from '../runtime/wrap.ts';
import { type Flag, variablesOf } from './flags.ts';

/** A standard stream. `isTTY` and `columns` are set on a terminal. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number };

export interface Format {
  /** Characters per line. */
  readonly width: number;
  readonly bold: (text: string) => string;
  readonly accent: (text: string) => string;
  readonly dim: (text: string) => string;
}

const UNKNOWN_WIDTH = 80;
const MAX_WIDTH = 110;

/** Text is styled on a terminal, unless NO_COLOR (https://no-color.org) is set or the terminal is dumb. */
export function formatFor({ isTTY, columns }: Output, env: NodeJS.ProcessEnv): Format {
  const isStyled = isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  const style = (name: 'bold' | 'cyan' | 'dim') => (text: string) =>
    isStyled ? styleText(name, text, { validateStream: false }) : text;
  const width = Math.min(columns || UNKNOWN_WIDTH, MAX_WIDTH);
  return { width, bold: style('bold'), accent: style('cyan'), dim: style('dim') };
}

/** `-v, --verbose`, `--port PORT` */
export function syntaxOf({ name, short, placeholder }: Flag<unknown>): string {
  return `${short === undefined ? '' : `-${short}, `}--${name}${placeholder === undefined ? '' : ` ${placeholder}`}`;
}

export function describeFlags(flags: readonly Flag<unknown>[], format: Format): string {
  return [...Map.groupBy(flags, ({ group }) => group)]
    .map(([group, grouped]) =>
      [format.bold(`${group}:`), ...grouped.map((flag) => describeFlag(flag, format))].join('\n'),
    )
    .join('\n\n');
}

function describeFlag(flag: Flag<unknown>, { width, accent, dim }: Format): string {
  const { placeholder, required, help } = flag;
  const notes = [
    ...(required === undefined ? [] : ['[required]']),
    ...(placeholder === undefined || !flag.default ? [] : [`[default: ${flag.default}]`]),
    ...(variablesOf(flag).length === 0 ? [] : [`[env: ${variablesOf(flag).join(', ')}]`]),
  ];
  return [wrap([accent(syntaxOf(flag)), ...notes.map(dim)], width, ['  ', '      ']), wrap(help, width, '      ')].join(
    '\n',
  );
}

export function describeCommands(
  heading: string,
  commands: readonly { readonly name: string; readonly summary: string }[],
  { width, bold }: Format,
): string {
  const column = Math.max(...commands.map(({ name }) => name.length)) + 2;
  const rows = commands.map(({ name, summary }) =>
    wrap(summary, width, [`  ${name.padEnd(column)}`, ' '.repeat(column + 2)]),
  );
  return [bold(heading), ...rows].join('\n');
}
