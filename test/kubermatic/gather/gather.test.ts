import { fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { afterEach, describe, expect, test } from 'vitest';
import { type Record as KubermaticRecord, RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { readKubermaticReport } from '../../../src/collector/legacy/kubermatic.ts';
import { OPTIONAL_LISTS } from '../../../src/kubermatic/gather/gather-kubermatic.ts';
import { createLegacyKubermaticUuid } from '../../../src/report/ids.ts';
import { regionOf } from '../../../src/report/kubermatic-enums.ts';
import { failureOf } from '../../support/failure.ts';
import { gatherFrom } from '../../support/gather-installation.ts';
import { readFixture } from '../../support/kube-api.ts';
import {
  type Installation,
  type InstallationObjects,
  type InstallationOptions,
  readObjects,
  readSampleObjects,
  startInstallation,
} from '../../support/kubermatic-installation.ts';
import { byKind } from '../../support/kubermatic-submission.ts';

let installation: Installation | undefined;

afterEach(async () => {
  await installation?.close();
  installation = undefined;
});

async function start(
  options: InstallationOptions = {},
  over: Partial<InstallationObjects> = {},
): Promise<Installation> {
  installation = await startInstallation({ ...(await readSampleObjects()), ...over }, options);
  return installation;
}

const KUBERMATIC = '/apis/kubermatic.k8c.io/v1';
/** As Kubermatic's own agents collect. */
const ALL = { collect: OPTIONAL_LISTS, country: true } as const;
const AS_RELEASED = { ...ALL, uuid: 'md5' } as const;

const byUuid = <Item extends { readonly uuid: string }>(items: readonly Item[]): Item[] =>
  items.toSorted((one, other) => (one.uuid < other.uuid ? -1 : 1));

/** The names of clusters with those of their seeds; undefined for a name that is not in the sample. */
const SEED_NAMES = ['acme-eu-west', 'acme-lab', 'acme-us-east'];
const CLUSTER_NAMES = ['qxw7k2m9pz', 'hb6z5r9lkf', 'v8n4c6t2hd', 'm2d6s8w4jx'];
function seedOfClusters({ clusters }: KubermaticRecord): Readonly<Record<string, string | undefined>> {
  const nameIn = (names: readonly string[], uuid: string): string | undefined =>
    names.find((name) => createLegacyKubermaticUuid(name) === uuid);
  const entries = clusters.map(({ uuid, seedUuid }) => [nameIn(CLUSTER_NAMES, uuid), nameIn(SEED_NAMES, seedUuid)]);
  return Object.fromEntries(entries) as Record<string, string | undefined>;
}
const sample = async (name: string): Promise<JsonValue> =>
  JSON.parse((await readFixture(`kubermatic/${name}.json`)).toString()) as JsonValue;

/** A sample record of Kubermatic's own agent, in the form of this project's agent. */
async function expected(name: string) {
  const [record] = byKind(readKubermaticReport(await sample(name), { keepCountry: true })).records;
  if (record === undefined) throw new Error('The sample holds no record.');
  for (const datacenter of record.seeds.flatMap(({ datacenters }) => datacenters)) {
    if (datacenter.region !== undefined) datacenter.region = regionOf(datacenter.provider, datacenter.region);
  }
  for (const seed of record.seeds) seed.datacenters = byUuid(seed.datacenters);
  for (const key of record.sshKeys) key.clusterUuids.sort();
  for (const list of ['seeds', 'clusters', 'users', 'projects', 'sshKeys'] as const)
    Object.assign(record, { [list]: byUuid<{ uuid: string }>(record[list]) });
  record.machineDeployments.sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1));
  return record;
}

