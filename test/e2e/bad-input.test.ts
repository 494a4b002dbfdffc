import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { runProgram as runHere } from '../../src/cli/program.ts';
import { withFiles } from '../support/files.ts';
import { runProgram } from '../support/program.ts';
import { runIn } from '../support/run-program.ts';

/** The same in this process: that the program prints all and exits with the code is shown by one test of each kind. */
const run = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  runIn(runHere, args, { HOME: '/nonexistent', ...env });

const messages = (stderr: string): string[] => stderr.split('\n').filter((line) => line.startsWith('spartakus '));

describe('a usage error reports every problem, names the command for help in the last line, and exits with 2', () => {
  test('the collector', async () => {
    const { code, stdout, stderr } = await runProgram(
      [
        'collector',
        '--no-such-flag',
        '--port=70000',
        '--report-period=soon',
        '--max-report-size=big',
        '--database=oracle://scott:tiger@x',
        'word',
      ],
      { SPARTAKUS_MAX_JSON_SIZE: 'huge' },
    );

    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(messages(stderr)).toStrictEqual([
      'spartakus collector: unknown flag --no-such-flag',
      'spartakus collector: unexpected argument "word"',
      'spartakus collector: --port "70000" is not a port: use 0 to 65535',
      expect.stringMatching(/--database oracle:\/\/scott:\*\*\*@x: is none of the known forms: embedded:/),
      'spartakus collector: --report-period "soon" is not a duration: use one like 24h, 90s, 1h30m, or 0',
      'spartakus collector: --max-report-size "big" is not a size: use one like 4Mi, 512Ki or 1048576',
      'spartakus collector: SPARTAKUS_MAX_JSON_SIZE (--max-json-size) "huge" is not a size: use one like 4Mi, 512Ki or 1048576',
    ]);
    expect(stderr).toMatch(/\nRun "spartakus collector --help" for all flags\.\n$/);
  });

  test('the volunteer', async () => {
    await withFiles({ 'extensions.json': 'not JSON', kubeconfig: '{ not: [a kubeconfig' }, async (dir) => {
      const [extensions, kubeconfig] = ['extensions.json', 'kubeconfig'].map((name) => path.join(dir, name));
      const { code, stderr } = await run([
        'volunteer',
        '--cluster-id=',
        '--period=daily',
        '--database=ftp://u:hunter2@x',
        `--extensions=${extensions}`,
        `--kubeconfig=${kubeconfig}`,
      ]);

      expect(code).toBe(2);
      expect(messages(stderr)).toStrictEqual([
        'spartakus volunteer: --cluster-id "" is empty',
        'spartakus volunteer: --period "daily" is not a duration: use one like 24h, 90s, 1h30m, or 0',
        expect.stringMatching(/--database ftp:\/\/u:\*\*\*@x: is none of the known forms: stdout, grpc:/),
        expect.stringContaining(`--extensions ${extensions}: is not JSON`),
        expect.stringContaining(`--kubeconfig ${kubeconfig}: `),
      ]);
      expect(stderr).toMatch(/\nRun "spartakus volunteer --help" for all flags\.\n$/);
    });
  });

  test('the volunteer, for the flags of delivery', async () => {
    await withFiles({ file: 'hunter2' }, async (dir) => {
      const file = path.join(dir, 'file');
      const { code, stderr } = await run(
        [
          'volunteer',
          '--cluster-id=c',
          '--database=grpc://collector.example.com',
          `--token-file=${file}`,
          `--spool-dir=${file}`,
          '--spool-size=0',
          '--initial-delay=soon',
          '--timeout=0',
        ],
        { HTTPS_PROXY: 'socks5://u:hunter2@proxy' },
      );

      expect(code).toBe(2);
      expect(messages(stderr)).toStrictEqual([
        'spartakus volunteer: --initial-delay "soon" is not a duration: use one like 24h, 90s, 1h30m, or 0',
        'spartakus volunteer: --timeout "0" is not a timeout: use more than 0 and at most 24h',
        'spartakus volunteer: --spool-size "0" is not a size: use one like 4Mi, 512Ki or 1048576',
        expect.stringMatching(/\$HTTPS_PROXY socks5:\/\/u:\*\*\*@proxy: is not the URL of a proxy/),
        expect.stringContaining(`--token-file ${file}: is not sent without TLS`),
        `spartakus volunteer: --spool-dir ${file}: is not a directory.`,
        expect.stringContaining('There are no credentials of a Kubernetes API'),
      ]);
      expect(stderr).not.toContain('hunter2');
    });
  });

  test('a volunteer without a cluster id prints what one is', async () => {
    const { code, stderr } = await run(['volunteer']);

    expect(code).toBe(2);
    expect(stderr).toContain('--cluster-id is required: a text that is stable');
  });

  test.each([
    [[], /^Usage: spartakus COMMAND/],
    [['colector'], /^spartakus: unknown command "colector"; did you mean collector\?\nRun "spartakus --help" for all/],
    [['--no-such-flag'], /^spartakus: unknown flag "--no-such-flag"\nRun "spartakus --help" for all commands\.\n$/],
  ])('a missing or an unknown command: %j', async (args, message) => {
    const { code, stderr } = await run(args);

    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('help and versions are printed on standard output', () => {
  test.each([
    [['--version'], /^v\d+\.\d+\.\d+ \(commit (?:[0-9a-f]{12}|unknown), Node\.js v\d+\.\d+\.\d+\)\n$/, runProgram],
    [['--help'], /^Usage: spartakus COMMAND/, run],
    [['collector', '--help'], /^Usage: spartakus collector[^]*--port PORT/, runProgram],
    [['volunteer', '-h'], /^Usage: spartakus volunteer[^]*--cluster-id TEXT/, run],
    [['collector', '--print-databases'], /embedded:[^]*mongodb:\/\/[^]*mongodb\+srv:\/\/[^]*stdout/, run],
    [['volunteer', '--print-databases'], /stdout[^]*grpc:\/\/[^]*grpcs:\/\/[^]*http:\/\//, run],
  ])('%j', async (args, words, runAs) => {
    const { code, stdout, stderr } = await runAs(args);

    expect(stdout).toMatch(words);
    expect(stderr).toBe('');
    expect(code).toBe(0);
  });
});
