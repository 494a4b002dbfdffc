import { afterEach, beforeEach, expect, test } from 'vitest';
import { type KubeClient, type KubeOptions, openKubeClient } from '../../src/kubernetes/client.ts';
import { inClusterAccess } from '../../src/kubernetes/in-cluster.ts';
import { JSON_TYPE, PROTOBUF_TYPE, readJson } from '../../src/kubernetes/response.ts';
import { createNodeIdentifier } from '../../src/report/ids.ts';
import { readClusterKey } from '../../src/volunteer/gather/cluster-key.ts';
import { listNodes } from '../../src/volunteer/gather/nodes.ts';
import { readVersion } from '../../src/volunteer/gather/version.ts';
import { failureOf } from '../support/failure.ts';
import { createJumpingClock } from '../support/jumping-clock.ts';
import {
  type Answer,
  FIXTURE_PAGE_SIZE,
  type KubeApi,
  type KubeApiOptions,
  openServiceAccount,
  type ServiceAccount,
  startKubeApi,
} from '../support/kube-api.ts';
import { createManualClock } from '../support/manual-clock.ts';

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

async function open(api: KubeApi, options: Partial<KubeOptions> = {}): Promise<KubeClient> {
  const kube = await openKubeClient({}, { env: api.env, serviceAccountDir: account.dir, ...options });
  closers.push(() => kube.close());
  return kube;
}

const NODES = { identify: createNodeIdentifier('key'), pageSize: FIXTURE_PAGE_SIZE };

test('in a pod, the service account is presented and many requests use one connection', async () => {
  const api = await start();
  const kube = await open(api);

  await readVersion(kube);

  await expect(readVersion(kube)).resolves.toBe('v0.0.0-master+faecb196815e2');
  expect(api.connections()).toBe(1);
});

test('a service account token that rotated is read again within a minute', async () => {
  const api = await start();
  const clock = createJumpingClock();
  const kube = await open(api, { clock });
  await readVersion(kube);

  await account.writeToken('second-token\n');
  api.letIn('second-token');
  await clock.sleep(60_001);

  await expect(readVersion(kube)).resolves.toContain('master');
});

test('a token that is refused is not presented twice', async () => {
  const api = await start();
  const kube = await open(api, { clock: createJumpingClock() });
  api.letIn('second-token');
  await failureOf(readVersion(kube));

  await account.writeToken('second-token');

  await expect(readVersion(kube)).resolves.toContain('master');
});

test('a server whose certificate the service account does not vouch for gets no token', async () => {
  const api = await start();
  const stranger = await openServiceAccount('first-token', 'tls/other-ca.crt');
  closers.push(() => stranger.close());
  const kube = await open(api, { serviceAccountDir: stranger.dir });

  const error = await failureOf(readVersion(kube));

  expect(error.kind).toBe('unavailable');
  expect(error.message).toContain('does not hold against the CA');
  expect(api.asked).toStrictEqual([]);
});

test('an IPv6 address of the API server stands in brackets', async () => {
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };

  const credentials = await inClusterAccess(env, account.dir)?.credentials();

  expect(credentials?.server).toBe('https://[fd00::1]:443');
});

test('401 says whom to doubt, and neither the token nor the query', async () => {
  const api = await start({ token: 'another-token' });
  const kube = await open(api);

  const error = await failureOf(listNodes(kube, NODES));

  expect(error.kind).toBe('unauthenticated');
  expect(error.message).toBe(
    'The Kubernetes API answered GET /api/v1/nodes with 401 Unauthorized. It does not know who asks: is the token or certificate of this cluster, and not expired?',
  );
});

test('403 names the rule to grant, and repeats nothing of what the server said', async () => {
  const api = await start({ forbidden: ['/api/v1/nodes'] });
  const kube = await open(api);

  const error = await failureOf(listNodes(kube, NODES));

  expect(error.kind).toBe('forbidden');
  expect(error.message).toBe(
    'The Kubernetes API answered GET /api/v1/nodes with 403 Forbidden. Grant the rule {apiGroups: [""], resources: [nodes], verbs: [list]} to the account that asks, in a ClusterRole.',
  );
});

