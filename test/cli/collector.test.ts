import { expect, test } from 'vitest';
import { collectorCommand } from '../../src/cli/collector.ts';
import { runCommand } from '../support/run-command.ts';

test.each([
  [['--tls-cert=a.crt'], '--tls-cert a.crt: has no key: give --tls-key too.'],
  [['--tls-key=a.key'], '--tls-key a.key: has no certificate: give --tls-cert too.'],
  [['--tls-client-ca=ca.crt'], '--tls-client-ca ca.crt: has no effect without TLS: give --tls-cert and --tls-key too.'],
])('%j lack another flag, which is reported with all other errors', async (flags, message) => {
  const { code, stderr } = await runCommand(collectorCommand, [...flags, '--port=x']);

  expect(code).toBe(2);
  expect(stderr.split('\n').slice(0, 2)).toStrictEqual([
    'spartakus collector: --port "x" is not a port: use 0 to 65535',
    `spartakus collector: ${message}`,
  ]);
});

test('a reserve of disk space is for the embedded engine only', async () => {
  const { code, stderr } = await runCommand(collectorCommand, [
    '--disk-reserve=1Gi',
    '--database=mongodb://u:hunter2@db',
    '--port=x',
  ]);

  expect(code).toBe(2);
  expect(stderr).toContain(
    '--disk-reserve: has no effect with --database mongodb://u:***@db: it is for embedded:DIR.\n',
  );
});

test.each(['-1', '5%', 'x'])('a reserve of %s is rejected, also when it is for the embedded engine', async (size) => {
  const { code, stderr } = await runCommand(collectorCommand, [`--disk-reserve=${size}`, '--port=x']);

  expect([code, stderr]).toStrictEqual([
    2,
    expect.stringContaining(`--disk-reserve ${JSON.stringify(size)} is not a size`),
  ]);
});

test('a port cannot be shared with a collector that cannot share the database', async () => {
  const { code, stderr } = await runCommand(collectorCommand, ['--reuse-port', '--database=embedded:reports']);

  expect(code).toBe(2);
  expect(stderr).toContain('--reuse-port: one collector at a time can use --database embedded:');
});

test.each(['x', '10.0.0.0/33', '::/129', '10.0.0.0/8/8', '10.0.0.0/', '10.0.0.0/-1'])(
  'an invalid trusted proxy is rejected: %s',
  async (network) => {
    const { code, stderr } = await runCommand(collectorCommand, [`--trusted-proxies=192.0.2.7,${network}`]);

    expect(code).toBe(2);
    expect(stderr).toContain(`--trusted-proxies "${network}" is not an IP address or a network`);
  },
);

test.each([
  [['--v=4'], true],
  [['--v', '5'], true],
  [['-v=5'], true],
  [['-v'], true],
  [['--v=3'], false],
  [['-v=0'], false],
  [['-v=0', '--verbose'], true],
])('%j of a manifest of version 1 logs at debug level: %s', async (flags, isVerbose) => {
  // An injected variable is logged at debug level; the wrong file ends the command.
  const { stderr } = await runCommand(
    collectorCommand,
    [...flags, '--port=0', '--console-listen=off', '--database=stdout', '--ingest-tokens-file=/nonexistent/t'],
    { SPARTAKUS_PORT: 'tcp://10.96.0.7:8080', SPARTAKUS_SERVICE_HOST: '10.96.0.7' },
  );

  expect(stderr).toContain('/nonexistent/t');
  expect(stderr.includes('"level":"debug"')).toBe(isVerbose);
});

test.each(['--v=x', '-v=x', '--v=-1'])('%s is rejected', async (flag) => {
  const { code, stderr } = await runCommand(collectorCommand, [flag]);

  expect(code).toBe(2);
  expect(stderr).toMatch(/^spartakus collector: --v "(?:x|-1)" is not a number: use a whole one from 0\n/);
});

test('a console that other machines can reach is rejected without tokens, by its flag', async () => {
  const { code, stderr } = await runCommand(collectorCommand, ['--console-listen=:8081']);

  expect(code).toBe(2);
  expect(stderr).toMatch(/^spartakus collector: --console-listen :8081: .*--console-token-file/);
});

test.each([
  [['--max-body-memory=96Mi'], '--port "x" is not'],
  [['--max-body-memory=95Mi'], '--max-body-memory 99614720: a report of the maximum size takes 100663296 bytes'],
  [['--max-report-size=32Mi'], '--max-body-memory 134217728: a report of the maximum size takes 201326592 bytes'],
])('memory that is too little for one report of the maximum size is rejected: %j', async (flags, problem) => {
  const { code, stderr } = await runCommand(collectorCommand, [...flags, '--port=x']);

  expect(code).toBe(2);
  expect(stderr).toContain(`spartakus collector: ${problem}`);
  expect(stderr.includes('takes')).toBe(problem.includes('takes'));
});

test('a failure at run time is one line without usage, and exit code 1', async () => {
  const { code, stderr } = await runCommand(collectorCommand, [
    '--port=0',
    '--console-listen=off',
    '--database=stdout',
    '--tls-cert=/nonexistent/a',
    '--tls-key=/nonexistent/b',
  ]);

  expect(code).toBe(1);
  expect(stderr).toMatch(/^spartakus collector: --tls-cert \/nonexistent\/a: cannot be read \(ENOENT[^\n]*\n$/);
});
