import { toBinary, toJsonString } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Record as KubermaticRecord, RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { gatherKubermaticRecord, OPTIONAL_LISTS } from '../../src/kubermatic/gather/gather-kubermatic.ts';
import { createKubernetesClient } from '../../src/kubernetes/client.ts';
import { INSTANT_CLOCK, NOW } from '../support/gather-installation.ts';
import { startKubeApi } from '../support/kube-api.ts';
import { readSampleObjects, type SeedObject, startInstallation } from '../support/kubermatic-installation.ts';
import { createKeptLog } from '../support/log.ts';
import { sampled } from '../support/sampled.ts';

const seedOfRun = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
const SAMPLES = await readSampleObjects();

/** Forms of private values: a name, an address, key material, a token, a URL, an IP address, versions. Each contains a unique mark. */
const FORMS = [
  (mark: string) => `s3cret-${mark}`,
  (mark: string) => `jane.${mark}@example.com`,
  (mark: string) => `ssh-ed25519 AAAA${mark} jane`,
  (mark: string) => `${mark}0123456789abcdef`,
  (mark: string) => `https://${mark}.example.com:6443`,
  (mark: string) => `10.${mark}.0.7/16`,
  (mark: string) => `v2.25.0-${mark}`,
  (mark: string) => `1.31.4+rc.1.${mark}`,
  (mark: string) => `v1.31.${mark}`,
] as const;

/** The path of a string in an object, such as "spec.cloud.hetzner.token". */
type Place = readonly (string | number)[];

/** The paths of all strings in a value. */
function placesOf(value: unknown, place: Place = []): Place[] {
  if (typeof value === 'string') return [place];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    placesOf(member, [...place, Array.isArray(value) ? Number(key) : key]),
  );
}

/** A copy with another string at a path, which may be new. */
function plant(value: unknown, [first, ...rest]: Place, text: string): unknown {
  if (first === undefined) return text;
  if (Array.isArray(value))
    return value.map((member: unknown, index) => (index === first ? plant(member, rest, text) : member));
  const object = (value ?? {}) as Readonly<Record<string, unknown>>;
  return { ...object, [first]: plant(object[String(first)], rest, text) };
}

/** Fields of Kubermatic's objects that the samples do not have. */
const MORE_PLACES: readonly Place[] = [
  ['metadata', 'labels', 'owner'],
  ['metadata', 'annotations', 'note'],
  ['metadata', 'managedFields', 'manager'],
  ['metadata', 'generateName'],
  ['spec', 'humanReadableName'],
  ['spec', 'pauseReason'],
  ['spec', 'country'],
  ['spec', 'location'],
  ['spec', 'exposeStrategy'],
  ['spec', 'version'],
  ['spec', 'containerRuntime'],
  ['spec', 'cniPlugin', 'type'],
  ['spec', 'cniPlugin', 'version'],
  ['spec', 'clusterNetwork', 'ipFamily'],
  ['spec', 'cloud', 'providerName'],
  ['spec', 'cloud', 'openstack', 'password'],
  ['spec', 'template', 'spec', 'providerSpec', 'value', 'operatingSystem'],
  ['spec', 'template', 'spec', 'providerSpec', 'value', 'sshPublicKeys', 'key'],
  ['spec', 'template', 'spec', 'versions', 'kubelet'],
  ['status', 'kubermaticEdition'],
  ['status', 'kubermaticVersion'],
  ['status', 'errorMessage'],
  ['status', 'versions', 'kubermatic'],
  ['status', 'conditions', 'ClusterControllerReconciledSuccessfully', 'kubermaticVersion'],
  ['status', 'address', 'adminToken'],
];

/** Maps whose keys are free text, or are compared with a list. */
const MAPS: readonly Place[] = [
  ['metadata', 'labels'],
  ['metadata', 'annotations'],
  ['spec', 'cloud'],
  ['spec', 'datacenters'],
  ['spec', 'datacenters', 'acme-hetzner-fsn1', 'spec'],
  ['spec', 'features'],
  ['spec', 'template', 'spec', 'versions'],
  ['status', 'conditions'],
];

