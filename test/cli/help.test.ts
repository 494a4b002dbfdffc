import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { COMMAND_LIST } from '../../src/cli/command-list.ts';
import { group } from '../../src/cli/flags.ts';
import { describeFlags, formatFor } from '../../src/cli/help.ts';
import { loadCommand } from '../../src/cli/program.ts';
import { parsePort, parseText } from '../../src/cli/values.ts';
import { wrap } from '../../src/runtime/wrap.ts';
import { runCommand } from '../support/run-command.ts';

const terminal = (columns: number) => Object.assign(new PassThrough(), { isTTY: true, columns });
const FLAGS = [
  ...Object.values(
    group('Listen', {
      port: { name: 'port', placeholder: 'PORT', default: '80', help: 'Listen on this port.', parse: parsePort },
      name: { name: 'name', short: 'n', variables: [], required: 'a name', help: 'Use this name.', parse: parseText },
    }),
  ),
  ...Object.values(group('Limits', { size: { name: 'size', help: 'word '.repeat(60).trim(), parse: parseText } })),
];

test('flags are listed under the headings of their groups, with default and environment variable', () => {
  const lines = describeFlags(FLAGS, formatFor(new PassThrough(), {})).split('\n');

  expect(lines.slice(0, 9)).toStrictEqual([
    'Listen:',
    '  --port PORT [default: 80] [env: SPARTAKUS_PORT]',
    '      Listen on this port.',
    '  -n, --name [required]',
    '      Use this name.',
    '',
    'Limits:',
    '  --size [env: SPARTAKUS_SIZE]',
    `      ${'word '.repeat(15).trim()}`,
  ]);
});

test.each([
  [{}, 80],
  [{ columns: 0 }, 80],
  [{ columns: 60 }, 60],
  [{ columns: 300 }, 110],
])('text for a stream with %j has %d columns', (stream, width) => {
  expect(formatFor(Object.assign(new PassThrough(), stream), {}).width).toBe(width);
});

test('text is styled on a terminal only, and not with NO_COLOR or on a dumb terminal', () => {
  expect(formatFor(terminal(80), {}).bold('x')).toBe('\u001B[1mx\u001B[22m');
  expect(formatFor(terminal(80), { NO_COLOR: '1' }).bold('x')).toBe('x');
  expect(formatFor(terminal(80), { TERM: 'dumb' }).dim('x')).toBe('x');
  expect(formatFor(new PassThrough(), {}).bold('x')).toBe('x');
});

test('escape sequences do not count as characters of a line', () => {
  const { bold } = formatFor(terminal(80), {});

  expect(wrap([bold('12345'), '67890'], 11, '')).toBe(`${bold('12345')} 67890`);
  expect(wrap('12345 67890', 10, ['', '  '])).toBe('12345\n  67890');
});

test.each(COMMAND_LIST.map(({ name }) => name))('spartakus %s --help fits 80 columns', async (name) => {
  const command = await loadCommand(name);

  const { code, stdout, stderr } = await runCommand(command, ['--help']);

  expect([code, stderr]).toStrictEqual([0, '']);
  expect(stdout).toMatch(new RegExp(`^Usage: spartakus ${name} \\[flags\\](?: \\[[A-Z_]+\\.\\.\\.\\])?\\n`));
  expect(stdout.split('\n').filter((line) => line.length > 80)).toStrictEqual([]);
});