describe("with --uuid md5 a record equals that of Kubermatic's own agent", () => {
  test('the released agent, except for private fields, missing projects and the default of the SSH key agent', async () => {
    const { record } = await gatherFrom(await start(), AS_RELEASED);
    const released = await expected('record-kubermatic-v2');

    expect(record).toMatchObject({
      kind: 'kubermatic',
      version: 'v2',
      kubermaticEdition: 'EE',
      kubermaticVersion: 'v2.25.0',
      missing: [],
    });
    expect(record.seeds.map(({ userClusterMlaEnabled: _new, ...seed }) => seed)).toStrictEqual(
      released.seeds.map(({ userClusterMlaEnabled: _new, ...seed }) => seed),
    );
    expect(record.users).toStrictEqual(released.users);
    expect(record.projects).toStrictEqual(released.projects);
    const NO_PROJECT = '4ae71336-e44b-39bf-b9d2-752e234818a5';
    const comparable = ({ clusters }: typeof record) =>
      clusters.map(
        ({
          kubermaticVersion: _version,
          containerRuntime: _runtime,
          userSshKeyAgentEnabled: _agent,
          projectUuid,
          clusterNetwork,
          ...cluster
        }) => ({
          ...cluster,
          // The released agent omits false.
          clusterNetwork: { ...clusterNetwork, konnectivityEnabled: clusterNetwork?.konnectivityEnabled ?? false },
          projectUuid: projectUuid === NO_PROJECT ? '' : projectUuid,
        }),
      );
    expect(comparable(record)).toStrictEqual(comparable(released));
    expect(record.clusters.filter((cluster) => cluster.userSshKeyAgentEnabled)).toHaveLength(3);
    // One key of the sample has no owner reference yet, and names its project in its spec.
    const isOwned = ({ uuid }: { uuid: string }) =>
      released.sshKeys.some((key) => key.uuid === uuid && key.ownerProjectUuid.length > 0);
    expect(record.sshKeys.filter(isOwned)).toStrictEqual(released.sshKeys.filter(isOwned));
    expect(record.sshKeys.map(({ ownerProjectUuid }) => ownerProjectUuid.length)).toStrictEqual([1, 1, 1]);
  });

  test('the proposal, including machine deployments', async () => {
    const { record } = await gatherFrom(await start(), { ...AS_RELEASED, machineDeployments: true });
    const proposed = await expected('record-kubermatic-proposal');

    expect(record.seeds).toStrictEqual(proposed.seeds);
    const facts = ({ clusters }: typeof record) =>
      clusters.map(({ uuid, kubermaticVersion, containerRuntime, mla, cloud }) => ({
        uuid,
        kubermaticVersion,
        containerRuntime,
        mla,
        cloud,
      }));
    expect(facts(record)).toStrictEqual(facts(proposed));
    // The proposal omits 0.
    const machines = ({ machineDeployments }: typeof record): readonly string[] =>
      machineDeployments
        .map((each) => JSON.stringify({ ...each, numberOfReplicas: each.numberOfReplicas ?? 0 }))
        .toSorted();
    expect(machines(record)).toStrictEqual(machines(proposed));
    expect(record.kubernetesVersion).toMatch(/^v\d/);
  });
});

describe('with --uuid hmac', () => {
  test('ids are UUIDs of version 8, and objects can be joined by them', async () => {
    const { record } = await gatherFrom(await start(), ALL);
    const uuids = (list: readonly { uuid: string }[]): readonly string[] => list.map(({ uuid }) => uuid);
    const datacenters = uuids(record.seeds.flatMap((seed) => seed.datacenters));
    const all = [
      ...uuids(record.seeds),
      ...datacenters,
      ...uuids(record.clusters),
      ...uuids(record.users),
      ...uuids(record.projects),
      ...uuids(record.sshKeys),
    ];

    expect(new Set(all).size).toBe(all.length);
    expect(
      all.filter((uuid) => !/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(uuid)),
    ).toStrictEqual([]);
    const { clusters, sshKeys } = record;
    expect(clusters.every(({ seedUuid }) => uuids(record.seeds).includes(seedUuid))).toBe(true);
    expect(clusters.every(({ cloud }) => datacenters.includes(cloud?.datacenterUuid ?? ''))).toBe(true);
    const projectsOf = clusters.map(({ projectUuid }) => projectUuid).filter((uuid) => uuid !== '');
    expect(projectsOf).toHaveLength(3);
    expect(projectsOf.every((uuid) => uuids(record.projects).includes(uuid))).toBe(true);
    expect(sshKeys.flatMap(({ clusterUuids }) => clusterUuids).every((uuid) => uuids(clusters).includes(uuid))).toBe(
      true,
    );
    expect(
      sshKeys
        .flatMap(({ ownerProjectUuid }) => ownerProjectUuid)
        .every((uuid) => uuids(record.projects).includes(uuid)),
    ).toBe(true);
  });

  test('ids are the same in each record, and differ from those without a key', async () => {
    const api = await start();
    const [first, again, md5] = [
      await gatherFrom(api, ALL),
      await gatherFrom(api, ALL),
      await gatherFrom(api, AS_RELEASED),
    ];

    expect(again.record).toStrictEqual(first.record);
    expect(
      md5.record.users.map(({ uuid }) => uuid).filter((uuid) => first.record.users.some((user) => user.uuid === uuid)),
    ).toStrictEqual([]);
  });
});

