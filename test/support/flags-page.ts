import type { Command } from '../../src/cli/command.ts';
import { type Flag, variablesOf } from '../../src/cli/flags.ts';
import { syntaxOf } from '../../src/cli/help.ts';
import { splitFlags } from '../../src/cli/man-page.ts';
import { wrap } from '../../src/runtime/wrap.ts';

const WIDTH = 120;

/** docs/configuration.md: every command with its flags, environment variables and defaults, as Markdown. */
export function renderFlagsPage(commands: readonly Command[]): string {
  const sections = commands.map((command, index) => renderCommand(command, commands.slice(0, index)));
  const intro =
    'Every command reads its configuration from flags and environment variables. A flag takes precedence over its environment variable, ' +
    'and that over the default. `spartakus COMMAND --help` prints the same lists. Sizes are in the notation of Kubernetes (`512Ki`, `8Mi`), ' +
    'durations in that of Go (`90s`, `1h30m`). A switch has no value; its environment variable is `true` or `false`. Variables that Kubernetes ' +
    'sets for a Service, such as `SPARTAKUS_PORT=tcp://10.96.0.7:8080`, are ignored; any other unknown `SPARTAKUS_` variable is logged as a warning.';
  const contents = commands.map(({ name }) => `- [spartakus ${name}](#spartakus-${name.replaceAll(' ', '-')})`);
  return `${['# Configuration', wrap(intro, WIDTH, ''), contents.join('\n'), ...sections].join('\n\n')}\n`;
}

function renderCommand(command: Command, earlier: readonly Command[]): string {
  const { base, own } = splitFlags(command, earlier);
  return [
    `## spartakus ${command.name}`,
    wrap(command.description, WIDTH, ''),
    ...(base === undefined ? [] : [`The flags of \`spartakus ${base.name}\`${own.length === 0 ? '.' : ', and:'}`]),
    ...[...Map.groupBy(own, ({ group }) => group)].flatMap(([group, grouped]) => [
      `### ${group}`,
      grouped.map(renderFlag).join('\n'),
    ]),
  ].join('\n\n');
}

function renderFlag(flag: Flag<unknown>): string {
  const facts = [
    `\`${syntaxOf(flag)}\``,
    ...(flag.required === undefined ? [] : ['required']),
    ...variablesOf(flag).map((variable) => `\`${variable}\``),
    ...(flag.placeholder === undefined || !flag.default ? [] : [`default \`${flag.default}\``]),
  ];
  const heading = facts.map((fact, index) => fact + (index === facts.length - 1 ? ':' : ','));
  return `${wrap(heading, WIDTH, ['- ', '  '])}\n${wrap(flag.help, WIDTH, '  ')}`;
}
