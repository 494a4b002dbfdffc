import { expect, test } from 'vitest';
import { group, parseFlags } from '../../src/cli/flags.ts';
import { parsePort, parseText, SWITCH } from '../../src/cli/values.ts';

const FLAGS = {
  ...group('Test', {
    listenPort: { name: 'listen-port', placeholder: 'PORT', default: '80', help: 'Listen here.', parse: parsePort },
    name: { name: 'name', placeholder: 'TEXT', required: 'a name', help: 'Use this name.', parse: parseText },
    note: { name: 'note', placeholder: 'TEXT', help: 'Add a note.', parse: parseText },
    loud: { name: 'loud', short: 'l', ...SWITCH, help: 'Log more | louder.' },
  }),
  nested: group('Nested', {
    dir: {
      name: 'dir',
      placeholder: 'DIR',
      variables: ['SPARTAKUS_DIR', 'DIR'],
      help: 'Read from here.',
      parse: parseText,
    },
  }),
};

test('flags set the fields of the configuration, nested ones too', () => {
  expect(parseFlags(FLAGS, ['--name', 'x', '--dir=/y'], {}).values).toStrictEqual({
    listenPort: 80,
    name: 'x',
    note: undefined,
    loud: false,
    nested: { dir: '/y' },
  });
});

test('a flag takes precedence over its environment variable, and that over the default', () => {
  const env = { SPARTAKUS_LISTEN_PORT: '81', SPARTAKUS_NAME: 'from env' };

  expect(parseFlags(FLAGS, ['--listen-port=82'], env).values).toMatchObject({ listenPort: 82, name: 'from env' });
  expect(parseFlags(FLAGS, [], env).values).toMatchObject({ listenPort: 81 });
  expect(parseFlags(FLAGS, ['--name', 'x'], {}).values).toMatchObject({ listenPort: 80, name: 'x', loud: false });
});

test('the first variable takes precedence over the others, of which empty ones do not count', () => {
  const dirOf = (env: NodeJS.ProcessEnv) => parseFlags(FLAGS, ['--name=x'], env).values.nested.dir;

  expect(dirOf({ SPARTAKUS_DIR: '/a', DIR: '/b' })).toBe('/a');
  expect(dirOf({ DIR: '/b' })).toBe('/b');
  expect(dirOf({ DIR: '' })).toBeUndefined();
  expect(parseFlags(FLAGS, ['--name=x'], { SPARTAKUS_DIR: '' }).errors).toStrictEqual([
    'SPARTAKUS_DIR (--dir) "" is empty',
  ]);
});

test('the last of repeated flags counts', () => {
  expect(parseFlags(FLAGS, ['--name=a', '--name=b'], {}).values.name).toBe('b');
});

test('after = a value may start with a dash, and be empty', () => {
  expect(parseFlags(FLAGS, ['--name=-x'], {}).values.name).toBe('-x');
  expect(parseFlags(FLAGS, ['--name='], {}).errors).toStrictEqual(['--name "" is empty']);
});

test('a switch needs no value, and accepts one', () => {
  expect(parseFlags(FLAGS, ['--name=x', '--loud'], {}).values.loud).toBe(true);
  expect(parseFlags(FLAGS, ['--name=x', '--loud=false'], {}).values.loud).toBe(false);
  expect(parseFlags(FLAGS, ['--name=x'], { SPARTAKUS_LOUD: 'true' }).values.loud).toBe(true);
});

test('a switch may have a short form', () => {
  expect(parseFlags(FLAGS, ['--name=x', '-l'], {}).values.loud).toBe(true);
  expect(parseFlags(FLAGS, ['--name=x', '-l', '-x'], {}).errors).toStrictEqual(['unknown flag -x']);
});

test('the password of a URL is masked in every error', () => {
  const address = 'mongodb://u:hunter2@x';

  const { errors } = parseFlags(FLAGS, [address, `--listen-port=${address}`], { SPARTAKUS_LOUD: address });

  expect(errors).toHaveLength(4);
  expect(errors.join()).not.toContain('hunter2');
});

test('all errors are reported at once, with the flag or variable that caused them', () => {
  const { errors } = parseFlags(FLAGS, ['word', '--nmae=x', '-p', '--loud=maybe', '--constructor=x', '--note'], {
    SPARTAKUS_LISTEN_PORT: 'x',
  });

  expect(errors).toStrictEqual([
    'unexpected argument "word"',
    'unknown flag --nmae; did you mean --name?',
    'unknown flag -p',
    'unknown flag --constructor',
    '--note needs a value: --note=TEXT',
    'SPARTAKUS_LISTEN_PORT (--listen-port) "x" is not a port: use 0 to 65535',
    '--name is required: a name',
    '--loud "maybe" is neither true nor false',
  ]);
});

test('the argument after an unknown flag, which may be its value, is not an error of its own', () => {
  expect(parseFlags(FLAGS, ['--name=x', '--nte', 'y', 'z'], {}).errors).toStrictEqual([
    'unknown flag --nte; did you mean --note?',
    'unexpected argument "z"',
  ]);
  expect(parseFlags(FLAGS, ['y', '--name=x', '--nte=y', 'z'], {}).errors).toHaveLength(3);
});

test('the flag after one whose value is missing is not taken as the value', () => {
  expect(parseFlags(FLAGS, ['--name', '--note', 'x'], {}).errors).toContain('--name needs a value: --name=TEXT');
});
