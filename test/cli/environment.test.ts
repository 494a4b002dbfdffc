import { expect, test } from 'vitest';
import { collectorCommand } from '../../src/cli/collector.ts';
import { dropServiceVariables } from '../../src/cli/environment.ts';
import { startProgram } from '../support/program.ts';
import { runCommand } from '../support/run-command.ts';

/** What Kubernetes sets in every pod of a namespace for a Service of this name (kubernetes.io/docs/tutorials/services/connect-applications-service). */
const serviceVariables = (prefix: string, address = '10.96.0.7', port = 8080, protocol = 'tcp') => ({
  [`${prefix}_SERVICE_HOST`]: address,
  [`${prefix}_SERVICE_PORT`]: String(port),
  [`${prefix}_SERVICE_PORT_GRPC_WEB`]: String(port),
  [`${prefix}_PORT`]: `${protocol}://${address}:${port}`,
  [`${prefix}_PORT_${port}_${protocol.toUpperCase()}`]: `${protocol}://${address}:${port}`,
  [`${prefix}_PORT_${port}_${protocol.toUpperCase()}_PROTO`]: protocol,
  [`${prefix}_PORT_${port}_${protocol.toUpperCase()}_PORT`]: String(port),
  [`${prefix}_PORT_${port}_${protocol.toUpperCase()}_ADDR`]: address,
});

test.each([
  ['SPARTAKUS', undefined, 'tcp'],
  ['SPARTAKUS_HEALTH', '[fd00::7]', 'udp'],
  ['SPARTAKUS_SERVICE', '10.96.0.7', 'sctp'],
])('the variables of a Service are dropped: %s', (prefix, address, protocol) => {
  const variables = serviceVariables(prefix, address, 8080, protocol);
  const own = { SPARTAKUS_SERVICE_ACCOUNT_DIR: '/x', SPARTAKUS_DATABASE: 'tcp://x:1', OTHER_PORT: 'tcp://x:1' };

  const { env, injected } = dropServiceVariables({ ...variables, ...own });

  expect(env).toStrictEqual(own);
  expect(injected).toStrictEqual(Object.keys(variables));
});

test('a port that the pod itself sets is kept, whatever Kubernetes sets besides it', () => {
  const { env } = dropServiceVariables({ ...serviceVariables('SPARTAKUS'), SPARTAKUS_PORT: '9090' });

  expect(env).toStrictEqual({ SPARTAKUS_PORT: '9090' });
});

test.each([
  ['collector', 'SPARTAKUS', ['collector', '--database=stdout', '--console-listen=off', '--host=127.0.0.1']],
  ['volunteer', 'SPARTAKUS_HEALTH', ['volunteer', '--cluster-id=c', '--service-account-dir=/nonexistent']],
])(
  'a %s starts in a namespace with a Service that sets %s_PORT, and logs it at level debug',
  async (name, prefix, args) => {
    const env = { ...serviceVariables(prefix, '127.0.0.1', 0), SPARTAKUS_VERBOSE: 'true', KUBECONFIG: '/nonexistent' };
    const program = startProgram(name === 'collector' ? [...args, '--port=0'] : args, env);

    await program.says(/"level":"debug"[^\n]*"variables":\["SPARTAKUS_[^\n]*Kubernetes sets for Services/);
    program.process.kill('SIGTERM');
    const { stderr } = await program.ended;

    expect(stderr).not.toContain('is not a port');
    expect(stderr).not.toContain('"level":"warn"');
  },
);

test('an unknown variable is named in a warning, with the variable that it may mean', async () => {
  const { stderr } = await runCommand(collectorCommand, ['--port=x'], {
    SPARTAKUS_DATABSE: 'mongodb://u:hunter2@x',
    SPARTAKUS_WHATEVER_ELSE: '1',
    SPARTAKUS_FOO: '1',
    SPARTAKUS_HOST: '127.0.0.1',
    OTHER: '1',
  });
  const lines = stderr.split('\n').filter((line) => line.startsWith('{'));

  expect(lines.map((line) => JSON.parse(line) as object)).toStrictEqual(
    [
      'The environment variable SPARTAKUS_DATABSE is ignored: spartakus collector has no such variable. Did you mean SPARTAKUS_DATABASE?',
      'The environment variable SPARTAKUS_WHATEVER_ELSE is ignored: spartakus collector has no such variable.',
      'The environment variable SPARTAKUS_FOO is ignored: spartakus collector has no such variable.',
    ].map((msg) => ({ level: 'warn', time: expect.any(String) as string, msg })),
  );
  expect(stderr).not.toContain('hunter2');
});
