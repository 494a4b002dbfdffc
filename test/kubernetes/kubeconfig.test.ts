import { writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openKubernetesClient } from '../../src/kubernetes/client.ts';
import { readVersion } from '../../src/volunteer/gather/version.ts';
import { failureOf } from '../support/failure.ts';
import { withFiles } from '../support/files.ts';
import { type KubeApi, openServiceAccount, readFixture, startKubeApi } from '../support/kube-api.ts';
import { listen, shut } from '../support/listen.ts';

let api: KubeApi;

beforeEach(async () => {
  api = await startKubeApi({ token: 'kubeconfig-token' });
});

afterEach(() => api.close());

const base64 = (bytes: Buffer) => bytes.toString('base64');

/** A kubeconfig in JSON, which is valid YAML, with the test cluster and the given user. */
async function kubeconfig(user: object, over: object = {}): Promise<string> {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'test',
        cluster: { server: api.url, 'certificate-authority-data': base64(await readFixture('tls/ca.crt')) },
      },
    ],
    users: [{ name: 'admin', user }],
    contexts: [{ name: 'here', context: { cluster: 'test', user: 'admin' } }],
    'current-context': 'here',
    ...over,
  });
}

/** Reads the version of the cluster with this configuration. */
async function versionWith(config: { kubeconfig?: string; context?: string }, env: NodeJS.ProcessEnv = {}) {
  const kube = await openKubernetesClient(config, { env, serviceAccountDir: '/nonexistent' });
  try {
    return await readVersion(kube);
  } finally {
    kube.close();
  }
}

const VERSION = 'v0.0.0-master+custom';

test('--kubeconfig with an embedded CA and token works', async () => {
  await withFiles({ config: await kubeconfig({ token: 'kubeconfig-token' }) }, async (dir) => {
    await expect(versionWith({ kubeconfig: path.join(dir, 'config') })).resolves.toBe(VERSION);
  });
});

test('a client certificate works', async () => {
  const user = {
    'client-certificate-data': base64(await readFixture('tls/client.crt')),
    'client-key-data': base64(await readFixture('tls/client.key')),
  };
  await withFiles({ config: await kubeconfig(user) }, async (dir) => {
    await expect(versionWith({ kubeconfig: path.join(dir, 'config') })).resolves.toBe(VERSION);
  });
});

test('an exec plugin works', async () => {
  const script = `console.log(JSON.stringify({ status: { token: 'kubeconfig-token' } }))`;
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: process.execPath, args: ['-e', script] };
  await withFiles({ config: await kubeconfig({ exec }) }, async (dir) => {
    await expect(versionWith({ kubeconfig: path.join(dir, 'config') })).resolves.toBe(VERSION);
  });
});

test('the error of a failed exec plugin does not contain its output', async () => {
  const script = `console.error('hunter2'); process.exit(1)`;
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: process.execPath, args: ['-e', script] };
  await withFiles({ config: await kubeconfig({ exec }) }, async (dir) => {
    const file = path.join(dir, 'config');

    const error = await failureOf(versionWith({ kubeconfig: file }));

    expect(error.message).toBe(
      `--kubeconfig ${file}: the credentials of context "here" cannot be loaded. Does kubectl work with it?`,
    );
  });
});

test('a token file that ends in a newline works', async () => {
  await withFiles({ token: 'kubeconfig-token\n' }, async (tokenDir) => {
    const config = await kubeconfig({ 'token-file': path.join(tokenDir, 'token') });
    await withFiles({ config }, async (dir) => {
      await expect(versionWith({ kubeconfig: path.join(dir, 'config') })).resolves.toBe(VERSION);
    });
  });
});

test('--kubeconfig takes precedence over the service account of the pod', async () => {
  const account = await openServiceAccount('no-such-token');
  await withFiles({ config: await kubeconfig({ token: 'kubeconfig-token' }) }, async (dir) => {
    const kube = await openKubernetesClient(
      { kubeconfig: path.join(dir, 'config') },
      { env: api.env, serviceAccountDir: account.dir },
    );

    await expect(readVersion(kube)).resolves.toBe(VERSION);

    kube.close();
  });
  await account.close();
});

test('--context selects another context than the current one', async () => {
  const over = { 'current-context': 'elsewhere' };
  await withFiles({ config: await kubeconfig({ token: 'kubeconfig-token' }, over) }, async (dir) => {
    await expect(versionWith({ kubeconfig: path.join(dir, 'config'), context: 'here' })).resolves.toBe(VERSION);
  });
});