/** Names by which the fake API servers find objects: rename() changes these instead. */
const KEPT = /^(?:metadata\.name|metadata\.namespace|spec\.kubeconfig\..*|status\.namespaceName|kind|apiVersion)$/;

const marks = fc.uniqueArray(
  fc.integer({ min: 0x10000000, max: 0x7fffffff }).map((number) => number.toString(16)),
  { minLength: 40, maxLength: 80 },
);

/** Writes each mark into a random field, or as a key into a random map, of a random object. */
function plantAll<Item extends object>(
  objects: readonly Item[],
  drawn: readonly string[],
  dice: (below: number) => number,
): readonly Item[] {
  const planted: Item[] = [...objects];
  if (objects.length === 0) return planted;
  for (const [index, mark] of drawn.entries()) {
    const at = dice(objects.length);
    const text = (FORMS[index % FORMS.length] ?? FORMS[0])(mark);
    const keys = MAPS.map((place) => [...place, text]);
    const places = [...placesOf(planted[at]), ...MORE_PLACES, ...keys].filter((place) => !KEPT.test(place.join('.')));
    const place = places[dice(places.length)];
    if (place !== undefined) planted[at] = plant(planted[at], place, text) as Item;
  }
  return planted;
}

/** Renames seeds, datacenters, clusters, projects, users and keys to names with marks. */
function rename<Item extends object>(objects: readonly Item[], names: ReadonlyMap<string, string>): readonly Item[] {
  let text = JSON.stringify(objects);
  for (const [from, to] of names) text = text.replaceAll(JSON.stringify(from), JSON.stringify(to));
  return JSON.parse(text) as readonly Item[];
}

const encodingsOf = (record: KubermaticRecord): readonly string[] => [
  Buffer.from(toBinary(RecordSchema, record)).toString('latin1'),
  toJsonString(RecordSchema, record),
  toJsonString(RecordSchema, record, { useProtoFieldName: true }),
];

/** The ids of users, projects and SSH keys, and those that refer to them. */
const personalIdsOf = ({ users, projects, sshKeys, clusters }: KubermaticRecord): readonly string[] =>
  [
    ...[...users, ...projects, ...sshKeys].map(({ uuid }) => uuid),
    ...sshKeys.flatMap(({ ownerProjectUuid }) => ownerProjectUuid),
    ...clusters.map(({ projectUuid }) => projectUuid),
  ].filter((uuid) => uuid !== '');

