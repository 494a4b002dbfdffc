import { toJson } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Record as KubermaticRecord, RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { OPTIONAL_LISTS } from '../../../src/kubermatic/gather/gather-kubermatic.ts';
import { gatherFrom } from '../../support/gather-installation.ts';
import { type Installation, readSampleObjects, startInstallation } from '../../support/kubermatic-installation.ts';

let installation: Installation;

beforeAll(async () => {
  installation = await startInstallation(await readSampleObjects());
});

afterAll(() => installation.close());

const METADATA = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
const acceptOf = (resource: string): string | undefined =>
  installation.master.requests.findLast(({ target }) => target.includes(`/${resource}?`))?.accept;

describe('without --collect', () => {
  test('users, projects and SSH keys are counted, and nothing refers to them', async () => {
    const { record } = await gatherFrom(installation);

    expect(record).toMatchObject({
      userCount: 3,
      administratorCount: 1,
      projectCount: 3,
      sshKeyCount: 3,
      projectSshKeyCount: 2,
      users: [],
      projects: [],
      sshKeys: [],
    });
    expect(record.clusters.map(({ projectUuid }) => projectUuid)).toStrictEqual(['', '', '', '']);
    expect(toJson(RecordSchema, record)).not.toHaveProperty('users');
  });

  test('only the metadata of projects and SSH keys is requested', async () => {
    await gatherFrom(installation);

    expect([acceptOf('projects'), acceptOf('usersshkeys')]).toStrictEqual([METADATA, METADATA]);
  });
});

describe('with --collect', () => {
  test.each([
    ['users', [3, 0, 0], 0, 0],
    ['projects', [0, 3, 0], 3, 0],
    ['ssh-keys', [0, 0, 3], 0, 0],
  ] as const)('%s: that list alone, with the counts of all', async (list, lengths, projectsOfClusters, owners) => {
    const { record } = await gatherFrom(installation, { collect: [list] });
    const { users, projects, sshKeys, clusters } = record;

    expect([users, projects, sshKeys].map(({ length }) => length)).toStrictEqual(lengths);
    expect(clusters.filter(({ projectUuid }) => projectUuid !== '')).toHaveLength(projectsOfClusters);
    expect(sshKeys.flatMap(({ ownerProjectUuid }) => ownerProjectUuid)).toHaveLength(owners);
    expect(record).toMatchObject({ userCount: 3, projectCount: 3, sshKeyCount: 3, projectSshKeyCount: 2 });
    expect(acceptOf('projects')).toBe(METADATA);
  });

  test('the owners of SSH keys are listed with projects', async () => {
    const { record } = await gatherFrom(installation, { collect: ['projects', 'ssh-keys'] });

    expect(record.sshKeys.map(({ ownerProjectUuid }) => ownerProjectUuid.length)).toStrictEqual([1, 1, 1]);
  });
});

test('what is not agreed to is not requested', async () => {
  const requestsWith = async (config: Parameters<typeof gatherFrom>[1]): Promise<readonly string[]> => {
    const { requests } = installation.master;
    const before = requests.length;
    const { record } = await gatherFrom(installation, { machineDeployments: true, ...config });
    expect(Object.keys(toJson(RecordSchema, record) as object)).toStrictEqual([
      'kind',
      'version',
      'time',
      'kubernetesVersion',
      'seeds',
      'clusters',
      ...(config?.collect === undefined ? [] : ['users']),
    ]);
    return requests.slice(before).map(({ target }) => target.split('?', 1)[0] ?? '');
  };

  // Version 1 has neither counts nor machine deployments, for which kubeconfigs of user clusters are read.
  const few = await requestsWith({ agree: 1 });
  const withUsers = await requestsWith({ agree: 1, collect: ['users'] });

  const read = (path: string) => expect.stringMatching(new RegExp(`/${path}$`)) as string;
  for (const path of ['projects', 'usersshkeys', 'admin-kubeconfig', 'machinedeployments']) {
    expect(few).not.toContainEqual(read(path));
    expect(withUsers).not.toContainEqual(read(path));
  }
  expect(few).not.toContainEqual(read('users'));
  expect(withUsers).toContainEqual(read('users'));
  expect(withUsers).toHaveLength(few.length + 1);
});

test('countries are sent with --country only', async () => {
  const countriesOf = ({ record }: { record: KubermaticRecord }) =>
    record.seeds.flatMap((seed) => [seed, ...seed.datacenters]).flatMap(({ country }) => country ?? []);

  expect(countriesOf(await gatherFrom(installation))).toStrictEqual([]);
  expect(new Set(countriesOf(await gatherFrom(installation, { country: true })))).toStrictEqual(
    new Set(['DE', 'NL', 'US']),
  );
});

test('objects are in the order of their ids, and machine deployments in that of their content', async () => {
  const { record } = await gatherFrom(installation, { collect: OPTIONAL_LISTS, machineDeployments: true });
  const machines = record.machineDeployments.map((each) => JSON.stringify(each));

  for (const list of [
    record.seeds,
    ...record.seeds.map(({ datacenters }) => datacenters),
    record.clusters,
    record.users,
    record.projects,
    record.sshKeys,
  ]) {
    expect(list.map(({ uuid }) => uuid)).toStrictEqual(list.map(({ uuid }) => uuid).toSorted());
  }
  expect(machines).toStrictEqual(machines.toSorted());
});

test('lists are read in pages', async () => {
  const users = Array.from({ length: 450 }, (_, index) => ({
    metadata: { name: `user-${index}` },
    spec: { admin: index === 449 },
  }));
  const large = await startInstallation({ ...(await readSampleObjects()), users });
  const { record } = await gatherFrom(large, { collect: OPTIONAL_LISTS });
  await large.close();

  expect(record.users).toHaveLength(450);
  expect(record.users.filter(({ isAdmin }) => isAdmin)).toHaveLength(1);
  expect([record.userCount, record.administratorCount]).toStrictEqual([450, 1]);
  expect(
    large.master.requests.filter(({ target }) => target.includes('/users?')).map(({ target }) => target.split('?')[1]),
  ).toStrictEqual(['limit=200', 'limit=200&continue=200', 'limit=200&continue=400']);
});
