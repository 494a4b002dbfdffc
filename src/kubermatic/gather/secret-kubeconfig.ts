import https from 'node:https';
import type { RequestOptions } from 'node:https';
import type { KubeClient } from '../../kubernetes/client.ts';
import type { KubeAccess, KubeCredentials } from '../../kubernetes/credentials.ts';
import { flagAt, listAt, pick, textAt } from '../../kubernetes/json.ts';
import { JSON_TYPE, readJson } from '../../kubernetes/response.ts';
import { isBearerToken } from '../../runtime/bearer-token.ts';
import { SpartakusError } from '../../runtime/errors.ts';

/** Where a kubeconfig stands in a Secret. */
export interface SecretKey {
  readonly namespace: string;
  readonly name: string;
  /** The key of `.data`. */
  readonly key: string;
}

/** A name of Kubernetes' (RFC 1123, https://kubernetes.io/docs/concepts/overview/working-with-objects/names/): nothing that leads elsewhere in a path. */
const NAME = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;

/** What runs a program, or reads a file of this machine, which nobody who can write a Secret may have this program do. */
const NOT_FOLLOWED: readonly { readonly of: 'user' | 'cluster'; readonly name: string; readonly unless?: string }[] = [
  { of: 'user', name: 'exec' },
  { of: 'user', name: 'auth-provider' },
  { of: 'user', name: 'tokenFile', unless: 'token' },
  { of: 'user', name: 'token-file', unless: 'token' },
  { of: 'user', name: 'client-certificate', unless: 'client-certificate-data' },
  { of: 'user', name: 'client-key', unless: 'client-key-data' },
  { of: 'cluster', name: 'certificate-authority', unless: 'certificate-authority-data' },
];

/**
 * The way to the cluster whose kubeconfig stands in a Secret: its current context, with a token, a client certificate or a password that
 * stands in it. It is kept in memory only, and no message repeats anything of it.
 *
 * Rejects with a SpartakusError: as readJson where the Secret cannot be read, `invalid` where it holds no kubeconfig, or one that would
 * run a program, read a file, or send what it holds without TLS.
 */
export async function readSecretKubeconfig(kube: KubeClient, secret: SecretKey): Promise<KubeAccess> {
  const { namespace, name, key } = secret;
  if (!NAME.test(namespace) || !NAME.test(name))
    throw new SpartakusError('invalid', 'The reference to a Secret with a kubeconfig holds no name of a Secret.');
  const data = textAt(
    readJson(await kube.get(`/api/v1/namespaces/${namespace}/secrets/${name}`, JSON_TYPE)),
    'data',
    key,
  );
  if (data === undefined) throw unusable(secret, 'is not there');
  const credentials = await parse(Buffer.from(data, 'base64').toString('utf8'), secret);
  return { credentials: () => Promise.resolve(credentials) };
}

async function parse(text: string, secret: SecretKey): Promise<KubeCredentials> {
  const { load } = await import('js-yaml');
  let config: unknown;
  try {
    config = load(text);
  } catch {
    // No cause: the text of a YAML error quotes the line, and the line may be a token.
    throw unusable(secret, 'is not YAML');
  }
  const context = named(config, 'contexts', 'context', textAt(config, 'current-context'));
  const cluster = named(config, 'clusters', 'cluster', textAt(context, 'cluster'));
  const user = named(config, 'users', 'user', textAt(context, 'user'));
  if (cluster === undefined || user === undefined)
    throw unusable(secret, 'is no kubeconfig with a current-context, and the cluster and user that it names');
  const refused = NOT_FOLLOWED.find(
    ({ of, name, unless }) =>
      pick(of === 'user' ? user : cluster, name) !== undefined &&
      (unless === undefined || textAt(of === 'user' ? user : cluster, unless) === undefined),
  );
  if (refused !== undefined) {
    throw unusable(
      secret,
      `has "${refused.name}", which is not followed: what logs in must stand in the kubeconfig itself, as a token or as data`,
    );
  }
  const alias = `the cluster of the Secret ${secret.namespace}/${secret.name}`;
  return {
    server: serverOf(cluster, secret),
    alias,
    headers: headersOf(user, secret),
    options: tlsOf(cluster, user, secret),
  };
}

/** What stands in a list of a kubeconfig under a name: of two with one name, the first, as with kubectl. */
function named(config: unknown, list: string, member: string, name: string | undefined): unknown {
  return name === undefined
    ? undefined
    : (pick(
        listAt(config, list).find((entry) => textAt(entry, 'name') === name),
        member,
      ) ?? undefined);
}

function serverOf(cluster: unknown, secret: SecretKey): string {
  const url = URL.parse(textAt(cluster, 'server') ?? '');
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '')
    throw unusable(secret, 'names no server with https://');
  return url.href;
}

function headersOf(user: unknown, secret: SecretKey): Readonly<Record<string, string>> {
  const token = textAt(user, 'token')?.trim();
  if (token !== undefined) {
    if (!isBearerToken(token)) throw unusable(secret, 'holds a token that is none');
    return { authorization: `Bearer ${token}` };
  }
  const name = textAt(user, 'username');
  if (name === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${name}:${textAt(user, 'password') ?? ''}`).toString('base64')}` };
}

function tlsOf(cluster: unknown, user: unknown, secret: SecretKey): RequestOptions {
  const proxy = textAt(cluster, 'proxy-url');
  const material = Object.entries({
    ca: textAt(cluster, 'certificate-authority-data'),
    cert: textAt(user, 'client-certificate-data'),
    key: textAt(user, 'client-key-data'),
  });
  const serverName = textAt(cluster, 'tls-server-name');
  return {
    ...Object.fromEntries(
      material.flatMap(([name, data]) => (data === undefined ? [] : [[name, Buffer.from(data, 'base64')]])),
    ),
    servername: serverName,
    // Kubermatic reaches the cluster with the same kubeconfig: whoever runs it has chosen so.
    rejectUnauthorized: flagAt(cluster, 'insecure-skip-tls-verify') !== true,
    ...(proxy === undefined ? {} : { agent: proxyAgent(proxy, secret) }),
  };
}

function proxyAgent(proxy: string, secret: SecretKey): https.Agent {
  const url = URL.parse(proxy);
  if (url === null || !['http:', 'https:'].includes(url.protocol))
    throw unusable(secret, 'names a proxy that is none with http:// or https://');
  return new https.Agent({ proxyEnv: { https_proxy: url.href } });
}

function unusable({ namespace, name, key }: SecretKey, problem: string): SpartakusError {
  return new SpartakusError(
    'invalid',
    `The kubeconfig under "${NAME.test(key) ? key : '…'}" of the Secret ${namespace}/${name} ${problem}.`,
  );
}