describe('a seed that is the master cluster itself', () => {
  test('is read without its kubeconfig', async () => {
    const { record } = await gatherFrom(await start({ home: 'acme-us-east' }), AS_RELEASED);

    expect(record.missing).toStrictEqual([]);
    expect(seedOfClusters(record)).toStrictEqual({
      qxw7k2m9pz: 'acme-eu-west',
      v8n4c6t2hd: 'acme-eu-west',
      hb6z5r9lkf: 'acme-us-east',
      m2d6s8w4jx: 'acme-us-east',
    });
    expect(
      installation?.master.requests
        .map(({ target }) => target)
        .filter((target) => target.includes('secrets/kubeconfig-acme-us-east')),
    ).toStrictEqual([]);
  });

  test('a user cluster with an unknown datacenter is assigned to it', async () => {
    const clusters = await readObjects<{ metadata: { name: string }; spec: { cloud: object } }>(
      'clusters-acme-us-east',
    );
    const moved = clusters.map((cluster, index) =>
      index === 0 ? { ...cluster, spec: { ...cluster.spec, cloud: { dc: 'gone' } } } : cluster,
    );
    const { clusters: all } = await readSampleObjects();
    const { record } = await gatherFrom(
      await start({ home: 'acme-us-east' }, { clusters: { ...all, 'acme-us-east': moved } }),
      AS_RELEASED,
    );

    expect(seedOfClusters(record)).toMatchObject({ hb6z5r9lkf: 'acme-us-east', m2d6s8w4jx: 'acme-us-east' });
  });

  test('has machine deployments', async () => {
    const { record } = await gatherFrom(await start({ home: 'acme-eu-west' }), { machineDeployments: true });

    expect(record.machineDeployments).toHaveLength(7);
    expect(record.missing).toStrictEqual([]);
  });
});

const NOT_FOUND = { status: 404, contentType: 'text/plain', body: '404 page not found' };

