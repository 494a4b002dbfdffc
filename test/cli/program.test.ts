import { expect, test } from 'vitest';
import { findNodeProblem } from '../../src/cli/node-version.ts';
import { runProgram } from '../../src/cli/program.ts';
import { suggest } from '../../src/cli/suggest.ts';
import { runIn } from '../support/run-program.ts';

const run = (...argv: string[]) => runIn(runProgram, argv);

const usageError = (error: string, help: string) => ({
  code: 2,
  stdout: '',
  stderr: `${error}\nRun "${help} --help" for all ${error.includes('flag') ? 'flags' : 'commands'}.\n`,
});

test('an unknown flag takes two lines: the error with the flag that it may mean, and where to find help', async () => {
  await expect(run('collector', '--prot=1')).resolves.toStrictEqual(
    usageError('spartakus collector: unknown flag --prot; did you mean --port?', 'spartakus collector'),
  );
});

test.each([
  [['colector'], 'spartakus: unknown command "colector"; did you mean collector?', 'spartakus'],
  [['Agent'], 'spartakus: unknown command "Agent"; did you mean agent?', 'spartakus'],
  [['something', 'else'], 'spartakus: unknown command "something"', 'spartakus'],
  [['mongodb://u:hunter2@x'], 'spartakus: unknown command "mongodb://u:***@x"', 'spartakus'],
  [['agent', 'kubernets'], 'spartakus agent: unknown command "kubernets"; did you mean kubernetes?', 'spartakus agent'],
  [
    ['volunteer', 'docter'],
    'spartakus volunteer: unknown command "docter"; did you mean doctor?',
    'spartakus volunteer',
  ],
])('an unknown command takes two lines: %j', async (argv, error, help) => {
  await expect(run(...argv)).resolves.toStrictEqual(usageError(error, help));
});

test('a command without its subcommand lists them as a usage error, and with --help as an answer', async () => {
  const listed = /^Usage: spartakus agent COMMAND[^]*agent kubernetes +Write[^]*agent kubermatic +Write/;

  await expect(run('agent')).resolves.toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(listed) as string,
  });
  await expect(run('agent', '--help')).resolves.toMatchObject({
    code: 0,
    stdout: expect.stringMatching(listed) as string,
  });
  await expect(run()).resolves.toMatchObject({ code: 2, stdout: '', stderr: (await run('--help')).stdout });
});

test('the help of a command with subcommands lists them and its flags', async () => {
  const { stdout } = await run('volunteer', '--help');

  expect(stdout).toMatch(/Subcommands:\n {2}volunteer explain[^]*volunteer doctor[^]*--cluster-id TEXT \[required\]/);
});

test('the version names the commit and Node.js', async () => {
  const { stdout } = await run('--version');

  expect(stdout).toMatch(/^v\d+\.\d+\.\d+ \(commit (?:[0-9a-f]{12}|unknown), Node\.js v\d+\.\d+\.\d+\)\n$/);
});

test.each([
  ['--prot', '--port'],
  ['--por', '--port'],
  ['--tls-crt', '--tls-cert'],
  ['--spool', '--spool-dir'],
  ['--no-such-flag', undefined],
])('%s may mean %s', (word, expected) => {
  expect(suggest(word, ['--host', '--port', '--tls-cert', '--tls-key', '--spool-dir', '--spool-size'])).toBe(expected);
});

test.each(['24.14.1', '24.14.2', '24.15.0', '26.10.0', '100.0.0'])(
  'Node.js %s is new enough for >=24.14.1',
  (version) => {
    expect(findNodeProblem(version, '>=24.14.1')).toBeUndefined();
  },
);

test.each(['20.20.2', '24.9.9', '24.14.0'])('Node.js %s is too old for >=24.14.1', (version) => {
  expect(findNodeProblem(version, '>=24.14.1')).toBe(
    `spartakus needs Node.js 24.14.1 or newer, and this is Node.js ${version}: install a newer one from https://nodejs.org.`,
  );
});