test('no name, address, key, IP address or token in any text of any custom resource is in a record, and no id of a person by default', async () => {
  const NAMES = [
    'acme-eu-west',
    'acme-lab',
    'acme-us-east',
    'acme-hetzner-fsn1',
    'acme-vsphere-lab',
    'qxw7k2m9pz',
    't4xk9zq7wp',
    'key-6kx2mzq8vt',
    // The name of a user is the hash of an e-mail address.
    '5e5055f354d500672407a87595acf037c84afd60f8bca20e92c553ba3a0099cd',
    'serviceaccount-b6f9x4k8wn',
  ];
  await fc.assert(
    fc.asyncProperty(
      marks,
      fc.infiniteStream(fc.nat()),
      fc.constantFrom('hmac' as const, 'md5' as const),
      async (drawn, numbers, uuid) => {
        const dice = (below: number): number => (numbers.next().value ?? 0) % below;
        const names = new Map(
          NAMES.flatMap((name, index) =>
            ['', 'cluster-'].map((prefix) => [prefix + name, `${prefix}n-${drawn[index]}`] as const),
          ),
        );
        const renamed = (name: string): string => names.get(name) ?? name;
        const make = <Item extends object>(objects: readonly Item[]): readonly Item[] =>
          rename(plantAll(objects, drawn, dice), names);
        const objects = {
          configurations: make(SAMPLES.configurations),
          seeds: make<SeedObject>(SAMPLES.seeds),
          projects: make(SAMPLES.projects),
          users: make(SAMPLES.users),
          sshKeys: make(SAMPLES.sshKeys),
          clusters: Object.fromEntries(
            Object.entries(SAMPLES.clusters).map(([name, list]) => [renamed(name), make(list)]),
          ),
          machineDeployments: Object.fromEntries(
            Object.entries(SAMPLES.machineDeployments).map(([name, list]) => [renamed(name), make(list)]),
          ),
        };
        const log = createKeptLog();
        const installation = await startInstallation(objects);
        const credentials = {
          server: installation.master.url,
          headers: { authorization: 'Bearer test-token' },
          requestOptions: { rejectUnauthorized: false },
        };
        const kube = createKubernetesClient(() => Promise.resolve(credentials), { clock: INSTANT_CLOCK });
        try {
          const options = {
            kube,
            now: NOW,
            randomBytes: (length: number) => new Uint8Array(length),
            logger: log.logger,
            clock: INSTANT_CLOCK,
            signal: new AbortController().signal,
          };
          const byDefault = await gatherKubermaticRecord({ uuid, machineDeployments: false, country: false }, options);
          const record = await gatherKubermaticRecord(
            { uuid, machineDeployments: true, country: true, collect: OPTIONAL_LISTS },
            options,
          );

          expect(personalIdsOf(byDefault)).toStrictEqual([]);
          expect(personalIdsOf(record).length).toBeGreaterThan(9);
          const fewer = encodingsOf(byDefault);
          // MD5 does not separate kinds: a datacenter with the name of a project has the same id.
          expect(
            personalIdsOf(record).filter((id) => uuid === 'hmac' && fewer.some((text) => text.includes(id))),
          ).toStrictEqual([]);
          expect(byDefault).toMatchObject({ userCount: 3, projectCount: 3, sshKeyCount: 3 });
          expect(fewer.some((text) => text.includes('country'))).toBe(false);
          const encodings = [...encodingsOf(record), ...fewer];
          const fixed = [
            'must-not-leave',
            'example.com',
            'acme-',
            'AAAAFAKE',
            'token-',
            'user-cluster-token',
            installation.master.url,
            ...Object.values(installation.seeds).map(({ url }) => url),
          ];
          expect(
            [...drawn, ...names.values(), ...fixed].filter((secret) =>
              encodings.some((text) => text.toLowerCase().includes(secret.toLowerCase())),
            ),
          ).toStrictEqual([]);
          // All objects were read nevertheless.
          expect([
            record.seeds.length,
            record.clusters.length,
            record.users.length,
            record.projects.length,
            record.sshKeys.length,
          ]).toStrictEqual([3, 4, 3, 3, 3]);
          expect(record.machineDeployments).toHaveLength(7);
          // The log may name objects, but not the content of Secrets.
          const logged = JSON.stringify(log.lines);
          expect(
            ['token-', 'user-cluster-token', ...Object.values(installation.seeds).map(({ url }) => url)].filter(
              (secret) => logged.includes(secret),
            ),
          ).toStrictEqual([]);
        } finally {
          kube.close();
          await installation.close();
        }
      },
    ),
    { numRuns: sampled(6, 20), seed: seedOfRun, endOnFailure: true },
  );
});

test('the fake API server rejects a wrong token', async () => {
  const api = await startKubeApi({ token: 'right' });
  const credentials = {
    server: api.url,
    headers: { authorization: 'Bearer wrong' },
    requestOptions: { rejectUnauthorized: false },
  };
  const kube = createKubernetesClient(() => Promise.resolve(credentials), { clock: INSTANT_CLOCK });

  await expect(kube.get('/version', 'application/json')).resolves.toMatchObject({ status: 401 });
  kube.close();
  await api.close();
});
