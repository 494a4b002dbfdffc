import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { withSecretCluster } from '../../../src/kubermatic/gather/secret-cluster.ts';
import type { SecretKey } from '../../../src/kubermatic/gather/secret-kubeconfig.ts';
import { openKubeClient } from '../../../src/kubernetes/client.ts';
import { readVersion } from '../../../src/volunteer/gather/version.ts';
import { startConnectProxy } from '../../support/connect-proxy.ts';
import { failureOf } from '../../support/failure.ts';
import { withFiles } from '../../support/files.ts';
import { HASTY } from '../../support/gather-installation.ts';
import {
  type KubeApi,
  openServiceAccount,
  readFixture,
  type ServiceAccount,
  startKubeApi,
} from '../../support/kube-api.ts';

const SECRET: SecretKey = { namespace: 'kubermatic', name: 'kubeconfig-seed', key: 'kubeconfig' };
const PLANTED = 'planted-s3cret';
const VERSION = 'v0.0.0-master+faecb196815e2';

let seed: KubeApi;
let account: ServiceAccount;

beforeEach(async () => {
  [seed, account] = await Promise.all([startKubeApi({ token: PLANTED }), openServiceAccount()]);
});

afterEach(async () => {
  await Promise.all([seed.close(), account.close()]);
});

const base64 = async (fixture: string): Promise<string> => (await readFixture(fixture)).toString('base64');

/** A kubeconfig of a user and, beside the right server and CA, of what else a cluster is given. */
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

/** The version of the cluster that a kubeconfig in a Secret leads to. */
async function versionBy(config: object | string, secret = SECRET): Promise<string> {
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  const body = JSON.stringify({ data: { kubeconfig: Buffer.from(text).toString('base64') } });
  const answers = {
    '/api/v1/namespaces/kubermatic/secrets/kubeconfig-seed': { status: 200, contentType: 'application/json', body },
  };
  const master = await startKubeApi({ answers });
  const kube = await openKubeClient({}, { env: master.env, serviceAccountDir: account.dir, clock: HASTY });
  try {
    return await withSecretCluster(kube, secret, { clock: HASTY, signal: new AbortController().signal }, readVersion);
  } finally {
    kube.close();
    await master.close();
  }
}

describe('a kubeconfig in a Secret leads to its cluster', () => {
  test('with a token', async () => {
    await expect(versionBy(await kubeconfig({ token: PLANTED }))).resolves.toBe(VERSION);
  });

  test('in YAML', async () => {
    const ca = await base64('tls/ca.crt');
    const yaml =
      `apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters:\n- name: c\n  cluster: {server: "${seed.url}", certificate-authority-data: ${ca}}\n` +
      `contexts:\n- name: x\n  context:\n    cluster: c\n    user: u\nusers:\n- name: u\n  user:\n    token: ${PLANTED}\n`;

    await expect(versionBy(yaml)).resolves.toBe(VERSION);
  });

  test('with a client certificate', async () => {
    const user = {
      'client-certificate-data': await base64('tls/client.crt'),
      'client-key-data': await base64('tls/client.key'),
    };

    await expect(versionBy(await kubeconfig(user))).resolves.toBe(VERSION);
  });

  test('without checking its certificate, where it says so', async () => {
    const unchecked = { 'certificate-authority-data': undefined, 'insecure-skip-tls-verify': true };

    await expect(versionBy(await kubeconfig({ token: PLANTED }, unchecked))).resolves.toBe(VERSION);
    await expect(
      failureOf(
        versionBy(
          await kubeconfig({ token: PLANTED }, { 'certificate-authority-data': await base64('tls/other-ca.crt') }),
        ),
      ),
    ).resolves.toMatchObject({ kind: 'unavailable' });
  });

  test('through the proxy that it names', async () => {
    const proxy = await startConnectProxy(Number(new URL(seed.url).port));

    await expect(versionBy(await kubeconfig({ token: PLANTED }, { 'proxy-url': proxy.url }))).resolves.toBe(VERSION);
    expect(proxy.asked).toHaveLength(1);
    proxy.close();
  });

  test('a password is sent as such', async () => {
    await expect(
      failureOf(versionBy(await kubeconfig({ username: 'admin', password: PLANTED }))),
    ).resolves.toMatchObject({ kind: 'unauthenticated' });
  });
});

