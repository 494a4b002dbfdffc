import { writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openKubeClient } from '../../src/kubernetes/client.ts';
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

/** A kubeconfig as JSON, which YAML includes: one cluster, the given user. */
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
    users: [{ name: 'someone', user }],
    contexts: [{ name: 'here', context: { cluster: 'test', user: 'someone' } }],
    'current-context': 'here',
    ...over,
  });
}

/** Reads the version with the kubeconfig in `dir`. */
async function versionWith(
  config: { kubeconfig?: string; context?: string },
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const kube = await openKubeClient(config, { env, serviceAccountDir: '/nonexistent' });
  try {
    return await readVersion(kube);
  } finally {
    kube.close();
  }
}

const VERSION = 'v0.0.0-master+faecb196815e2';

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

test('an exec plugin that fails is reported without what it printed', async () => {
  const script = `console.error('hunter2'); process.exit(1)`;
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: process.execPath, args: ['-e', script] };
  await withFiles({ config: await kubeconfig({ exec }) }, async (dir) => {
    const file = path.join(dir, 'config');

    const error = await failureOf(versionWith({ kubeconfig: file }));

    expect(error.message).toBe(
      `--kubeconfig ${file}: the credentials of context "here" cannot be had. Does kubectl work with it?`,
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

test('--kubeconfig wins over the pod that the program runs in', async () => {
  const account = await openServiceAccount('no-such-token');
  await withFiles({ config: await kubeconfig({ token: 'kubeconfig-token' }) }, async (dir) => {
    const kube = await openKubeClient(
      { kubeconfig: path.join(dir, 'config') },
      { env: api.env, serviceAccountDir: account.dir },
    );

    await expect(readVersion(kube)).resolves.toBe(VERSION);

    kube.close();
  });
  await account.close();
});

test('--context chooses another context than the current one', async () => {
  const over = { 'current-context': 'elsewhere' };
  await withFiles({ config: await kubeconfig({ token: 'kubeconfig-token' }, over) }, async (dir) => {
    await expect(versionWith({ kubeconfig: path.join(dir, 'config'), context: 'here' })).resolves.toBe(VERSION);
  });
});

test('$KUBECONFIG is used outside of a pod, and of several files the first that names a thing counts', async () => {
  const wrong = await kubeconfig({ token: 'wrong' });
  const files = { first: await kubeconfig({ token: 'kubeconfig-token' }), second: wrong };
  await withFiles(files, async (dir) => {
    const env = { KUBECONFIG: ['first', 'missing', 'second'].map((name) => path.join(dir, name)).join(path.delimiter) };

    await expect(versionWith({}, env)).resolves.toBe(VERSION);
  });
});

test('~/.kube/config is used where nothing else is named', async () => {
  await withFiles({ '.kube/config': await kubeconfig({ token: 'kubeconfig-token' }) }, async (dir) => {
    await expect(versionWith({}, { HOME: dir })).resolves.toBe(VERSION);
  });
});

test('a kubeconfig that changed is read again', async () => {
  await withFiles({ token: 'old' }, async (tokenDir) => {
    const file = path.join(tokenDir, 'token');
    await withFiles({ config: await kubeconfig({ 'token-file': file }) }, async (dir) => {
      const kube = await openKubeClient({ kubeconfig: path.join(dir, 'config') }, { env: {} });
      await failureOf(readVersion(kube));
      await writeFile(file, 'kubeconfig-token');

      await expect(readVersion(kube)).resolves.toBe(VERSION);

      kube.close();
    });
  });
});

test('plain HTTP, as kubectl proxy speaks it, works where the kubeconfig says that it may', async () => {
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

test('without any way to a cluster the error says what was looked for', async () => {
  const error = await failureOf(versionWith({}, { HOME: '/nonexistent' }));

  expect(error).toMatchObject({ kind: 'invalid', field: '--kubeconfig' });
  expect(error.message).toContain('no --kubeconfig, no $KUBECONFIG, no ~/.kube/config');
});

test('an unknown context is named, with those that there are', async () => {
  await withFiles({ config: await kubeconfig({ token: 't' }) }, async (dir) => {
    const file = path.join(dir, 'config');

    const error = await failureOf(versionWith({ kubeconfig: file, context: 'nowhere' }));

    expect(error).toMatchObject({ kind: 'invalid', field: '--context' });
    expect(error.message).toBe(`--context nowhere: --kubeconfig ${file} has no such context (it has here).`);
  });
});

test('a kubeconfig that is not there is named', async () => {
  const error = await failureOf(versionWith({ kubeconfig: '/nonexistent/config' }));

  expect(error).toMatchObject({ kind: 'invalid', field: '--kubeconfig' });
  expect(error.message).toMatch(/^--kubeconfig \/nonexistent\/config: cannot be read as a kubeconfig: ENOENT/);
});

test.each([
  ['broken YAML', 'users:\n  - token: hunter2\n bad: [', /it is not YAML, line \d+\.$/],
  ['a text', 'hunter2', /it is not a kubeconfig|no current-context is set/],
  ['an empty file', '', /it is not YAML/],
  [
    'a cluster without a server',
    '{"clusters":[{"name":"a","cluster":{}}]}',
    /clusters\[0\]\.cluster\.server is missing\.$/,
  ],
  ['no current context', '{"clusters":[],"users":[],"contexts":[]}', /no current-context is set/],
  [
    'a current context that is not there',
    '{"current-context":"x"}',
    /its current-context "x" is not among its contexts/,
  ],
  [
    'a context without its cluster',
    '{"current-context":"x","contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}]}',
    /context "x" names a cluster that is not in it/,
  ],
])('%s is an error that names the flag and repeats no content', async (_, content, message) => {
  await withFiles({ config: content }, async (dir) => {
    const error = await failureOf(versionWith({ kubeconfig: path.join(dir, 'config') }));

    expect(error.kind).toBe('invalid');
    expect(error.message).toMatch(message);
    expect(error.message).toContain(`--kubeconfig ${dir}`);
    expect(`${error.message} ${error.stack ?? ''} ${String(error.cause)}`).not.toContain('hunter2');
  });
});