test('403 for a path that is no resource names a rule for paths', async () => {
  const api = await start({ forbidden: ['/version'] });
  const kube = await open(api);

  const error = await failureOf(readVersion(kube));

  expect(error.message).toContain('{nonResourceURLs: ["/version"], verbs: [get]}');
});

test('a cluster that does not show the uid of kube-system gets a clear error that names the rule, and no weaker ids', async () => {
  const api = await start({ forbidden: ['/api/v1/namespaces/kube-system'] });
  const kube = await open(api);

  const error = await failureOf(readClusterKey(kube));

  expect(error.kind).toBe('forbidden');
  expect(error.message).toContain(
    '{apiGroups: [""], resources: [namespaces], resourceNames: [kube-system], verbs: [get]}',
  );
  expect(error.message).toContain('makes ids anonymous');
});

test('a list that expires once begins anew, and no node is in it twice', async () => {
  const api = await start({ expirations: 1 });
  const kube = await open(api);

  const nodes = await listNodes(kube, NODES);

  expect(new Set(nodes.map(({ id }) => id)).size).toBe(6);
  expect(nodes).toHaveLength(6);
  expect(api.asked.filter(({ target }) => target === '/api/v1/nodes?limit=3')).toHaveLength(2);
});

test('a list that keeps expiring is given up after three starts', async () => {
  const api = await start({ expirations: 99 });
  const kube = await open(api);

  const error = await failureOf(listNodes(kube, NODES));

  expect(error.kind).toBe('unavailable');
  expect(error.message).toContain('3 times in a row');
  expect(api.asked.filter(({ target }) => target === '/api/v1/nodes?limit=3')).toHaveLength(3);
});

/** A server that answers so for a number of times, and then well. */
async function startUnwell(times: number, answer: Answer) {
  const clock = createJumpingClock();
  const api = await start({ unwell: { times, answer } });
  return { api, clock, kube: await open(api, { clock }) };
}

const OVERLOADED = {
  status: 429,
  contentType: JSON_TYPE,
  body: '{"reason":"TooManyRequests"}',
  headers: { 'retry-after': '7' },
};

test.each([429, 500, 502, 503, 504])(
  'a server that answers %i is asked again, later each time, and the report goes on',
  async (status) => {
    const { clock, kube } = await startUnwell(3, { ...OVERLOADED, status, headers: {} });

    await expect(readVersion(kube)).resolves.toContain('master');

    expect(clock.sleeps).toStrictEqual([1000, 2000, 4000]);
  },
);

test('a server that says when to come again is not asked before', async () => {
  const { clock, kube } = await startUnwell(1, OVERLOADED);

  await expect(readVersion(kube)).resolves.toContain('master');

  expect(clock.sleeps).toStrictEqual([7000]);
});

test('a server that stays overloaded is given up after five attempts, and the error says when to come again', async () => {
  const { api, kube } = await startUnwell(99, OVERLOADED);

  const error = await failureOf(readVersion(kube));

  expect(error).toMatchObject({ kind: 'overloaded', retryable: true, retryAfterMs: 7000 });
  expect(api.asked).toHaveLength(5);
});

test('a server that asks for more than a minute of patience is not waited for', async () => {
  const { api, clock, kube } = await startUnwell(99, { ...OVERLOADED, headers: { 'retry-after': '3600' } });

  const error = await failureOf(readVersion(kube));

  expect(error.retryAfterMs).toBe(3_600_000);
  expect([api.asked.length, clock.sleeps.length]).toStrictEqual([1, 0]);
});

test.each([400, 401, 403, 404, 410])('a server that answers %i is not asked again', async (status) => {
  const { api, kube } = await startUnwell(99, { ...OVERLOADED, status });

  await failureOf(readVersion(kube));

  expect(api.asked).toHaveLength(1);
});

