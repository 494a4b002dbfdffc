import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type SecretKey, withSecretClient } from '../../../src/kubermatic/gather/secret-client.ts';
import { openKubernetesClient } from '../../../src/kubernetes/client.ts';
import { readVersion } from '../../../src/volunteer/gather/version.ts';
import { startConnectProxy } from '../../support/connect-proxy.ts';
import { failureOf } from '../../support/failure.ts';
import { withFiles } from '../../support/files.ts';
import { INSTANT_CLOCK } from '../../support/gather-installation.ts';
import {
  type KubeApi,
  openServiceAccount,
  readFixture,
  type ServiceAccount,
  startKubeApi,
} from '../../support/kube-api.ts';

const SECRET: SecretKey = { namespace: 'kubermatic', name: 'kubeconfig-seed', key: 'kubeconfig' };
const PLANTED = 'planted-s3cret';
const VERSION = 'v0.0.0-master+custom';

let seed: KubeApi;
let account: ServiceAccount;

beforeEach(async () => {
  [seed, account] = await Promise.all([startKubeApi({ token: PLANTED }), openServiceAccount()]);
});

afterEach(async () => {
  await Promise.all([seed.close(), account.close()]);
});

const base64 = async (fixture: string): Promise<string> => (await readFixture(fixture)).toString('base64');

/** A kubeconfig of the test cluster, with a user and further fields of the cluster. */
async function kubeconfig(user: object, cluster: object = {}): Promise<object> {
  return {
    clusters: [
      {
        name: 'c',
        cluster: { server: seed.url, 'certificate-authority-data': await base64('tls/ca.crt'), ...cluster },
      },
    ],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
}

/** Reads the version of the cluster whose kubeconfig is in a Secret. */
async function versionWith(config: object | string, secret = SECRET) {
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  const body = JSON.stringify({ data: { kubeconfig: Buffer.from(text).toString('base64') } });
  const responses = {
    '/api/v1/namespaces/kubermatic/secrets/kubeconfig-seed': { status: 200, contentType: 'application/json', body },
  };
  const master = await startKubeApi({ responses });
  const kube = await openKubernetesClient(
    {},
    { env: master.env, serviceAccountDir: account.dir, clock: INSTANT_CLOCK },
  );
  try {
    return await withSecretClient(
      kube,
      secret,
      { clock: INSTANT_CLOCK, signal: new AbortController().signal },
      readVersion,
    );
  } finally {
    kube.close();
    await master.close();
  }
}

describe('the cluster of a kubeconfig in a Secret is read', () => {
  test('with a token', async () => {
    await expect(versionWith(await kubeconfig({ token: PLANTED }))).resolves.toBe(VERSION);
  });

  test('in YAML', async () => {
    const ca = await base64('tls/ca.crt');
    const yaml =
      `apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters:\n- name: c\n  cluster: {server: "${seed.url}", certificate-authority-data: ${ca}}\n` +
      `contexts:\n- name: x\n  context:\n    cluster: c\n    user: u\nusers:\n- name: u\n  user:\n    token: ${PLANTED}\n`;

    await expect(versionWith(yaml)).resolves.toBe(VERSION);
  });

  test('with a client certificate', async () => {
    const user = {
      'client-certificate-data': await base64('tls/client.crt'),
      'client-key-data': await base64('tls/client.key'),
    };

    await expect(versionWith(await kubeconfig(user))).resolves.toBe(VERSION);
  });

  test('without certificate verification, with insecure-skip-tls-verify only', async () => {
    const unverified = { 'certificate-authority-data': undefined, 'insecure-skip-tls-verify': true };

    await expect(versionWith(await kubeconfig({ token: PLANTED }, unverified))).resolves.toBe(VERSION);
    await expect(
      failureOf(
        versionWith(
          await kubeconfig({ token: PLANTED }, { 'certificate-authority-data': await base64('tls/other-ca.crt') }),
        ),
      ),
    ).resolves.toMatchObject({ kind: 'unavailable' });
  });

  test('through its proxy-url', async () => {
    const proxy = await startConnectProxy(Number(new URL(seed.url).port));

    await expect(versionWith(await kubeconfig({ token: PLANTED }, { 'proxy-url': proxy.url }))).resolves.toBe(VERSION);
    expect(proxy.asked).toHaveLength(1);
    proxy.close();
  });

  test('with a password', async () => {
    await expect(
      failureOf(versionWith(await kubeconfig({ username: 'admin', password: PLANTED }))),
    ).resolves.toMatchObject({ kind: 'unauthenticated' });
  });
});

describe('a kubeconfig in a Secret cannot run programs, read local files or reach other paths', () => {
  test.each<[string, (dir: string) => object, (dir: string) => object]>([
    [
      'exec',
      (dir) => ({
        exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'touch', args: [path.join(dir, 'ran')] },
      }),
      () => ({}),
    ],
    ['exec', (dir) => ({ token: PLANTED, exec: { command: 'touch', args: [path.join(dir, 'ran')] } }), () => ({})],
    [
      'auth-provider',
      (dir) => ({
        'auth-provider': { name: 'gcp', config: { 'cmd-path': 'touch', 'cmd-args': path.join(dir, 'ran') } },
      }),
      () => ({}),
    ],
    ['tokenFile', (dir) => ({ tokenFile: path.join(dir, 'token') }), () => ({})],
    ['token-file', (dir) => ({ 'token-file': path.join(dir, 'token') }), () => ({})],
    ['client-certificate', (dir) => ({ 'client-certificate': path.join(dir, 'token') }), () => ({})],
    ['client-key', (dir) => ({ 'client-certificate-data': 'eA==', 'client-key': path.join(dir, 'token') }), () => ({})],
    [
      'certificate-authority',
      () => ({ token: PLANTED }),
      (dir) => ({ 'certificate-authority-data': undefined, 'certificate-authority': path.join(dir, 'token') }),
    ],
  ])('%s is rejected', async (name, user, cluster) => {
    await withFiles({ token: 'token-of-this-machine' }, async (dir) => {
      const { kind, message } = await failureOf(versionWith(await kubeconfig(user(dir), cluster(dir))));

      expect({ kind, message }).toStrictEqual({
        kind: 'invalid',
        message: expect.stringContaining(`has "${name}", which is not supported`) as string,
      });
      expect(message).not.toContain(PLANTED);
      expect(existsSync(path.join(dir, 'ran'))).toBe(false);
    });
    expect(seed.requests).toStrictEqual([]);
  });

  test.each(['http://127.0.0.1', 'file:///etc/passwd', 'https://user:pass@127.0.0.1', '', 'nonsense'])(
    'credentials are not sent to %j',
    async (server) => {
      await expect(failureOf(versionWith(await kubeconfig({ token: PLANTED }, { server })))).resolves.toMatchObject({
        kind: 'invalid',
        message: expect.stringContaining('has no server with https://') as string,
      });
    },
  );

  test('an invalid name of a Secret is not requested', async () => {
    for (const name of ['../../nodes', 'a/b', '..', 'x?limit=1', 'A', '']) {
      await expect(
        failureOf(versionWith(await kubeconfig({ token: PLANTED }), { ...SECRET, name })),
      ).resolves.toMatchObject({ kind: 'invalid' });
    }
  });
});