test('$KUBECONFIG is used outside of a pod, and the first of several files that has an entry wins', async () => {
  const wrong = await kubeconfig({ token: 'wrong' });
  const files = { first: await kubeconfig({ token: 'kubeconfig-token' }), second: wrong };
  await withFiles(files, async (dir) => {
    const env = { KUBECONFIG: ['first', 'missing', 'second'].map((name) => path.join(dir, name)).join(path.delimiter) };

    await expect(versionWith({}, env)).resolves.toBe(VERSION);
  });
});

test('~/.kube/config is the default', async () => {
  await withFiles({ '.kube/config': await kubeconfig({ token: 'kubeconfig-token' }) }, async (dir) => {
    await expect(versionWith({}, { HOME: dir })).resolves.toBe(VERSION);
  });
});

test('a changed token file is reloaded', async () => {
  await withFiles({ token: 'old' }, async (tokenDir) => {
    const file = path.join(tokenDir, 'token');
    await withFiles({ config: await kubeconfig({ 'token-file': file }) }, async (dir) => {
      const kube = await openKubernetesClient({ kubeconfig: path.join(dir, 'config') }, { env: {} });
      await failureOf(readVersion(kube));
      await writeFile(file, 'kubeconfig-token');

      await expect(readVersion(kube)).resolves.toBe(VERSION);

      kube.close();
    });
  });
});

test('plain HTTP, as of kubectl proxy, works only with insecure-skip-tls-verify', async () => {
  const server = http.createServer((_, response) =>
    response.setHeader('content-type', 'application/json').end('{"gitVersion":"v1.31.4"}'),
  );
  const port = await listen(server);
  const cluster = (insecure: boolean) => ({ server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': insecure });
  const files = {
    allowed: await kubeconfig({}, { clusters: [{ name: 'test', cluster: cluster(true) }] }),
    not: await kubeconfig({ token: 'kubeconfig-token' }, { clusters: [{ name: 'test', cluster: cluster(false) }] }),
  };
  await withFiles(files, async (dir) => {
    await expect(versionWith({ kubeconfig: path.join(dir, 'allowed') })).resolves.toBe('v1.31.4');
    await expect(failureOf(versionWith({ kubeconfig: path.join(dir, 'not') }))).resolves.toMatchObject({
      kind: 'unavailable',
    });
  });
  await shut(server);
});

test('without any credentials the error lists the places that were tried', async () => {
  const error = await failureOf(versionWith({}, { HOME: '/nonexistent' }));

  expect(error).toMatchObject({ kind: 'invalid', field: '--kubeconfig' });
  expect(error.message).toContain('no --kubeconfig, no $KUBECONFIG, no ~/.kube/config');
});

test('the error of an unknown context lists the known ones', async () => {
  await withFiles({ config: await kubeconfig({ token: 't' }) }, async (dir) => {
    const file = path.join(dir, 'config');

    const error = await failureOf(versionWith({ kubeconfig: file, context: 'nowhere' }));

    expect(error).toMatchObject({ kind: 'invalid', field: '--context' });
    expect(error.message).toBe(`--context nowhere: --kubeconfig ${file} has no such context (it has here).`);
  });
});

test('the error of a missing kubeconfig names the file', async () => {
  const error = await failureOf(versionWith({ kubeconfig: '/nonexistent/config' }));

  expect(error).toMatchObject({ kind: 'invalid', field: '--kubeconfig' });
  expect(error.message).toMatch(/^--kubeconfig \/nonexistent\/config: cannot be read as a kubeconfig: ENOENT/);
});

test.each([
  ['broken YAML', 'users:\n  - token: hunter2\n bad: [', /it is not YAML, line \d+\.$/],
  ['a string', 'hunter2', /it is not a kubeconfig|no current-context is set/],
  ['an empty file', '', /it is not YAML/],
  [
    'a cluster without a server',
    '{"clusters":[{"name":"a","cluster":{}}]}',
    /clusters\[0\]\.cluster\.server is missing\.$/,
  ],
  ['two users of one name', '{"users":[{"name":"hunter2"},{"name":"hunter2"}]}', /it has two users of one name\.$/],
  ['no current context', '{"clusters":[],"users":[],"contexts":[]}', /no current-context is set/],
  ['a missing current context', '{"current-context":"x"}', /its current-context "x" is not among its contexts/],
  [
    'a context without its cluster',
    '{"current-context":"x","contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}]}',
    /context "x" names a cluster that is not in it/,
  ],
])('%s is an error that names the flag and contains no content of the file', async (_, content, message) => {
  await withFiles({ config: content }, async (dir) => {
    const error = await failureOf(versionWith({ kubeconfig: path.join(dir, 'config') }));

    expect(error.kind).toBe('invalid');
    expect(error.message).toMatch(message);
    expect(error.message).toContain(`--kubeconfig ${dir}`);
    expect(`${error.message} ${error.stack ?? ''} ${String(error.cause)}`).not.toContain('hunter2');
  });
});
