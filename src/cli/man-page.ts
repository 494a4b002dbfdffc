import { wrap } from '../runtime/wrap.ts';
import type { Command } from './command.ts';
import { type Flag, listFlags, variablesOf } from './flags.ts';

/** The day on which this page got its form; its content follows the flags. */
const DATE = '2026-11-21';
/** Of the lines of its source. */
const WIDTH = 78;

/** spartakus(1) in the format of man(7). */
export function renderManPage(commands: readonly Command[], version: string): string {
  const sections = [
    `.TH SPARTAKUS 1 ${DATE} "spartakus ${version}" "User Commands"`,
    '.SH NAME\nspartakus \\- honest, anonymous usage telemetry for Kubernetes',
    `.SH SYNOPSIS\n${commands.map(renderSynopsis).join('\n.br\n')}`,
    '.SH DESCRIPTION',
    paragraph(
      'A volunteer reads a Kubernetes cluster and reports what runs it, anonymously. A collector stores the reports and counts them. Agents ' +
        'and a reporter do the same for installations of Kubermatic.',
    ),
    '.PP\n' +
      paragraph(
        'Every command reads its configuration from flags and environment variables. A flag takes precedence over its environment variable, and ' +
          'that over the default. Sizes are in the notation of Kubernetes (512Ki, 8Mi), durations in that of Go (90s, 1h30m). A switch has no ' +
          'value; its environment variable is true or false.',
      ),
    '.SH COMMANDS',
    ...commands.map((command, index) => renderCommand(command, commands.slice(0, index))),
    '.SH EXIT STATUS',
    ...[
      ['0', 'Success.'],
      ['1', 'Failure; the last lines on standard error say why.'],
      ['2', 'A flag, an environment variable or an operand is wrong.'],
    ].map(([code = '', meaning = '']) => `.TP\n${code}\n${paragraph(meaning)}`),
    '.SH EXAMPLES',
    EXAMPLES.map(([text, line]) => `${paragraph(text)}\n.PP\n.RS 4\n.EX\n${escape(line)}\n.EE\n.RE`).join('\n.PP\n'),
    '.SH SEE ALSO\n.BR kubectl (1)',
  ];
  return `${sections.join('\n')}\n`;
}

const EXAMPLES: readonly (readonly [text: string, line: string])[] = [
  ['Print what would be sent, and send nothing:', 'spartakus volunteer --cluster-id auto --dry-run'],
  [
    'Check the configuration of a volunteer:',
    'spartakus volunteer doctor --cluster-id auto --database grpcs://collector.example.com',
  ],
  ['Let bash complete commands and flags:', 'source <(spartakus completion bash)'],
];

/** The earlier command whose flags a command has too, and the flags that it has beside those. */
export function splitFlags(
  { name, flags }: Command,
  earlier: readonly Command[],
): { readonly base: Command | undefined; readonly own: readonly Flag<unknown>[] } {
  const all = listFlags(flags);
  // The commands of the volunteer share most flags, as do those of the agents and of the reporters.
  const base = earlier.findLast((other) => {
    const names = listFlags(other.flags).map((flag) => flag.name);
    return (
      other.name.split(' ')[0] === name.split(' ')[0] && names.every((one) => all.some((flag) => flag.name === one))
    );
  });
  const known = base === undefined ? [] : listFlags(base.flags).map(renderFlag);
  return { base, own: all.filter((flag) => !known.includes(renderFlag(flag))) };
}

function renderSynopsis({ name, operands }: Command): string {
  return `.B spartakus ${escape(name)}\n.RI [ flags ]${operands === undefined ? '' : `\n.RI [ ${escape(operands)} ]`}`;
}

function renderCommand(command: Command, earlier: readonly Command[]): string {
  const { base, own } = splitFlags(command, earlier);
  const shared =
    base === undefined
      ? []
      : [`.PP\nThe flags of\n.B spartakus ${escape(base.name)}\n${own.length === 0 ? 'apply.' : 'apply, and these:'}`];
  return [
    `.SS spartakus ${escape(command.name)}`,
    paragraph(command.description),
    ...shared,
    ...own.map(renderFlag),
  ].join('\n');
}

function renderFlag(flag: Flag<unknown>): string {
  const { name, short, placeholder, required, help } = flag;
  const variables = variablesOf(flag);
  const facts = [
    ...(required === undefined ? [] : ['Required.']),
    ...(placeholder === undefined || !flag.default ? [] : [`Default: ${flag.default}.`]),
    ...(variables.length === 0 ? [] : [`Environment: ${variables.join(', ')}.`]),
  ];
  const names = `\\fB${short === undefined ? '' : `${escape(`-${short}`)}\\fR, \\fB`}${escape(`--${name}`)}\\fR`;
  const value = placeholder === undefined ? '' : ` \\fI${escape(placeholder)}\\fR`;
  return `.TP\n${names}${value}\n${paragraph([help, ...facts].join(' '))}`;
}

/** Each sentence begins a line, as roff wants it. */
function paragraph(text: string): string {
  return text
    .split(/(?<=[a-z)"][.]) (?=[A-Z"])/)
    .flatMap((sentence) => wrap(escape(sentence), WIDTH, '').split('\n'))
    .map((line) => line.replace(/^\./, String.raw`\&.`))
    .join('\n');
}

const SPECIAL: Readonly<Record<string, string>> = {
  '\\': String.raw`\e`,
  '-': String.raw`\-`,
  "'": String.raw`\(aq`,
  '`': String.raw`\(ga`,
  '^': String.raw`\(ha`,
  '~': String.raw`\(ti`,
};

/** Without this, formatters would print other characters than those that can be typed. */
function escape(text: string): string {
  return text.replaceAll(
    /[\\'`^~-]|[^\x20-\x7e]/gu,
    (character) =>
      SPECIAL[character] ?? `\\[u${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`,
  );
}
