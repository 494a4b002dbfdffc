import { afterAll, beforeAll, expect, test } from 'vitest';
import { explainCommand } from '../../src/cli/explain.ts';
import { volunteerCommand } from '../../src/cli/volunteer.ts';
import { parseDatabase } from '../../src/delivery/open-sink.ts';
import { selectFields } from '../../src/volunteer/gather/gather.ts';
import { listReads, type ReadsConfig } from '../../src/volunteer/reads.ts';
import { withFiles } from '../support/files.ts';
import { openServiceAccount, type ServiceAccount, startKubeApi } from '../support/kube-api.ts';
import { runCommand } from '../support/run-command.ts';

let account: ServiceAccount;

beforeAll(async () => {
  account = await openServiceAccount();
});

afterAll(() => account.close());

const OWN_SECRET = '/api/v1/namespaces/kubermatic/secrets/spartakus-volunteer';
const EMPTY_SECRET = { metadata: { resourceVersion: '1' }, type: 'Opaque' };

/** The requests that explain names, and those that one report makes. */
async function compare(flags: readonly string[], secret?: object) {
  const secrets = new Map<string, unknown>(secret === undefined ? [] : [[OWN_SECRET, secret]]);
  const api = await startKubeApi({ secrets });
  const argv = [`--service-account-dir=${account.dir}`, ...flags];
  const [made, explained] = [
    await runCommand(volunteerCommand, ['--period=0', ...argv], api.env),
    await runCommand(explainCommand, ['--format=json', ...argv], api.env),
  ];
  await api.close();
  expect([made.code, explained.code]).toStrictEqual([0, 0]);
  const { reads } = JSON.parse(explained.stdout) as { reads: { requests: { name: string }[] } };
  return {
    made: [...new Set(api.requests.map(({ method, target }) => `${method} ${target.replace(/\?.*/, '')}`))].toSorted(),
    explained: reads.requests.map(({ name }) => name.replace('NAMESPACE', 'kubermatic')).toSorted(),
  };
}

test.each([
  ['--cluster-id=auto'],
  ['--cluster-id=auto --collect=nodes,namespaces,workloads,lifetimes'],
  ['--cluster-id=auto --collect=workloads --omit=masterVersion,workloads.jobs,workloads.pods'],
  ['--cluster-id=auto --node-id=md5'],
  ['--cluster-id=2f9c4a7e-6d0b-4b7e-9f51-1c1f3b7a9d10 --collect=namespaces,lifetimes'],
  ['--cluster-id=2f9c4a7e-6d0b-4b7e-9f51-1c1f3b7a9d10 --node-id=md5'],
  ['--cluster-id=auto --id-key=kube-system --collect=nodes'],
])('with %s, a report makes the requests that explain names, and no others', async (flags) => {
  const { made, explained } = await compare(flags.split(' '), EMPTY_SECRET);

  // Not made here: a Secret that does not exist is created, and /readyz is asked after a rejection.
  const notMade = /^(?:POST .*\/secrets|GET \/readyz)$/;
  expect(made).toStrictEqual(explained.filter((name) => !notMade.test(name)));
});

test('the creation of a Secret is named', async () => {
  const { made, explained } = await compare(['--cluster-id=auto']);

  expect(made).toContain('POST /api/v1/namespaces/kubermatic/secrets');
  expect(explained).toStrictEqual(expect.arrayContaining(made));
});

test('with a key in a file, no Secret is read', async () => {
  await withFiles({ key: 'sixteen bytes or more' }, async (dir) => {
    const { made, explained } = await compare(['--cluster-id=auto', `--id-key-file=${dir}/key`]);

    expect(made).toStrictEqual(['GET /api/v1/nodes', 'GET /version']);
    expect(explained).toStrictEqual(['GET /api/v1/nodes', 'GET /readyz', 'GET /version']);
  });
});

test('the files are those of the flags', () => {
  const files = (config: Partial<ReadsConfig>): readonly string[] => {
    const whole = { clusterId: 'auto', idSecret: 'spartakus-volunteer', ...config };
    return listReads(whole, selectFields(whole)).files.map(({ name }) => name);
  };
  const inPod = ['token', 'ca.crt', 'namespace'].map((name) => `/var/run/secrets/kubernetes.io/serviceaccount/${name}`);
  const kubeconfig = '$KUBECONFIG, or ~/.kube/config';
  const credentials = { caFile: 'ca', certFile: 'cert', keyFile: 'key', tokenFile: 'token' };

  expect(files({})).toStrictEqual([...inPod, kubeconfig]);
  expect(files({ serviceAccountDir: '/a' })).toStrictEqual(['/a/token', '/a/ca.crt', '/a/namespace', kubeconfig]);
  expect(files({ kubeconfig: 'k' })).toStrictEqual(['k']);
  expect(files({ context: 'c' })).toStrictEqual([kubeconfig]);
  expect(files({ kubeconfig: 'k', extensions: 'e' })).toStrictEqual(['k', 'e']);
  expect(files({ kubeconfig: 'k', extensions: 'e', omit: [], collect: ['nodes'] })).toStrictEqual(['k']);
  expect(files({ kubeconfig: 'k', spoolDir: 's' })).toStrictEqual(['k', 's/*.report', 's/id-key']);
  expect(files({ kubeconfig: 'k', spoolDir: 's', idKeyFile: 'i' })).toStrictEqual(['k', 'i', 's/*.report']);
  expect(files({ kubeconfig: 'k', spoolDir: 's', idKey: 'kube-system' })).toStrictEqual(['k', 's/*.report']);
  expect(files({ kubeconfig: 'k', ...credentials })).toStrictEqual(['k']);
  expect(files({ kubeconfig: 'k', ...credentials, database: parseDatabase('grpcs://x') })).toStrictEqual([
    'k',
    'ca',
    'cert',
    'key',
    'token',
  ]);
});
