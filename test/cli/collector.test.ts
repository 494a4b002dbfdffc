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

test.each(['x', '10.0.0.0/33', '::/129', '10.0.0.0/8/8', '10.0.0.0/', '10.0.0.0/-1'])(
  'an invalid trusted proxy is rejected: %s',
  async (network) => {
    const { code, stderr } = await runCommand(collectorCommand, [`--trusted-proxies=192.0.2.7,${network}`]);

    expect(code).toBe(2);
    expect(stderr).toContain(`--trusted-proxies "${network}" is not an IP address or a network`);
  },
);

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
