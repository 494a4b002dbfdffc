import https, { type RequestOptions } from 'node:https';
import { createKubernetesClient, type KubernetesClient, type RequestLimits } from '../../kubernetes/client.ts';
import type { ClusterCredentials } from '../../kubernetes/credentials.ts';
import { flagAt, listAt, pick, textAt } from '../../kubernetes/json.ts';
import { JSON_TYPE, readJson } from '../../kubernetes/response.ts';
import { isBearerToken } from '../../runtime/bearer-token.ts';
import { SpartakusError } from '../../runtime/errors.ts';

export interface SecretKey {
  readonly namespace: string;
  readonly name: string;
  /** In `.data`. */
  readonly key: string;
}

interface SecretClientOptions extends RequestLimits {
  /** Closes the client. */
  readonly signal: AbortSignal;
  /** Such as a client that retries. */
  readonly wrap?: (client: KubernetesClient) => KubernetesClient;
}

/** Names of objects (RFC 1123) are safe in a path. */
const NAME = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;

/** Fields that run a program or read a local file, and the field that replaces them. Authors of Secrets must not use them. */
const FORBIDDEN_FIELDS = [
  ['user', 'exec'],
  ['user', 'auth-provider'],
  ['user', 'tokenFile', 'token'],
  ['user', 'token-file', 'token'],
  ['user', 'client-certificate', 'client-certificate-data'],
  ['user', 'client-key', 'client-key-data'],
  ['cluster', 'certificate-authority', 'certificate-authority-data'],
] as const;

/**
 * Calls `use` with a client of the cluster whose kubeconfig is in a Secret. The kubeconfig is kept in memory only, and no error contains any
 * of it. Rejects as readJson() and `use` do, and with a SpartakusError `invalid` for a kubeconfig that is invalid, runs a program, reads a
 * file, or sends credentials without TLS.
 */
export async function withSecretClient<Value>(
  kube: KubernetesClient,
  secret: SecretKey,
  { signal, wrap = (client) => client, ...limits }: SecretClientOptions,
  use: (client: KubernetesClient) => Promise<Value>,
): Promise<Value> {
  const credentials = await readCredentials(kube, secret);
  const client = wrap(createKubernetesClient(() => Promise.resolve(credentials), limits));
  const close = (): void => client.close();
  signal.addEventListener('abort', close, { once: true });
  try {
    if (signal.aborted) close();
    return await use(client);
  } finally {
    signal.removeEventListener('abort', close);
    close();
  }
}

async function readCredentials(kube: KubernetesClient, secret: SecretKey): Promise<ClusterCredentials> {
  const { namespace, name, key } = secret;
  if (!NAME.test(namespace) || !NAME.test(name))
    throw invalid('The reference to a Secret with a kubeconfig contains an invalid name.');
  const response = await kube.get(`/api/v1/namespaces/${namespace}/secrets/${name}`, JSON_TYPE);
  // Not an error 404, which says that the cluster has no such resource: its API has Secrets.
  if (response.status === 404)
    throw invalid(`The Secret ${namespace}/${name}, which has the kubeconfig of a cluster, does not exist.`);
  const data = textAt(readJson(response), 'data', key);
  if (data === undefined) throw unusable(secret, 'does not exist');
  return await parse(Buffer.from(data, 'base64').toString('utf8'), secret);
}

async function parse(text: string, secret: SecretKey): Promise<ClusterCredentials> {
  const { load } = await import('js-yaml');
  let config: unknown;
  try {
    config = load(text);
  } catch {
    // Without the cause, whose message quotes the line, which may be a token.
    throw unusable(secret, 'is not YAML');
  }
  const context = entryOf(config, 'context', textAt(config, 'current-context'));
  const cluster = entryOf(config, 'cluster', textAt(context, 'cluster'));
  const user = entryOf(config, 'user', textAt(context, 'user'));
  if (cluster === undefined || user === undefined)
    throw unusable(secret, 'has no current-context with a cluster and a user');
  const entries = { cluster, user };
  for (const [kind, name, replacement] of FORBIDDEN_FIELDS) {
    const isReplaced = replacement !== undefined && textAt(entries[kind], replacement) !== undefined;
    if (pick(entries[kind], name) !== undefined && !isReplaced) {
      const advice = 'the kubeconfig itself must contain the credentials, as a token or as data';
      throw unusable(secret, `has "${name}", which is not supported: ${advice}`);
    }
  }
  return {
    server: serverOf(cluster, secret),
    displayName: `the cluster of the Secret ${secret.namespace}/${secret.name}`,
    headers: headersOf(user, secret),
    requestOptions: requestOptionsOf(cluster, user, secret),
  };
}

/** The first entry of a name, as with kubectl. */
function entryOf(config: unknown, kind: 'cluster' | 'context' | 'user', name: string | undefined): unknown {
  if (name === undefined) return undefined;
  const entry = listAt(config, `${kind}s`).find((each) => textAt(each, 'name') === name);
  return pick(entry, kind) ?? undefined;
}

function serverOf(cluster: unknown, secret: SecretKey): string {
  const url = URL.parse(textAt(cluster, 'server') ?? '');
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '')
    throw unusable(secret, 'has no server with https://');
  return url.href;
}

function headersOf(user: unknown, secret: SecretKey): Readonly<Record<string, string>> {
  const token = textAt(user, 'token')?.trim();
  if (token !== undefined) {
    if (!isBearerToken(token)) throw unusable(secret, 'has an invalid token');
    return { authorization: `Bearer ${token}` };
  }
  const name = textAt(user, 'username');
  if (name === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${name}:${textAt(user, 'password') ?? ''}`).toString('base64')}` };
}

function requestOptionsOf(cluster: unknown, user: unknown, secret: SecretKey): RequestOptions {
  const proxy = textAt(cluster, 'proxy-url');
  const decode = (data: string | undefined): Buffer | undefined =>
    data === undefined ? undefined : Buffer.from(data, 'base64');
  return {
    ca: decode(textAt(cluster, 'certificate-authority-data')),
    cert: decode(textAt(user, 'client-certificate-data')),
    key: decode(textAt(user, 'client-key-data')),
    servername: textAt(cluster, 'tls-server-name'),
    // Kubermatic uses the same kubeconfig, so this is the decision of its administrator.
    rejectUnauthorized: flagAt(cluster, 'insecure-skip-tls-verify') !== true,
    ...(proxy === undefined ? {} : { agent: proxyAgent(proxy, secret) }),
  };
}

function proxyAgent(proxy: string, secret: SecretKey): https.Agent {
  const url = URL.parse(proxy);
  if (url === null || !['http:', 'https:'].includes(url.protocol))
    throw unusable(secret, 'has a proxy that is not http:// or https://');
  return new https.Agent({ proxyEnv: { https_proxy: url.href } });
}

function unusable({ namespace, name, key }: SecretKey, problem: string): SpartakusError {
  const shownKey = NAME.test(key) ? key : '…';
  return invalid(`The kubeconfig under "${shownKey}" of the Secret ${namespace}/${name} ${problem}.`);
}

function invalid(message: string): SpartakusError {
  return new SpartakusError('invalid', message);
}
