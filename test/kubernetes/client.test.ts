import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type KubernetesClient,
  type KubernetesClientOptions,
  type KubernetesConfig,
  openKubernetesClient,
} from '../../src/kubernetes/client.ts';
import { inClusterCredentials } from '../../src/kubernetes/in-cluster.ts';
import { JSON_TYPE, PROTOBUF_TYPE, readJson } from '../../src/kubernetes/response.ts';
import { createNodeIdentifier } from '../../src/report/ids.ts';
import { listNodes } from '../../src/volunteer/gather/nodes.ts';
import { readVersion } from '../../src/volunteer/gather/version.ts';
import { failureOf } from '../support/failure.ts';
import { expectNothingLeftOpen } from '../support/held.ts';
import { createJumpingClock } from '../support/jumping-clock.ts';
import {
  type FakeResponse,
  FIXTURE_PAGE_SIZE,
  type KubeApi,
  type KubeApiOptions,
  openServiceAccount,
  type ServiceAccount,
  startKubeApi,
} from '../support/kube-api.ts';
import { createManualClock } from '../support/manual-clock.ts';

expectNothingLeftOpen();

const closers: (() => void | Promise<void>)[] = [];
let account: ServiceAccount;

beforeEach(async () => {
  account = await openServiceAccount('first-token');
  closers.push(() => account.close());
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(options: KubeApiOptions = {}): Promise<KubeApi> {
  const api = await startKubeApi({ token: 'first-token', ...options });
  closers.push(() => api.close());
  return api;
}

async function open(
  api: KubeApi,
  options: Partial<KubernetesClientOptions> = {},
  config: KubernetesConfig = {},
): Promise<KubernetesClient> {
  const kube = await openKubernetesClient(config, { env: api.env, serviceAccountDir: account.dir, ...options });
  closers.push(() => kube.close());
  return kube;
}

const identify = createNodeIdentifier({ secret: 'key', clusterId: '', scope: '' });
const listFixtureNodes = (kube: KubernetesClient) => listNodes(kube, identify, { pageSize: FIXTURE_PAGE_SIZE });

test('in a pod, requests are authenticated with the service account and share one connection', async () => {
  const api = await start();
  const kube = await open(api);

  await readVersion(kube);

  await expect(readVersion(kube)).resolves.toBe('v0.0.0-master+custom');
  expect(api.connections()).toBe(1);
});

test('a rotated service account token is reloaded within a minute', async () => {
  const api = await start();
  const clock = createJumpingClock();
  const kube = await open(api, { clock });
  await readVersion(kube);

  await account.writeToken('second-token\n');
  api.acceptToken('second-token');
  await clock.sleep(60_001);

  await expect(readVersion(kube)).resolves.toContain('master');
});

test('the credentials are reloaded after 401', async () => {
  const api = await start();
  const kube = await open(api, { clock: createJumpingClock() });
  api.acceptToken('second-token');
  await failureOf(readVersion(kube));

  await account.writeToken('second-token');

  await expect(readVersion(kube)).resolves.toContain('master');
});

test('a request whose token was rotated after it was loaded is repeated at once with the new token', async () => {
  const api = await start();
  const kube = await open(api, { clock: createJumpingClock() });
  await readVersion(kube);
  await account.writeToken('second-token');
  api.acceptToken('second-token');

  await expect(readVersion(kube)).resolves.toContain('master');

  expect(api.requests).toHaveLength(3);
});

test('no token is sent to a server whose certificate the CA of the service account does not verify', async () => {
  const api = await start();
  const otherAccount = await openServiceAccount('first-token', 'tls/other-ca.crt');
  closers.push(() => otherAccount.close());
  const kube = await open(api, { serviceAccountDir: otherAccount.dir });

  const error = await failureOf(readVersion(kube));

  expect(error.kind).toBe('unavailable');
  expect(error.message).toContain('does not verify its certificate');
  expect(api.requests).toStrictEqual([]);
});

test('an IPv6 address of the API server is written in brackets', async () => {
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };

  const credentials = await inClusterCredentials(env, account.dir)?.();

  expect(credentials?.server).toBe('https://[fd00::1]:443');
});

test('the error of 401 names possible causes, and contains neither the token nor the query', async () => {
  const api = await start({ token: 'another-token' });
  const kube = await open(api);

  const error = await failureOf(listFixtureNodes(kube));

  expect(error.kind).toBe('unauthenticated');
  expect(error.message).toBe(
    'The Kubernetes API responded to GET /api/v1/nodes with 401 Unauthorized. It rejects the credentials: are the token or certificate of this cluster, and not expired?',
  );
});

test('the error of 403 names the rule to grant, and nothing from the response body', async () => {
  const api = await start({ forbidden: ['/api/v1/nodes'] });
  const kube = await open(api);

  const error = await failureOf(listFixtureNodes(kube));

  expect(error.kind).toBe('forbidden');
  expect(error.message).toBe(
    'The Kubernetes API responded to GET /api/v1/nodes with 403 Forbidden. Grant the rule {apiGroups: [""], resources: [nodes], verbs: [list]} to the account in use, in a ClusterRole.',
  );
});

test('the error of 403 for an object of a namespace advises a Role there', async () => {
  const target = '/api/v1/namespaces/kubermatic/secrets/kubeconfig';
  const api = await start({ forbidden: [target] });
  const kube = await open(api);

  const error = await failureOf(kube.get(target, JSON_TYPE).then(readJson));

  expect(error.message).toContain(
    'Grant the rule {apiGroups: [""], resources: [secrets], resourceNames: [kubeconfig], verbs: [get]} to the account in use, in a Role of the namespace kubermatic.',
  );
});

test('the error of 403 for a path that is no resource names a nonResourceURLs rule', async () => {
  const api = await start({ forbidden: ['/version'] });
  const kube = await open(api);

  const error = await failureOf(readVersion(kube));

  expect(error.message).toContain('{nonResourceURLs: ["/version"], verbs: [get]}');
});

test('an object is created with a POST of JSON, which is repeated as a GET is', async () => {
  const secrets = new Map<string, unknown>();
  const failures = { times: 1, response: { status: 503, contentType: JSON_TYPE, body: '{}' } };
  const api = await start({ secrets, failures });
  const kube = await open(api, { clock: createJumpingClock(new Date(0)) });
  const secret = { kind: 'Secret', metadata: { name: 'ä' } };

  const created = await kube.create('/api/v1/namespaces/kubermatic/secrets', secret);
  const repeated = await kube.create('/api/v1/namespaces/kubermatic/secrets', secret);

  expect([created.status, repeated.status]).toStrictEqual([201, 409]);
  expect([...secrets]).toStrictEqual([['/api/v1/namespaces/kubermatic/secrets/ä', secret]]);
  expect(api.requests.map(({ method }) => method)).toStrictEqual(['POST', 'POST', 'POST']);
  expect(() => readJson(repeated)).toThrow(
    'responded to POST /api/v1/namespaces/kubermatic/secrets with 409 AlreadyExists',
  );
});

test.each([
  ['team-1\n', 'team-1'],
  ['../../etc', undefined],
  ['', undefined],
])('the namespace of the pod is read from the service account: %j is %s', async (text, expected) => {
  const own = await openServiceAccount('first-token', 'tls/ca.crt', text);
  closers.push(() => own.close());

  const kube = await open(await start(), { serviceAccountDir: own.dir });

  expect(kube.namespace).toBe(expected);
});

test('a list that expires once is read again from the start, without duplicates', async () => {
  const api = await start({ expirations: 1 });
  const kube = await open(api);

  const nodes = await listFixtureNodes(kube);

  expect(new Set(nodes.map(({ id }) => id)).size).toBe(6);
  expect(nodes).toHaveLength(6);
  expect(api.requests.filter(({ target }) => target === '/api/v1/nodes?limit=3')).toHaveLength(2);
});

test('reading a list that keeps expiring fails after three attempts', async () => {
  const api = await start({ expirations: 99 });
  const kube = await open(api);

  const error = await failureOf(listFixtureNodes(kube));

  expect(error.kind).toBe('unavailable');
  expect(error.message).toContain('3 times in a row');
  expect(api.requests.filter(({ target }) => target === '/api/v1/nodes?limit=3')).toHaveLength(3);
});

/** A server that responds with an error to a number of requests first. */
async function startFailing(times: number, response: FakeResponse) {
  const clock = createJumpingClock();
  const api = await start({ failures: { times, response } });
  return { api, clock, kube: await open(api, { clock }) };
}

const OVERLOADED = {
  status: 429,
  contentType: JSON_TYPE,
  body: '{"reason":"TooManyRequests"}',
  headers: { 'retry-after': '7' },
};

test.each([429, 500, 502, 503, 504])('a response of %i is retried with increasing waits', async (status) => {
  const { clock, kube } = await startFailing(3, { ...OVERLOADED, status, headers: {} });

  await expect(readVersion(kube)).resolves.toContain('master');

  expect(clock.sleeps).toStrictEqual([1000, 2000, 4000]);
});

test('a retry waits as long as Retry-After asks', async () => {
  const { clock, kube } = await startFailing(1, OVERLOADED);

  await expect(readVersion(kube)).resolves.toContain('master');

  expect(clock.sleeps).toStrictEqual([7000]);
});

test('a request to an overloaded server fails after five attempts, with the time of Retry-After in the error', async () => {
  const { api, kube } = await startFailing(99, OVERLOADED);

  const error = await failureOf(readVersion(kube));

  expect(error).toMatchObject({ kind: 'overloaded', retryable: true, retryAfterMs: 7000 });
  expect(api.requests).toHaveLength(5);
});

test('a Retry-After of more than a minute is not waited for', async () => {
  const { api, clock, kube } = await startFailing(99, { ...OVERLOADED, headers: { 'retry-after': '3600' } });

  const error = await failureOf(readVersion(kube));

  expect(error.retryAfterMs).toBe(3_600_000);
  expect([api.requests.length, clock.sleeps.length]).toStrictEqual([1, 0]);
});

test.each([400, 401, 403, 404, 410])('a response of %i is not retried', async (status) => {
  const { api, kube } = await startFailing(99, { ...OVERLOADED, status });

  await failureOf(readVersion(kube));

  expect(api.requests).toHaveLength(1);
});

test('close() ends the wait before a retry', async () => {
  const clock = createManualClock(new Date(0));
  const api = await start({ failures: { times: 99, response: OVERLOADED } });
  const kube = await open(api, { clock });
  const call = failureOf(readVersion(kube));
  await clock.asleep();

  kube.close();

  expect((await call).message).toContain('because the program is stopping');
});

test.each([
  ['by default 20 requests are sent at once, then ten a second', {}, 22, [100, 100]],
  ['--kube-burst requests are sent at once, then --kube-qps a second', { kubeQps: 2, kubeBurst: 3 }, 5, [500, 500]],
])('%s', async (_title, config, count, sleepsMs) => {
  const clock = createJumpingClock();
  const kube = await open(await start(), { clock }, config);

  await Promise.all(Array.from({ length: count }, () => readVersion(kube)));

  expect(clock.sleeps).toStrictEqual(sleepsMs);
});

test('a reason that is not a single word is not repeated in the error', async () => {
  const response = { status: 500, contentType: JSON_TYPE, body: '{"reason":"secret: hunter2","message":"hunter2"}' };
  const kube = await open(await start({ responses: { '/version': response } }), { clock: createJumpingClock() });

  const error = await failureOf(readVersion(kube));

  expect(error.message).toBe('The Kubernetes API responded to GET /version with 500.');
});

test.each([
  ['HTML from a proxy', { status: 200, contentType: 'text/html', body: '<p>hello' }],
  ['JSON in place of protobuf', { status: 200, contentType: JSON_TYPE, body: '{}' }],
  ['protobuf without its magic bytes', { status: 200, contentType: PROTOBUF_TYPE, body: 'abcdef' }],
  ['truncated protobuf', { status: 200, contentType: PROTOBUF_TYPE, body: 'k8s\0\x12\x7f' }],
  ['an empty body', { status: 200, contentType: PROTOBUF_TYPE, body: '' }],
])('%s is rejected as a list of nodes, with an error that says why', async (_, response) => {
  const kube = await open(await start({ responses: { '/api/v1/nodes?limit=3': response } }));

  const error = await failureOf(listFixtureNodes(kube));

  expect(error.message).toMatch(
    /^The response of the Kubernetes API to GET \/api\/v1\/nodes cannot be read: it is not /,
  );
});

test('reading stops at the size limit of bodies', async () => {
  const response = { status: 200, contentType: JSON_TYPE, body: 'x'.repeat(200_000) };
  const kube = await open(await start({ responses: { '/version': response } }), { maxBodyBytes: 100_000 });

  const error = await failureOf(readVersion(kube));

  expect(error).toMatchObject({
    kind: 'too-large',
    message: 'The response of the Kubernetes API to GET /version is longer than 100000 bytes.',
  });
});

test('a request fails after the timeout', async () => {
  const api = await start({ silent: ['/version'] });
  const kube = await open(api, { timeoutMs: 50 });

  const error = await failureOf(readVersion(kube));

  expect(error.kind).toBe('unavailable');
  expect(error.message).toBe(`The Kubernetes API did not respond to GET /version of ${api.url} within 0.05 s.`);
});

test('close() cancels requests in progress', async () => {
  const api = await start({ silent: ['/version'] });
  const kube = await open(api);
  const call = failureOf(readVersion(kube));
  await api.firstRequest();

  kube.close();

  expect((await call).message).toContain('because the program is stopping');
});

test('the error of a failed connection contains its code', async () => {
  const api = await start();
  const kube = await open(api);
  await api.close();

  const error = await failureOf(readVersion(kube));

  expect(error.kind).toBe('unavailable');
  expect(error.message).toContain('ECONNREFUSED');
});

test('get() resolves to responses of any status', async () => {
  const kube = await open(await start());

  const response = await kube.get('/api/v1/secrets?limit=3&continue=secret', JSON_TYPE);

  expect(response).toMatchObject({ path: '/api/v1/secrets', status: 404, contentType: JSON_TYPE });
  expect(() => readJson(response)).toThrow('The Kubernetes API responded to GET /api/v1/secrets with 404 NotFound.');
});