test('closing ends the wait before a further attempt', async () => {
  const clock = createManualClock(new Date(0));
  const api = await start({ unwell: { times: 99, answer: OVERLOADED } });
  const kube = await open(api, { clock });
  const call = failureOf(readVersion(kube));
  await clock.asleep();

  kube.close();

  expect((await call).message).toContain('because the program stops');
});

test('at most five requests go out in a second, however many are wanted', async () => {
  const clock = createJumpingClock();
  const kube = await open(await start(), { clock });

  await Promise.all(Array.from({ length: 12 }, () => readVersion(kube)));

  // Five at once, five a second later, and the rest.
  expect(clock.sleeps).toStrictEqual([1000, 1000]);
});

test('a reason that is not a word of Kubernetes is not repeated', async () => {
  const answer = { status: 500, contentType: JSON_TYPE, body: '{"reason":"secret: hunter2","message":"hunter2"}' };
  const kube = await open(await start({ answers: { '/version': answer } }), { clock: createJumpingClock() });

  const error = await failureOf(readVersion(kube));

  expect(error.message).toBe('The Kubernetes API answered GET /version with 500.');
});

test.each([
  ['HTML of a proxy', { status: 200, contentType: 'text/html', body: '<p>hello' }],
  ['JSON where protobuf was asked for', { status: 200, contentType: JSON_TYPE, body: '{}' }],
  ['protobuf without its four bytes', { status: 200, contentType: PROTOBUF_TYPE, body: 'abcdef' }],
  ['protobuf that is cut off', { status: 200, contentType: PROTOBUF_TYPE, body: 'k8s\0\x12\x7f' }],
  ['nothing', { status: 200, contentType: PROTOBUF_TYPE, body: '' }],
])('%s cannot be read as nodes, and the message says so', async (_, answer) => {
  const kube = await open(await start({ answers: { '/api/v1/nodes?limit=3': answer } }));

  const error = await failureOf(listNodes(kube, NODES));

  expect(error.message).toMatch(/^The answer of the Kubernetes API to GET \/api\/v1\/nodes cannot be read: it is not /);
});

test('a body over the limit is not read to its end', async () => {
  const answer = { status: 200, contentType: JSON_TYPE, body: 'x'.repeat(200_000) };
  const kube = await open(await start({ answers: { '/version': answer } }), { maxBodyBytes: 100_000 });

  const error = await failureOf(readVersion(kube));

  expect(error).toMatchObject({
    kind: 'too-large',
    message: 'The answer of the Kubernetes API to GET /version is longer than 100000 bytes.',
  });
});

test('a server that does not answer in time is given up', async () => {
  const api = await start({ silent: ['/version'] });
  const kube = await open(api, { timeoutMs: 50 });

  const error = await failureOf(readVersion(kube));

  expect(error.kind).toBe('unavailable');
  expect(error.message).toBe(`The Kubernetes API did not answer GET /version of ${api.url} within 0.05 s.`);
});

test('closing ends a request that is under way', async () => {
  const api = await start({ silent: ['/version'] });
  const kube = await open(api);
  const call = failureOf(readVersion(kube));
  await api.firstRequest();

  kube.close();

  expect((await call).message).toContain('because the program stops');
});

test('a server that is not there is named', async () => {
  const api = await start();
  const kube = await open(api);
  await api.close();

  const error = await failureOf(readVersion(kube));

  expect(error.kind).toBe('unavailable');
  expect(error.message).toContain('ECONNREFUSED');
});

test('an answer of another status comes back as it is', async () => {
  const kube = await open(await start());

  const answer = await kube.get('/api/v1/secrets?limit=3&continue=secret', JSON_TYPE);

  expect(answer).toMatchObject({ path: '/api/v1/secrets', status: 404, contentType: JSON_TYPE });
  expect(() => readJson(answer)).toThrow('The Kubernetes API answered GET /api/v1/secrets with 404 NotFound.');
});