describe('whoever can write a Secret has this program run nothing and read no file', () => {
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
  ])('by %s', async (name, user, cluster) => {
    await withFiles({ token: 'token-of-this-machine' }, async (dir) => {
      const { kind, message } = await failureOf(versionBy(await kubeconfig(user(dir), cluster(dir))));

      expect({ kind, message }).toStrictEqual({
        kind: 'invalid',
        message: expect.stringContaining(`has "${name}", which is not followed`) as string,
      });
      expect(message).not.toContain(PLANTED);
      expect(existsSync(path.join(dir, 'ran'))).toBe(false);
    });
    expect(seed.asked).toStrictEqual([]);
  });

  test.each(['http://127.0.0.1', 'file:///etc/passwd', 'https://user:pass@127.0.0.1', '', 'nonsense'])(
    'nor send what it holds to %j',
    async (server) => {
      await expect(failureOf(versionBy(await kubeconfig({ token: PLANTED }, { server })))).resolves.toMatchObject({
        kind: 'invalid',
        message: expect.stringContaining('no server with https://') as string,
      });
    },
  );

  test('nor ask for another path than that of a Secret', async () => {
    for (const name of ['../../nodes', 'a/b', '..', 'x?limit=1', 'A', '']) {
      await expect(
        failureOf(versionBy(await kubeconfig({ token: PLANTED }), { ...SECRET, name })),
      ).resolves.toMatchObject({ kind: 'invalid' });
    }
  });
});

describe('a kubeconfig that cannot be used', () => {
  test.each<[string, string | object, string]>([
    ['no YAML', `token: ${PLANTED}\n\t- [`, 'is not YAML'],
    ['a list', [PLANTED], 'is no kubeconfig'],
    ['a text', PLANTED, 'is no kubeconfig'],
    ['nothing at all', ' ', 'is not YAML'],
    ['no context', { 'current-context': PLANTED, contexts: [] }, 'is no kubeconfig'],
    [
      'names of objects in JavaScript',
      {
        'current-context': '__proto__',
        contexts: [{ name: '__proto__', context: { cluster: 'constructor', user: 'toString' } }],
      },
      'is no kubeconfig',
    ],
  ])('%s: nothing of it is repeated', async (_name, config, said) => {
    const { kind, message } = await failureOf(versionBy(config));

    expect(kind).toBe('invalid');
    expect(message).toMatch(
      new RegExp(`^The kubeconfig under "kubeconfig" of the Secret kubermatic/kubeconfig-seed ${said}[a-z, -]*\\.$`),
    );
    expect(message).not.toContain(PLANTED);
  });

  test('a token that would be two headers', async () => {
    const { message } = await failureOf(versionBy(await kubeconfig({ token: `${PLANTED}\r\nx: y` })));

    expect(message).toContain('holds a token that is none');
    expect(message).not.toContain(PLANTED);
  });

  test('a server that is not there: neither its address nor its name is told', async () => {
    const hosts = ['https://127.0.0.1:1', `https://${PLANTED}.invalid:6443`];
    const failures = await Promise.all(
      hosts.map(async (server) => failureOf(versionBy(await kubeconfig({ token: PLANTED }, { server })))),
    );

    expect(failures.map(({ message }) => message)).toStrictEqual([
      expect.stringMatching(
        /did not answer GET \/version of the cluster of the Secret kubermatic\/kubeconfig-seed: ECONNREFUSED/,
      ),
      expect.stringMatching(
        /did not answer GET \/version of the cluster of the Secret kubermatic\/kubeconfig-seed: E[A-Z_]+/,
      ),
    ]);
    expect(failures.filter(({ message }) => message.includes(PLANTED) || message.includes('127.0.0.1'))).toStrictEqual(
      [],
    );
  });

  test('a key that is not there', async () => {
    await expect(failureOf(versionBy({}, { ...SECRET, key: 'value' }))).resolves.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('under "value" of the Secret kubermatic/kubeconfig-seed is not there') as string,
    });
  });
});
