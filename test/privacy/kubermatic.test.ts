import { toJsonString } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { OPTIONAL_LISTS, type OptionalList } from '../../src/kubermatic/gather/gather-kubermatic.ts';
import { createDice } from '../support/dice.ts';
import { gatherFrom } from '../support/gather-installation.ts';
import { generateInstallation } from '../support/generated-installation.ts';
import { type ClusterObject, type InstallationObjects, startInstallation } from '../support/kubermatic-installation.ts';
import { sampled } from '../support/sampled.ts';

// The adversary holds the records of an installation and knows the names of its users, projects and keys.

const seed = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
const INSTALLATION = generateInstallation({ clusters: 12, users: 8 });

/** The record as JSON, always with the same time and random bytes. */
async function recordOf(objects: InstallationObjects, collect: readonly OptionalList[] = []): Promise<string> {
  const installation = await startInstallation(objects);
  try {
    const { record } = await gatherFrom(installation, { machineDeployments: true, country: true, collect });
    return toJsonString(RecordSchema, record);
  } finally {
    await installation.close();
  }
}

type Shuffle = <Item>(items: readonly Item[]) => Item[];

function createShuffle(number: number): Shuffle {
  const dice = createDice(number);
  return (items) =>
    items
      .map((item) => ({ item, key: dice() }))
      .toSorted((one, other) => one.key - other.key)
      .map(({ item }) => item);
}

/** Other people, projects and keys in the same numbers: every text is another one, and each cluster has another project. */
function withOthers(
  { users, projects, sshKeys, clusters, ...rest }: InstallationObjects,
  mark: string,
): InstallationObjects {
  const moved = (cluster: ClusterObject): ClusterObject => ({
    ...cluster,
    metadata: { ...cluster.metadata, labels: { 'project-id': `project-${mark}` } } as ClusterObject['metadata'],
  });
  const isAdmin = (user: object): boolean => (user as { spec: { admin: boolean } }).spec.admin;
  return {
    ...rest,
    users: users.map((user, index) => ({
      metadata: { name: `user-${mark}-${index}`, labels: { team: mark } },
      spec: { admin: isAdmin(user), email: `${mark}@example.com`, name: mark, settings: { selectedTheme: mark } },
    })),
    projects: projects.map((_, index) => ({ metadata: { name: `project-${mark}-${index}` }, spec: { name: mark } })),
    sshKeys: sshKeys.map((_, index) => ({
      metadata: { name: `key-${mark}-${index}`, ownerReferences: [{ kind: 'Project', name: `project-${mark}-0` }] },
      spec: { publicKey: mark, fingerprint: mark, clusters: [`cluster${index % 2}`] },
    })),
    clusters: Object.fromEntries(Object.entries(clusters).map(([name, list]) => [name, list.map(moved)])),
  };
}

test('by default a record is the same with other users, projects and keys in the same numbers', async () => {
  const record = await recordOf(INSTALLATION);
  await fc.assert(
    fc.asyncProperty(fc.stringMatching(/^[a-z0-9]{1,20}$/), async (mark) => {
      expect(await recordOf(withOthers(INSTALLATION, mark))).toBe(record);
    }),
    { numRuns: sampled(3, 8), seed, endOnFailure: true },
  );
});

test.each(OPTIONAL_LISTS)('with --collect %s it is another one', async (list) => {
  const others = withOthers(INSTALLATION, 'others');
  expect(await recordOf(INSTALLATION, [list])).not.toBe(await recordOf(others, [list]));
});

test('a record is the same in whatever order Kubernetes lists objects', async () => {
  const record = await recordOf(INSTALLATION, OPTIONAL_LISTS);
  const { users, projects, sshKeys, seeds, clusters, ...rest } = INSTALLATION;
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (number) => {
      const shuffle = createShuffle(number);
      const shuffled = {
        ...rest,
        users: shuffle(users),
        projects: shuffle(projects),
        sshKeys: shuffle(sshKeys),
        seeds: shuffle(seeds),
        clusters: Object.fromEntries(shuffle(Object.entries(clusters)).map(([name, list]) => [name, shuffle(list)])),
      };
      expect(await recordOf(shuffled, OPTIONAL_LISTS)).toBe(record);
    }),
    { numRuns: sampled(3, 8), seed, endOnFailure: true },
  );
});
