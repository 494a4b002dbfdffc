import { expect, test } from 'vitest';
import { flagsTable } from '../../src/cli/flags-page.ts';
import { describeFlags, parseFlags } from '../../src/cli/flags.ts';
import { parsePort, parseSwitch, parseText } from '../../src/cli/values.ts';

const FLAGS = {
  'listen-port': { placeholder: 'PORT', default: '80', help: 'Where to listen.', parse: parsePort },
  name: { placeholder: 'TEXT', required: 'a name', help: 'Who it is.', parse: parseText },
  note: { placeholder: 'TEXT', help: 'A note.', parse: parseText },
  loud: { default: 'false', help: 'Says more | louder.', parse: parseSwitch },
};

test('a flag counts before its environment variable, and that before the default', () => {
  const env = { SPARTAKUS_LISTEN_PORT: '81', SPARTAKUS_NAME: 'from env' };

  expect(parseFlags(FLAGS, ['--listen-port=82'], env).values).toMatchObject({ 'listen-port': 82, name: 'from env' });
  expect(parseFlags(FLAGS, [], env).values).toMatchObject({ 'listen-port': 81 });
  expect(parseFlags(FLAGS, ['--name', 'x'], {}).values).toStrictEqual({ 'listen-port': 80, name: 'x', loud: false });
});

test('of a flag that is given twice, the last counts', () => {
  expect(parseFlags(FLAGS, ['--name=a', '--name=b'], {}).values.name).toBe('b');
});

test('a value may start with a dash, and be empty, where = gives it', () => {
  expect(parseFlags(FLAGS, ['--name=-x'], {}).values.name).toBe('-x');
  expect(parseFlags(FLAGS, ['--name='], {}).errors).toStrictEqual(['--name "" is empty']);
});

test('a switch needs no value, and takes one', () => {
  expect(parseFlags(FLAGS, ['--name=x', '--loud'], {}).values.loud).toBe(true);
  expect(parseFlags(FLAGS, ['--name=x', '--loud=false'], {}).values.loud).toBe(false);
  expect(parseFlags(FLAGS, ['--name=x'], { SPARTAKUS_LOUD: 'true' }).values.loud).toBe(true);
});

test('a switch may have a short form, which stands in the help and the table', () => {
  const flags = { ...FLAGS, loud: { ...FLAGS.loud, short: 'l' } };

  expect(parseFlags(flags, ['--name=x', '-l'], {}).values.loud).toBe(true);
  expect(parseFlags(flags, ['--name=x', '-l', '-x'], {}).errors).toStrictEqual(['unknown flag -x']);
  expect(describeFlags(flags)).toContain('  -l, --loud          Says more | louder.');
  expect(flagsTable(flags)).toContain('| `-l`, `--loud` | `SPARTAKUS_LOUD` |');
});

test('an address with a password is masked wherever it was put', () => {
  const address = 'mongodb://u:hunter2@x';

  const { errors } = parseFlags(FLAGS, [address, `--listen-port=${address}`], { SPARTAKUS_LOUD: address });

  expect(errors).toHaveLength(4);
  expect(errors.join()).not.toContain('hunter2');
});

test('everything that is wrong is told at once, with where it came from', () => {
  const { errors } = parseFlags(FLAGS, ['word', '--nmae=x', '-p', '--loud=maybe', '--constructor=x', '--note'], {
    SPARTAKUS_LISTEN_PORT: 'x',
  });

  expect(errors).toStrictEqual([
    'unexpected argument "word"',
    'unknown flag --nmae',
    'unknown flag -p',
    'unknown flag --constructor',
    '--note needs a value: --note=TEXT',
    'SPARTAKUS_LISTEN_PORT (--listen-port) "x" is not a port: use 0 to 65535',
    '--name is required: a name',
    '--loud "maybe" is neither true nor false',
  ]);
});

test('a flag whose value was forgotten does not take the next flag for it', () => {
  expect(parseFlags(FLAGS, ['--name', '--note', 'x'], {}).errors).toContain('--name needs a value: --name=TEXT');
});

test('the help text has a line a flag, and no line is wider than a terminal', () => {
  const long = { ...FLAGS, long: { placeholder: 'TEXT', help: 'word '.repeat(60).trim(), parse: parseText } };

  const lines = describeFlags(long).split('\n');

  expect(lines.slice(0, 2)).toStrictEqual([
    '  --listen-port PORT  Where to listen. (default 80)',
    '  --name TEXT         Who it is.',
  ]);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(110);
});

test('the table for the README has the environment variable, the default, and what must be given', () => {
  expect(flagsTable(FLAGS).split('\n').slice(2)).toStrictEqual([
    '| `--listen-port PORT` | `SPARTAKUS_LISTEN_PORT` | `80` | Where to listen. |',
    '| `--name TEXT` | `SPARTAKUS_NAME` | required | Who it is. |',
    '| `--note TEXT` | `SPARTAKUS_NOTE` |  | A note. |',
    String.raw`| ${'`--loud`'} | ${'`SPARTAKUS_LOUD`'} |  | Says more \| louder. |`,
  ]);
});
