import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { databaseName } from '../../src/collector/store/mongo-client.ts';
import { listPodProblems, listReferenceProblems, readStart } from '../support/manifest-rules.ts';
import { listSchemaProblems } from '../support/manifest-schemas.ts';
import {
  at,
  findManifest,
  hasKubectl,
  listWorkloads,
  type Manifest,
  nameOf,
  renderKustomization,
} from '../support/manifests.ts';
import { listNetworkProblems, permitsConnection, workloadNamed } from '../support/network.ts';
import { DEPLOY, SETTINGS } from '../support/overlay.ts';

const run = promisify(execFile);
const CONFIGURE = path.join(DEPLOY, 'overlays/production/configure.sh');
const KEYS = {
  gateway: ['gateway-class', 'grpc-host', 'proxy-namespace', 'trusted-proxies'],
  ingress: ['ingress-class', 'proxy-namespace', 'trusted-proxies'],
  'load-balancer': [],
};
type Entry = keyof typeof KEYS;
const DOCUMENT = path.join(DEPLOY, '../docs/deploy.md');

const labelsOf = (component: string) => ({
  labels: { 'app.kubernetes.io/name': 'spartakus', 'app.kubernetes.io/component': component },
});

let work: string;
beforeAll(async () => {
  work = await mkdtemp(path.join(tmpdir(), 'spartakus-overlays-'));
});
afterAll(() => rm(work, { recursive: true }));

const settingsFor = (entry: Entry, changes: Readonly<Record<string, string>> = {}): string[] => {
  const settings = { ...SETTINGS, ...changes };
  return ['host', 'issuer', 'monitoring-namespace', ...KEYS[entry], ...Object.keys(changes)].map(
    (key) => `${key}=${settings[key]}`,
  );
};

const configure = (name: string, ...args: string[]): Promise<unknown> =>
  run(CONFIGURE, [path.join(work, name), ...args]);

const secretsOf = (manifests: readonly Manifest[]): ReadonlyMap<string, string> =>
  new Map(
    manifests
      .filter(({ kind }) => kind === 'Secret')
      .flatMap(({ metadata, data = {} }) =>
        Object.entries(data).map(([key, value]) => [
          `${metadata.name} ${key}`,
          Buffer.from(value, 'base64').toString(),
        ]),
      ),
  );

/** The Secrets and keys that pods need. */
const neededBy = (manifests: readonly Manifest[]): ReadonlySet<string> =>
  new Set(
    listWorkloads(manifests).flatMap(({ pod }) => [
      ...[...(pod.initContainers ?? []), ...pod.containers].flatMap(({ env = [] }) =>
        env.flatMap(({ valueFrom }) => {
          const reference = valueFrom?.secretKeyRef;
          return reference === undefined ? [] : [`${reference.name} ${reference.key}`];
        }),
      ),
      ...(pod.volumes ?? []).flatMap((volume) =>
        ((at(volume, 'secret', 'items') ?? []) as readonly { readonly key: string }[]).map(
          ({ key }) => `${String(at(volume, 'secret', 'secretName'))} ${key}`,
        ),
      ),
    ]),
  );

async function findProblems(manifests: readonly Manifest[]): Promise<readonly string[]> {
  return [
    ...(await listSchemaProblems(manifests)),
    ...(await listPodProblems(manifests)),
    ...listReferenceProblems(manifests),
    ...listNetworkProblems(manifests),
    ...manifests
      .filter(({ kind, metadata }) => metadata.namespace === undefined && !/^Namespace$|^ClusterRole/.test(kind))
      .map(({ kind }) => `${kind} has no namespace`),
    ...manifests
      .filter(({ kind }) => kind !== 'Namespace' && kind !== 'Secret')
      .filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/name'] !== 'spartakus')
      .map((manifest) => `${nameOf(manifest)} has no label of the program`),
  ];
}

