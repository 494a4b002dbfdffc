import { afterEach, beforeEach, expect, test } from 'vitest';
import { openKubernetesClient } from '../../src/kubernetes/client.ts';
import { JSON_TYPE } from '../../src/kubernetes/response.ts';
import { createRetryingClient, type RetryingClient } from '../../src/kubernetes/retrying-client.ts';
import { readVersion } from '../../src/volunteer/gather/version.ts';
import { failureOf } from '../support/failure.ts';
import { createJumpingClock } from '../support/jumping-clock.ts';
import {
  type KubeApi,
  type KubeApiOptions,
  openServiceAccount,
  type ServiceAccount,
  startKubeApi,
} from '../support/kube-api.ts';
import { createKeptLog } from '../support/log.ts';

const VERSION = 'v0.0.0-master+custom';
const PODS = '/api/v1/pods';

let account: ServiceAccount;
const closers: (() => void | Promise<void>)[] = [];

beforeEach(async () => {
  account = await openServiceAccount();
  closers.push(() => account.close());
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(options: KubeApiOptions = {}): Promise<KubeApi> {
  const api = await startKubeApi(options);
  closers.push(() => api.close());
  return api;
}

interface Opened {
  readonly kube: RetryingClient;
  readonly clock: ReturnType<typeof createJumpingClock>;
  readonly log: ReturnType<typeof createKeptLog>;
}

async function open(
  api: Pick<KubeApi, 'env'>,
  onSleep: (sleeps: number) => unknown = () => undefined,
): Promise<Opened> {
  const jumping = createJumpingClock();
  const clock = {
    ...jumping,
    sleep: async (ms: number) => {
      await jumping.sleep(ms);
      await onSleep(jumping.sleeps.length);
    },
  };
  const log = createKeptLog();
  const client = await openKubernetesClient({}, { env: api.env, clock, serviceAccountDir: account.dir });
  const kube = createRetryingClient(client, { clock, random: () => 1, logger: log.logger });
  closers.push(() => kube.close());
  kube.begin();
  return { kube, clock, log };
}

const targets = ({ requests }: KubeApi) => requests.map(({ target }) => target);

test.each([401, 403, 503] as const)(
  'a server that has just started and responds with %d is asked again',
  async (status) => {
    const api = await start({ starting: { times: 7, status } });
    const { kube, log } = await open(api);

    await expect(readVersion(kube)).resolves.toBe(VERSION);

    expect(log.messages('info')).toStrictEqual([
      expect.stringMatching(
        `GET /version with ${status}.* It is tried again for up to 300 s, in case the API server is starting`,
      ),
    ]);
  },
);

test('a server that does not listen yet is asked again', async () => {
  const api = await startKubeApi();
  await api.close();
  const port = Number(api.env.KUBERNETES_SERVICE_PORT);
  const { kube, clock } = await open(api, (sleeps) => (sleeps === 5 ? start({ port }) : undefined));

  await expect(readVersion(kube)).resolves.toBe(VERSION);
  expect(clock.sleeps).toStrictEqual([1000, 2000, 4000, 8000, 16_000]);
});

test('a token that is rotated during the retries is used', async () => {
  const api = await start({ token: 'next' });
  const { kube } = await open(api, (sleeps) => (sleeps === 3 ? account.writeToken('next') : undefined));

  await expect(readVersion(kube)).resolves.toBe(VERSION);
});

test('403 is final once /readyz has responded with 200 for half a minute', async () => {
  const api = await start({ forbidden: ['/version'] });
  const { kube, clock } = await open(api);

  const error = await failureOf(readVersion(kube));

  expect(error).toMatchObject({ kind: 'forbidden' });
  // From the body of the denied request, although that of /readyz was read later.
  expect(error.message).toContain('with 403 Forbidden.');
  expect(clock.now().getTime()).toBe(31_000);
  expect(targets(api).filter((target) => target === '/readyz')).toHaveLength(6);
});

test.each([500, 403, 404])('403 is final after five minutes where /readyz responds with %d', async (readyz) => {
  const { kube, clock } = await open(await start({ forbidden: ['/version'], readyz }));

  const error = await failureOf(readVersion(kube));

  expect(error).toMatchObject({ kind: 'forbidden' });
  expect(clock.now().getTime()).toBe(300_000);
});

test('all requests of one gathering share the time', async () => {
  const { kube, clock } = await open(await start({ forbidden: ['/version', PODS], readyz: 500 }));

  await failureOf(readVersion(kube));
  await expect(kube.get(PODS, JSON_TYPE)).resolves.toMatchObject({ status: 403 });

  expect(clock.now().getTime()).toBe(300_000);
});

test('what was final in a gathering with a report is not retried in the next one, until it succeeds', async () => {
  const forbidden = ['/version'];
  const { kube, clock, log } = await open(await start({ forbidden }));
  /** Whether a gathering waits; the limit of the rate is a wait of a second. */
  const waits = async (ends: boolean): Promise<boolean> => {
    const startedMs = clock.now().getTime();
    kube.begin();
    await readVersion(kube).catch(() => undefined);
    if (ends) kube.confirm();
    return clock.now().getTime() - startedMs > 30_000;
  };

  await expect(waits(false)).resolves.toBe(true);
  await expect(waits(true)).resolves.toBe(true);
  await expect(waits(true)).resolves.toBe(false);
  forbidden.pop();
  await expect(waits(true)).resolves.toBe(false);
  forbidden.push('/version');
  await expect(waits(true)).resolves.toBe(true);
  // Each outage once.
  expect(log.messages('info')).toHaveLength(2);
});

test('only the first gathering retries while nothing responds', async () => {
  const api = await startKubeApi();
  await api.close();
  const { kube, clock } = await open(api);
  await expect(failureOf(readVersion(kube))).resolves.toMatchObject({ kind: 'unavailable' });
  expect(clock.now().getTime()).toBe(300_000);

  kube.begin();
  await failureOf(readVersion(kube));
  expect(clock.now().getTime()).toBe(300_000);

  // It is there again, and has just started.
  await start({ port: Number(api.env.KUBERNETES_SERVICE_PORT), starting: { times: 5, status: 403 } });
  kube.begin();
  await expect(readVersion(kube)).resolves.toBe(VERSION);
});

test('a permission that is granted later is found with one small request', async () => {
  const forbidden = [PODS, '/api/v1/namespaces/kubermatic/secrets/spartakus-volunteer'];
  const api = await start({ forbidden });
  const { kube } = await open(api);
  for (const path of forbidden) await kube.get(path === PODS ? `${PODS}?limit=500` : path, JSON_TYPE);
  expect(kube.hasForbidden()).toBe(false);
  kube.confirm();

  expect(kube.hasForbidden()).toBe(true);
  const before = api.requests.length;
  await expect(kube.isGranted()).resolves.toBe(false);
  expect(targets(api).slice(before)).toStrictEqual([`${PODS}?limit=1`]);
  forbidden.shift();
  const accept = 'application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
  await kube.get(`${PODS}?limit=500`, accept);
  expect(kube.hasForbidden()).toBe(false);
});

test('a Retry-After beyond the time for retries is final', async () => {
  const busy = { status: 503, contentType: 'application/json', body: '{}', headers: { 'retry-after': '3600' } };
  const { kube, clock } = await open(await start({ responses: { '/version': busy } }));

  await expect(failureOf(readVersion(kube))).resolves.toMatchObject({ kind: 'unavailable' });
  expect(clock.sleeps).toStrictEqual([]);
});

test('404 is no failure of the server, and is not retried', async () => {
  const { kube, clock } = await open(await start());

  await expect(kube.get('/apis/example.com/v1/things', JSON_TYPE)).resolves.toMatchObject({ status: 404 });
  expect(clock.sleeps).toStrictEqual([]);
});

test('closing ends the retries', async () => {
  const { kube, clock } = await open(await start({ forbidden: ['/version'] }), (sleeps) => {
    if (sleeps === 2) kube.close();
  });

  await failureOf(readVersion(kube));

  expect(clock.sleeps).toHaveLength(2);
});