describe('missing fields are recorded, and all others are gathered', () => {
  const missingOf = async (options: InstallationOptions, over?: Partial<InstallationObjects>, config = {}) => {
    const { record, log } = await gatherFrom(await start(options, over), { ...AS_RELEASED, ...config });
    return { record, log, missing: record.missing.map(({ what, reason }) => `${what} ${reason}`) };
  };

  test.each([
    ['users', ['userCount', 'administratorCount', 'users[]']],
    ['projects', ['projectCount', 'projects[]']],
    ['usersshkeys', ['sshKeyCount', 'projectSshKeyCount', 'sshKeys[]']],
    ['seeds', ['seeds[]']],
  ])('%s without the right to list them', async (resource, fields) => {
    const { record, log, missing } = await missingOf({ master: { forbidden: [`${KUBERMATIC}/${resource}`] } });

    expect(missing).toStrictEqual(fields.map((what) => `${what} not permitted`));
    expect(log.messages('warn')).toStrictEqual([
      expect.stringContaining(`{apiGroups: ["kubermatic.k8c.io"], resources: [${resource}], verbs: [list]}`),
      ...fields.slice(1).map((what) => `${what} is left out: it is read with ${fields[0]}.`),
    ]);
    expect(record.kubermaticEdition).toBe('EE');
    expect(record.users.length + record.projects.length).toBeGreaterThan(0);
  });

  test('resources that are not installed', async () => {
    const { record, missing } = await missingOf({
      master: {
        responses: { [`${KUBERMATIC}/usersshkeys?limit=200`]: NOT_FOUND },
        lists: { [`${KUBERMATIC}/usersshkeys`]: undefined as never },
      },
    });

    expect(missing).toStrictEqual([
      'sshKeyCount not installed',
      'projectSshKeyCount not installed',
      'sshKeys[] not installed',
    ]);
    expect([record.sshKeyCount, record.projectSshKeyCount]).toStrictEqual([undefined, undefined]);
    expect(record.users).toHaveLength(3);
  });

  test('two configurations are ambiguous', async () => {
    const { record, missing } = await missingOf(
      {},
      { configurations: await readObjects('kubermaticconfigurations-ambiguous') },
    );

    expect(missing).toStrictEqual(['kubermaticEdition ambiguous', 'kubermaticVersion ambiguous']);
    expect([record.kubermaticEdition, record.kubermaticVersion]).toStrictEqual([undefined, undefined]);
    expect(new Set(record.seeds.map(({ exposeStrategy }) => exposeStrategy))).toStrictEqual(
      new Set(['LoadBalancer', 'NodePort', 'Tunneling']),
    );
    expect(record.clusters).toHaveLength(4);
  });

  test('no configuration', async () => {
    await expect(missingOf({}, { configurations: [] })).resolves.toMatchObject({
      missing: ['kubermaticEdition not installed', 'kubermaticVersion not installed'],
    });
  });

  test.each<[string, string, InstallationOptions]>([
    [
      'without the right to read its Secret',
      'not permitted',
      { master: { forbidden: ['/api/v1/namespaces/kubermatic/secrets/kubeconfig-acme-eu-west'] } },
    ],
    [
      'without its Secret',
      'failed',
      { master: { responses: { '/api/v1/namespaces/kubermatic/secrets/kubeconfig-acme-eu-west': NOT_FOUND } } },
    ],
    [
      'with an invalid kubeconfig',
      'failed',
      { kubeconfigOf: (seed, config) => (seed === 'acme-eu-west' ? 'hello: [' : config) },
    ],
    [
      'that does not respond',
      'failed',
      {
        kubeconfigOf: (seed, config) =>
          seed === 'acme-eu-west'
            ? { ...config, clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:1' } }] }
            : config,
      },
    ],
    [
      'that rejects the credentials',
      'failed',
      {
        kubeconfigOf: (seed, config) =>
          seed === 'acme-eu-west' ? { ...config, users: [{ name: 'u', user: { token: 'wrong' } }] } : config,
      },
    ],
  ])('a seed %s: the user clusters of other seeds are gathered', async (_name, reason, options) => {
    const { record, missing, log } = await missingOf(options);

    expect(missing).toStrictEqual([`clusters[] ${reason}`]);
    expect(record.seeds).toHaveLength(3);
    expect(Object.values(seedOfClusters(record))).toStrictEqual(['acme-us-east', 'acme-us-east']);
    expect(log.messages('warn')).toHaveLength(1);
  });

  test('seeds whose API servers have just started: nothing is missing', async () => {
    const { record, missing } = await missingOf({ starting: { times: 5, status: 403 } });

    expect([record.clusters.length, missing]).toStrictEqual([4, []]);
  });

  test('a user cluster without machine deployments: those of others are gathered', async () => {
    const {
      machineDeployments: { hb6z5r9lkf: _gone, ...others },
    } = await readSampleObjects();
    const { record, missing } = await missingOf({}, { machineDeployments: others }, { machineDeployments: true });

    expect(missing).toStrictEqual(['machineDeployments[] not installed']);
    expect(record.machineDeployments).toHaveLength(5);
  });

  test('a user cluster without its Secret admin-kubeconfig: the machine deployments of others are gathered', async () => {
    const { record, missing, log } = await missingOf({ withoutSecret: 'hb6z5r9lkf' }, {}, { machineDeployments: true });

    expect(missing).toStrictEqual(['machineDeployments[] failed']);
    expect(record.machineDeployments).toHaveLength(5);
    expect(log.messages('warn')).toStrictEqual([
      expect.stringContaining(
        'The Secret cluster-hb6z5r9lkf/admin-kubeconfig, which has the kubeconfig of a cluster, does',
      ),
    ]);
  });

  test('gathering fails where nothing of Kubermatic is installed', async () => {
    const lists = Object.fromEntries(
      ['namespaces/kubermatic/kubermaticconfigurations', 'seeds', 'clusters', 'projects', 'users', 'usersshkeys'].map(
        (path) => [`${KUBERMATIC}/${path}`, undefined as never],
      ),
    );
    const api = await start({ master: { lists } });

    await expect(failureOf(gatherFrom(api))).resolves.toMatchObject({
      kind: 'not-found',
      message: expect.stringContaining('404') as string,
    });
  });
});

test('user clusters that two seeds return are recorded once', async () => {
  const objects = await readSampleObjects();
  const { record } = await gatherFrom(
    await start({}, { clusters: { ...objects.clusters, 'acme-lab': objects.clusters['acme-eu-west'] ?? [] } }),
  );

  expect(record.clusters).toHaveLength(4);
});

test('a record can be parsed from its JSON with both field names', async () => {
  const { record } = await gatherFrom(await start(), { ...ALL, machineDeployments: true });

  for (const useProtoFieldName of [true, false]) {
    expect(fromJson(RecordSchema, toJson(RecordSchema, record, { useProtoFieldName }))).toStrictEqual(record);
  }
  const released = toJson(RecordSchema, record, { useProtoFieldName: true }) as Record<string, JsonValue>;
  expect(Object.keys(released)).toEqual(
    expect.arrayContaining(Object.keys((await sample('record-kubermatic-v2')) as object)),
  );
});