describe.runIf(hasKubectl)('the overlay quickstart', () => {
  let manifests: readonly Manifest[];
  beforeAll(async () => (manifests = await renderKustomization(path.join(DEPLOY, 'overlays/quickstart'))));

  test('follows the schemas and rules, in a namespace with Pod Security', async () => {
    await expect(findProblems(manifests)).resolves.toStrictEqual([]);
    expect(findManifest(manifests, 'Namespace').metadata.labels).toMatchObject({
      'pod-security.kubernetes.io/enforce': 'restricted',
    });
  });

  test('reports to its own collector, which the networks permit', async () => {
    const [container] = workloadNamed(manifests, 'spartakus-volunteer').pod.containers;
    const { texts } = await readStart(container as NonNullable<typeof container>, manifests);
    const url = new URL(texts.get('database') ?? '');
    const service = findManifest(manifests, 'Service', url.hostname);

    expect(url.protocol).toBe('grpc:');
    expect(at(service.spec, 'ports', '0', 'port')).toBe(Number(url.port));
    expect(permitsConnection(manifests, labelsOf('volunteer'), labelsOf('collector'), 8080)).toBe(true);
    expect(permitsConnection(manifests, labelsOf('volunteer'), labelsOf('collector'), 8081)).toBe(false);
  });

  test('needs no Secret that is not in it', () => {
    const names = manifests.filter(({ kind }) => kind === 'Secret').map(({ metadata }) => metadata.name);
    const missing = [...neededBy(manifests)].filter((each) => !names.includes(each.split(' ')[0] ?? ''));

    expect(missing).toStrictEqual([]);
  });
});

