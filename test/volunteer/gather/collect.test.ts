import { toJson } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ReportSchema, WorkloadsSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { parseDatabase } from '../../../src/delivery/open-sink.ts';
import { openKubernetesClient } from '../../../src/kubernetes/client.ts';
import { COLLECTABLE } from '../../../src/report/field-selection.ts';
import { parseOmissions } from '../../../src/report/omitted-fields.ts';
import { type GatherConfig, gatherReport, selectFields } from '../../../src/volunteer/gather/gather.ts';
import { createResourceSummaries } from '../../../src/volunteer/gather/resource-summaries.ts';
import legacyReport from '../../fixtures/legacy/spartakus-volunteer-report.json' with { type: 'json' };
import { failureOf } from '../../support/failure.ts';
import { withFiles } from '../../support/files.ts';
import { createJumpingClock } from '../../support/jumping-clock.ts';
import {
  FIXTURE_PAGE_SIZE,
  type KubeApi,
  type KubeApiOptions,
  METADATA_LIST,
  openServiceAccount,
  type ServiceAccount,
  startKubeApi,
} from '../../support/kube-api.ts';

const KEY = 'a key of thirty-two random bytes';
const CLUSTER_ID = '2f9c93d3-156c-47aa-8802-578ffca9b50e';
const NOW = new Date('2026-11-21T00:26:49.000Z');
const closers: (() => void | Promise<void>)[] = [];
let account: ServiceAccount;
let warnings: { readonly fields: object; readonly message: string }[];