describe('an unusable kubeconfig', () => {
  test.each<[string, string | object, string]>([
    ['invalid YAML', `token: ${PLANTED}\n\t- [`, 'is not YAML'],
    ['a list', [PLANTED], 'has no current-context with a cluster and a user'],
    ['a string', PLANTED, 'has no current-context with a cluster and a user'],
    ['an empty text', ' ', 'is not YAML'],
    ['no context', { 'current-context': PLANTED, contexts: [] }, 'has no current-context with a cluster and a user'],
    [
      'names of objects in JavaScript',
      {
        'current-context': '__proto__',
        contexts: [{ name: '__proto__', context: { cluster: 'constructor', user: 'toString' } }],
      },
      'has no current-context with a cluster and a user',
    ],
  ])('%s is an error that contains nothing of it', async (_name, config, problem) => {
    const { kind, message } = await failureOf(versionWith(config));

    expect(kind).toBe('invalid');
    expect(message).toMatch(
      new RegExp(`^The kubeconfig under "kubeconfig" of the Secret kubermatic/kubeconfig-seed ${problem}[a-z, -]*\\.$`),
    );
    expect(message).not.toContain(PLANTED);
  });

  test('a token with a line break is rejected', async () => {
    const { message } = await failureOf(versionWith(await kubeconfig({ token: `${PLANTED}\r\nx: y` })));

    expect(message).toContain('has an invalid token');
    expect(message).not.toContain(PLANTED);
  });

  test('the error of a failed connection contains neither the address nor the name of the server', async () => {
    const hosts = ['https://127.0.0.1:1', `https://${PLANTED}.invalid:6443`];
    const failures = await Promise.all(
      hosts.map(async (server) => failureOf(versionWith(await kubeconfig({ token: PLANTED }, { server })))),
    );

    expect(failures.map(({ message }) => message)).toStrictEqual([
      expect.stringMatching(
        /did not respond to GET \/version of the cluster of the Secret kubermatic\/kubeconfig-seed: ECONNREFUSED/,
      ),
      expect.stringMatching(
        /did not respond to GET \/version of the cluster of the Secret kubermatic\/kubeconfig-seed: E[A-Z_]+/,
      ),
    ]);
    expect(failures.filter(({ message }) => message.includes(PLANTED) || message.includes('127.0.0.1'))).toStrictEqual(
      [],
    );
  });

  test('a missing key is an error', async () => {
    await expect(failureOf(versionWith({}, { ...SECRET, key: 'value' }))).resolves.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining(
        'under "value" of the Secret kubermatic/kubeconfig-seed does not exist',
      ) as string,
    });
  });
});