describe.runIf(hasKubectl)('the overlay production', () => {
  test('is not rendered without settings', async () => {
    await expect(renderKustomization(path.join(DEPLOY, 'overlays/production'))).rejects.toThrow(/spartakus-settings/);
  });

  test.each(Object.keys(KEYS) as Entry[])('with %s follows the schemas and rules', async (entry) => {
    await configure(entry, entry, ...settingsFor(entry, { image: 'registry.example.com:5000/a/spartakus:2.0.1' }));
    const manifests = await renderKustomization(path.join(work, entry));
    const secrets = secretsOf(manifests);
    const maps = manifests.filter(({ kind }) => kind === 'ConfigMap');
    const images = listWorkloads(manifests).flatMap(({ pod }) =>
      [...(pod.initContainers ?? []), ...pod.containers].map(({ image }) => image),
    );

    await expect(findProblems(manifests)).resolves.toStrictEqual([]);
    expect([...neededBy(manifests)].filter((each) => !secrets.has(each))).toStrictEqual([]);
    expect([...secrets.values()].filter((value) => JSON.stringify(maps).includes(value))).toStrictEqual([]);
    expect(maps.map(({ metadata }) => metadata.name)).not.toContain('spartakus-settings');
    expect(new Set(images)).toStrictEqual(new Set(['mongo:8.0', 'registry.example.com:5000/a/spartakus:2.0.1']));
    expect(JSON.stringify(manifests)).not.toMatch(/"([A-Z]+-)*(HOST|CLASS|NAMESPACE|ISSUER)"/);
    expect(permitsConnection(manifests, labelsOf('collector'), labelsOf('mongodb'), 27017)).toBe(true);
    expect(permitsConnection(manifests, labelsOf('collector'), { namespace: 'elsewhere' }, 27017)).toBe(false);
  });

  test('connects collectors to the members that exist, as users whom the Job creates', async () => {
    await configure('uris', 'load-balancer', ...settingsFor('load-balancer'));
    const manifests = await renderKustomization(path.join(work, 'uris'));
    const secrets = secretsOf(manifests);
    const [statefulSet, script] = [
      findManifest(manifests, 'StatefulSet'),
      findManifest(manifests, 'ConfigMap', 'spartakus-mongodb-init'),
    ];
    const hosts = [0, 1, 2].map(
      (index) => `spartakus-mongodb-${index}.${String(at(statefulSet.spec, 'serviceName'))}.spartakus.svc:27017`,
    );

    for (const [user, key] of [
      ['collector', 'uri'],
      ['init', 'init-uri'],
    ]) {
      const uri = secrets.get(`spartakus-collector-database ${key}`) ?? '';
      const password = secrets.get(`spartakus-mongodb-users ${user}`) ?? '';
      expect(password).toMatch(/^[0-9a-f]{48}$/);
      expect(uri).toBe(
        `mongodb://${user}:${password}@${hosts.join(',')}/spartakus?replicaSet=spartakus&authSource=admin`,
      );
      expect(databaseName(uri)).toBe('spartakus');
      expect(script.data?.['init.js']).toContain(`user: '${user}'`);
    }
    expect(JSON.stringify(at(statefulSet.spec, 'template'))).toContain('--replSet=spartakus');
    // MongoDB accepts 6 to 1024 characters of base64.
    expect(secrets.get('spartakus-mongodb-keyfile keyfile')).toMatch(/^[0-9a-f]{768}$/);
    expect(new Set(secrets.values()).size).toBe(secrets.size);
  });

  test('is written by the command of docs/deploy.md', async () => {
    const page = await readFile(DOCUMENT, 'utf8');
    const command = /configure\.sh my-spartakus ((?:[^\\\n]|\\\n)+)\n/.exec(page)?.[1] ?? '';
    await configure('documented', ...command.replaceAll('\\\n', ' ').split(/ +/));

    await expect(renderKustomization(path.join(work, 'documented')).then(findProblems)).resolves.toStrictEqual([]);
  });

  test('uses changes of the site last', async () => {
    const overlay = path.join(work, 'changed');
    const tokens = path.relative(path.join(overlay, 'site'), path.join(DEPLOY, 'collector/components/tokens'));
    const site = { apiVersion: 'kustomize.config.k8s.io/v1alpha1', kind: 'Component', components: [tokens] };
    await mkdir(path.join(overlay, 'site'), { recursive: true });
    await writeFile(path.join(overlay, 'site/kustomization.yaml'), JSON.stringify(site));
    await configure('changed', 'load-balancer', ...settingsFor('load-balancer'));
    const manifests = await renderKustomization(overlay);

    await expect(findProblems(manifests)).resolves.toStrictEqual([]);
    expect(JSON.stringify(manifests)).toContain('/etc/spartakus/tokens/tokens');
  });

  test('keeps its Secrets when it is configured again, and keeps them from others', async () => {
    await configure('again', 'ingress', ...settingsFor('ingress'));
    const read = async () => secretsOf(await renderKustomization(path.join(work, 'again')));
    const before = await read();
    await configure('again', 'load-balancer', ...settingsFor('load-balancer', { host: 'other.example.com' }));

    expect(await read()).toStrictEqual(before);
    const directory = path.join(work, 'again/secrets');
    const files = await readdir(directory);
    const modes = await Promise.all(files.map(async (file) => (await stat(path.join(directory, file))).mode & 0o777));
    expect(files).toHaveLength(7);
    expect(new Set(modes)).toStrictEqual(new Set([0o600]));
    await expect(readFile(path.join(work, 'again/.gitignore'), 'utf8')).resolves.toBe('secrets/\n');
  });

  test.each<readonly [string, readonly string[], string]>([
    ['an unknown entry', ['mesh', 'host=a.example.com'], "'mesh' is not an entry"],
    ['a missing setting', ['load-balancer', 'host=a.example.com', 'issuer=a'], 'monitoring-namespace is missing'],
    ['an unknown setting', ['load-balancer', ...settingsFor('load-balancer'), 'hots=a'], "'hots=a' is not a setting"],
    ['a host without a domain', ['load-balancer', ...settingsFor('load-balancer', { host: 'a' })], 'use the full name'],
    ['a URL as host', ['load-balancer', ...settingsFor('load-balancer', { host: 'https://a.b' })], 'is not a name'],
    [
      'every client as proxy',
      ['ingress', ...settingsFor('ingress', { 'trusted-proxies': '10.0.0.0/8,0.0.0.0/0' })],
      'would trust every client',
    ],
    ['half a network', ['ingress', ...settingsFor('ingress', { 'trusted-proxies': '10.0/8' })], '10.0/8 is not'],
    ['no settings', [], 'usage: configure.sh DIRECTORY ENTRY KEY=VALUE'],
    ['YAML as networks', ['ingress', ...settingsFor('ingress', { 'trusted-proxies': "a'\nb" })], 'use addresses'],
    [
      'one name for gRPC and JSON',
      ['gateway', ...settingsFor('gateway', { 'grpc-host': 'collector.example.com' })],
      'must be another name',
    ],
    [
      'an image without version',
      ['load-balancer', ...settingsFor('load-balancer', { image: 'a:5000/b' })],
      'neither a tag',
    ],
  ])('rejects %s, and writes nothing', async (_, args, message) => {
    await expect(configure('rejected', ...args)).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining(message) as string,
    });
    await expect(stat(path.join(work, 'rejected'))).rejects.toThrow('ENOENT');
  });
});

describe.runIf(hasKubectl)('a combination of docs/deploy.md', () => {
  test('is rendered and follows the rules', async () => {
    const page = await readFile(DOCUMENT, 'utf8');
    const kustomization = /# my-collector\/kustomization\.yaml\n([^]+?)```/.exec(page)?.[1] ?? '';
    const directory = path.join(work, 'combined');
    await configure('combined', 'gateway', ...settingsFor('gateway'));
    await writeFile(
      path.join(directory, 'kustomization.yaml'),
      kustomization.replaceAll('../deploy', path.relative(directory, DEPLOY)),
    );
    const manifests = await renderKustomization(directory);

    await expect(findProblems(manifests)).resolves.toStrictEqual([]);
    expect(new Set(manifests.map(({ kind }) => kind))).toContain('GRPCRoute');
  });
});