beforeEach(async () => {
  account = await openServiceAccount();
  closers.push(() => account.close());
  warnings = [];
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(options: KubeApiOptions = {}): Promise<KubeApi> {
  const api = await startKubeApi(options);
  closers.push(() => api.close());
  return api;
}

async function open(api: KubeApi) {
  const kube = await openKubernetesClient(
    {},
    { env: api.env, serviceAccountDir: account.dir, clock: createJumpingClock(NOW) },
  );
  closers.push(() => kube.close());
  return kube;
}

/** A report as JSON. */
async function gather(api: KubeApi, config: Partial<GatherConfig> = {}) {
  const ignore = () => undefined;
  const warn = (fields: object, message: string) => void warnings.push({ fields, message });
  const options = {
    kube: await open(api),
    readKey: () => Promise.resolve(KEY),
    version: 'v2.0.0',
    now: NOW,
    random: new Uint8Array(16).fill(7),
    sequence: 1,
    logger: { debug: ignore, info: ignore, warn, error: ignore },
    pageSize: FIXTURE_PAGE_SIZE,
  };
  const report = await gatherReport({ clusterId: CLUSTER_ID, ...config }, options);
  return toJson(ReportSchema, report) as Record<string, unknown>;
}

/** The paths of the requests, each once. */
const paths = (api: KubeApi) => [...new Set(api.requests.map(({ target }) => target.split('?', 1)[0]))];

test('all fields can be collected: the number of namespaces, and histograms and average ages of their objects', async () => {
  const api = await start();

  const report = await gather(api, { collect: COLLECTABLE });

  const histogram = (...buckets: [number, number][]) =>
    buckets.map(([atLeast, namespaces]) => ({ atLeast, namespaces }));
  expect(report).toMatchObject({ nodes: expect.objectContaining({ length: 6 }) as unknown });
  expect({ ...report, nodes: undefined }).toMatchObject({
    namespaces: 16,
    workloads: {
      pods: histogram([1, 1], [2, 2], [4, 2], [8, 4], [16, 2]),
      services: histogram([1, 4], [2, 4], [4, 2]),
      deployments: histogram([1, 3], [2, 6]),
      statefulsets: histogram([1, 4], [2, 4]),
      daemonsets: histogram([1, 6]),
      jobs: histogram([1, 4], [2, 4]),
    },
    // Four namespaces of a cluster of 15 minutes, and twelve of 39 seconds; pods of 38 or 39 seconds.
    lifetimes: { namespacesAtLeastHours: 0, podsAtLeastHours: 0, servicesAtLeastHours: 0 },
  });
  expect(report).not.toHaveProperty('missing');
});

/** The JSON paths of all fields that are set, as listFields() names them. */
function pathsOf(value: unknown, prefix = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((each) => pathsOf(each, prefix));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => {
    const path = prefix + name + (Array.isArray(member) ? '[]' : '');
    return [path, ...pathsOf(member, `${path}.`)];
  });
}

test('every field of the schema has a gatherer', async () => {
  const api = await start();
  await withFiles({ e: '{"a":"1"}' }, async (dir) => {
    const config = { clusterId: 'c', collect: COLLECTABLE, extensions: dir };
    const gathered = pathsOf(await gather(api, config));

    const expected = selectFields(config).fields.map(({ path }) => path);
    expect(expected.filter((path) => !path.startsWith('missing[]') && !gathered.includes(path))).toStrictEqual([]);
  });
});

test('each list is requested once, whatever the number of fields computed from it, and only its metadata', async () => {
  const api = await start();

  await gather(api, { collect: ['namespaces', 'workloads', 'lifetimes'] });

  const lists = api.requests.filter(({ target }) => target.includes('limit='));
  expect(lists.map(({ target }) => target)).toStrictEqual([
    '/api/v1/namespaces?limit=500',
    '/api/v1/pods?limit=500',
    '/api/v1/services?limit=500',
    '/apis/apps/v1/deployments?limit=500',
    '/apis/apps/v1/statefulsets?limit=500',
    '/apis/apps/v1/daemonsets?limit=500',
    '/apis/batch/v1/jobs?limit=500',
  ]);
  expect(new Set(lists.map(({ accept }) => accept))).toStrictEqual(new Set([METADATA_LIST]));
});

test('without nodes in the report, neither nodes nor the key of ids are requested', async () => {
  const api = await start();

  await gather(api, { collect: ['namespaces'] });

  expect(paths(api)).toStrictEqual(['/version', '/api/v1/namespaces']);
});

test('omitted fields are not requested', async () => {
  const api = await start();
  const omit = parseOmissions('masterVersion,id,workloads.pods,lifetimes');

  const report = await gather(api, { collect: ['nodes', 'workloads', 'lifetimes'], omit });

  expect(paths(api)).not.toEqual(expect.arrayContaining(['/version']));
  expect(paths(api)).toStrictEqual([
    '/api/v1/nodes',
    '/api/v1/services',
    '/apis/apps/v1/deployments',
    '/apis/apps/v1/statefulsets',
    '/apis/apps/v1/daemonsets',
    '/apis/batch/v1/jobs',
  ]);
  expect(JSON.stringify(report)).not.toMatch(/"id"|masterVersion|lifetimes|"pods":/);
});

test('with an older schema version, newer fields are neither requested nor reported', async () => {
  const api = await start();

  const report = await gather(api, { collect: COLLECTABLE, agree: 1 });

  expect(paths(api)).toStrictEqual(['/version', '/api/v1/nodes']);
  expect(Object.keys(report)).toStrictEqual([
    'version',
    'timestamp',
    'clusterID',
    'masterVersion',
    'nodes',
    'reportID',
  ]);
});

test('of what http:// does not send nothing is read', async () => {
  const api = await start();

  await gather(api, { collect: COLLECTABLE, database: parseDatabase('https://collector.example.com') });

  expect(paths(api)).toStrictEqual(['/version', '/api/v1/nodes']);
});

test('a missing right is recorded in the report, and all other fields are gathered', async () => {
  const api = await start({ forbidden: ['/api/v1/pods', '/apis/batch/v1/jobs'] });

  const report = await gather(api, { collect: COLLECTABLE });

  expect(report['missing']).toStrictEqual([
    { what: 'workloads.pods[]', reason: 'not permitted' },
    { what: 'workloads.jobs[]', reason: 'not permitted' },
    { what: 'lifetimes.podsAtLeastHours', reason: 'not permitted' },
  ]);
  expect(Object.keys(report['workloads'] as object)).toStrictEqual([
    'services',
    'deployments',
    'statefulsets',
    'daemonsets',
  ]);
  expect(Object.keys(report['lifetimes'] as object)).toStrictEqual(['namespacesAtLeastHours', 'servicesAtLeastHours']);
  expect(warnings.map(({ message }) => message)).toStrictEqual([
    expect.stringContaining('{apiGroups: [""], resources: [pods], verbs: [list]}'),
    expect.stringContaining('{apiGroups: ["batch"], resources: [jobs], verbs: [list]}'),
    'lifetimes.podsAtLeastHours is left out: it is read with workloads.pods[].',
  ]);
});

test('a workload that cannot be read is recorded, and all other fields are gathered', async () => {
  const broken = { status: 200, contentType: 'text/html', body: 'hello' };
  const api = await start({ responses: { '/api/v1/services?limit=500': broken } });

  const report = await gather(api, { collect: ['workloads'] });

  expect(report['missing']).toStrictEqual([{ what: 'workloads.services[]', reason: 'failed' }]);
});

test('an error other than a missing right while reading nodes fails the report', async () => {
  const broken = { status: 200, contentType: 'text/html', body: 'hello' };
  const api = await start({ responses: { '/api/v1/nodes?limit=3': broken } });

  await expect(failureOf(gather(api))).resolves.toMatchObject({ kind: 'internal' });
});

test('gathering fails where all rights are missing', async () => {
  const api = await start({ forbidden: ['/version', '/api/v1/nodes', '/api/v1/namespaces'] });

  const error = await failureOf(gather(api, { collect: ['nodes', 'namespaces'] }));

  expect(error).toMatchObject({ kind: 'forbidden' });
  for (const what of ['masterVersion', 'nodes[]', 'namespaces']) expect(error.message).toContain(`${what}: The Kube`);
});

test('closing the client fails the report, instead of recording missing fields', async () => {
  const api = await start({ silent: ['/api/v1/namespaces'] });
  const kube = await open(api);
  const readKey = () => Promise.resolve(KEY);
  const options = { kube, readKey, version: 'v2.0.0', now: NOW, random: new Uint8Array(16), sequence: 1 };
  // The version is read: without the namespaces, there would be a report.
  const failure = failureOf(gatherReport({ clusterId: CLUSTER_ID, collect: ['namespaces'] }, options));
  await expect.poll(() => paths(api)).toContain('/api/v1/namespaces');

  kube.close();

  expect((await failure).message).toContain('because the program is stopping');
});

test('an invalid extension is logged with its name and recorded without it, and all other fields are gathered', async () => {
  const api = await start();
  await withFiles(
    { 'good.json': '{"a":"1"}', 'secret-project.json': 'not JSON', 'keys.json': '{"-bad":"1","b":"2"}' },
    async (dir) => {
      const report = await gather(api, { extensions: dir });

      expect(report['extensions']).toStrictEqual([
        { name: 'a', value: '1' },
        { name: 'b', value: '2' },
      ]);
      expect(report['missing']).toStrictEqual([
        { what: 'extensions[]', reason: 'not a qualified name' },
        { what: 'extensions[]', reason: 'not a JSON object' },
      ]);
      expect(JSON.stringify(report)).not.toMatch(/secret-project|-bad/);
      expect(warnings.map(({ message }) => message)).toStrictEqual([
        expect.stringContaining('"-bad"'),
        expect.stringContaining('secret-project.json'),
      ]);
    },
  );
});

test('with --node-id md5, node ids equal those of the original, and no key is read', async () => {
  const api = await start();

  const { nodes } = await gather(api, { nodeId: 'md5' });

  expect((nodes as { id: string }[]).map(({ id }) => id)).toStrictEqual(
    legacyReport.nodes.map(({ id }) => id).toSorted(),
  );
  expect(paths(api)).toStrictEqual(['/version', '/api/v1/nodes']);
});

test('lists of metadata are read in pages', async () => {
  const api = await start({ pagedPods: [2, 1] });

  const { count, countByNamespace } = await createResourceSummaries(
    await open(api),
    NOW,
    2,
  )(WorkloadsSchema.field.pods);

  expect(count).toBe(3);
  expect(countByNamespace).toStrictEqual(
    new Map([
      ['team-01', 1],
      ['team-02', 2],
    ]),
  );
});
