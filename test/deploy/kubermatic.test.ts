import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestCollector } from '../support/collector.ts';
import { HOME_SEED, generateInstallation } from '../support/generated-installation.ts';
import { type InstallationObjects, startInstallation } from '../support/kubermatic-installation.ts';
import { listPodProblems, listReferenceProblems } from '../support/manifest-rules.ts';
import { listSchemaProblems } from '../support/manifest-schemas.ts';
import {
  at,
  containersOf,
  findManifest,
  hasKubectl,
  listWorkloads,
  type Manifest,
  type PodSpec,
  renderKustomization,
} from '../support/manifests.ts';
import { openPod } from '../support/pod.ts';
import { createAuthorizer, describeGrant, describeRight, listGrants, rightFor } from '../support/rbac.ts';

const run = promisify(execFile);
const DEPLOY = fileURLToPath(new URL('../../deploy/kubermatic', import.meta.url));
const URL_OF_COLLECTOR = 'grpcs://collector.example.com:443';
const URL_FOR_HTTP = 'https://collector.example.com/api/kubermatic/v1';

let root: string;
/** A link, because kustomize resolves relative paths without links. */
let work: string;
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'spartakus-deploy-'));
  work = path.join(root, 'link');
  await mkdir(path.join(root, 'a/b'), { recursive: true });
  await symlink(path.join(root, 'a/b'), work);
});
afterAll(() => rm(root, { recursive: true }));

const configureFor = (url: string, name: string, ...components: string[]): Promise<unknown> =>
  run(path.join(DEPLOY, 'configure.sh'), [path.join(work, name), url, ...components]);
const configure = (name: string, ...components: string[]): Promise<unknown> =>
  configureFor(components.includes('http') ? URL_FOR_HTTP : URL_OF_COLLECTOR, name, ...components);

const build = (name: string): Promise<readonly Manifest[]> => renderKustomization(path.join(work, name));
const podOf = (manifests: readonly Manifest[]): PodSpec => listWorkloads(manifests)[0]?.pod ?? { containers: [] };
const secretOf = (manifests: readonly Manifest[], name: string, key: string): string =>
  Buffer.from(findManifest(manifests, 'Secret', name).data?.[key] ?? '', 'base64').toString();

test('configure.sh keeps the client uuid, the key and the minute when other arguments change', async () => {
  await configure('kept');
  const read = async () => [
    await readFile(path.join(work, 'kept/client-uuid'), 'utf8'),
    await readFile(path.join(work, 'kept/id-key'), 'utf8'),
    /value: (\d+ \d+ \* \* \*)/.exec(await readFile(path.join(work, 'kept/kustomization.yaml'), 'utf8'))?.[1],
  ];
  const first = await read();
  await configure('kept', 'spool', 'off');

  expect(first[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(first[1]).toMatch(/^[0-9a-f]{64}$/);
  expect((await stat(path.join(work, 'kept/id-key'))).mode & 0o777).toBe(0o600);
  expect(first[2]).toMatch(/^([0-9]|[1-5][0-9]) ([0-9]|1[0-9]|2[0-3]) /);
  await expect(read()).resolves.toStrictEqual(first);
});

test.runIf(hasKubectl)('configure.sh keeps the image', async () => {
  await configure('image');
  const values = path.join(work, 'image/values/kustomization.yaml');
  await writeFile(values, (await readFile(values, 'utf8')).replace('newName: spartakus', 'newName: example.com/image'));
  await configure('image', 'country');

  const { containers, initContainers = [] } = podOf(await build('image'));
  expect(new Set([...containers, ...initContainers].map(({ image }) => image))).toStrictEqual(
    new Set(['example.com/image:2.0.0']),
  );
});

test('configure.sh lists the components', async () => {
  await expect(configure('wrong', 'unknown')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('country http lists machine-deployments off spool') as string,
  });
  await expect(run(path.join(DEPLOY, 'configure.sh'), [])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('usage: configure.sh DIRECTORY URL') as string,
  });
});

test.each([
  ['collector.example.com:443', [], 'is not a URL of a collector'],
  ['', [], 'is not a URL of a collector'],
  ['grpcs://', [], 'is not a URL of a collector'],
  ['grpcs:///path', [], 'is not a URL of a collector'],
  ['ftp://collector.example.com', [], 'is not a URL of a collector'],
  ['grpcs://collector example.com', [], 'is not a URL of a collector'],
  ['grpcs://x"]\n  - name: y', [], 'is not a URL of a collector'],
  ['grpcs://collector.example.com:https', [], 'its port is not a number'],
  ['grpcs://user:hunter2@collector.example.com', [], 'must not contain a user name or password'],
  [URL_OF_COLLECTOR, ['http'], 'the component http sends over HTTP'],
  ['grpc://collector.example.com:8080', ['spool', 'http'], 'the component http sends over HTTP'],
  [URL_FOR_HTTP, [], 'add the component http'],
])('configure.sh rejects %j with the components %j, and writes nothing', async (url, components, problem) => {
  await expect(configureFor(url, 'rejected', ...components)).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining(problem) as string,
  });
  await expect(readFile(path.join(work, 'rejected/kustomization.yaml'))).rejects.toThrow('ENOENT');
});

test.each([
  ['grpc://127.0.0.1:8080', []],
  ['grpcs://[2001:db8::1]:443', []],
  ['GRPCS://collector.example.com', []],
  ['http://collector.example.com:8080/api/kubermatic/v1?a=b&c=%20', ['http']],
])('configure.sh accepts %j with the components %j', async (url, components) => {
  await configureFor(url, 'accepted', ...components);

  await expect(readFile(path.join(work, 'accepted/kustomization.yaml'), 'utf8')).resolves.toContain(`"url=${url}"`);
});

test.each(['kubeconfig', 'kubermatic/', 'a/b/c', 'kubermatic/x"]', 'kubermatic/a b', ''])(
  'configure.sh rejects the line %j of the file secrets',
  async (line) => {
    const name = `secrets-${Buffer.from(line).toString('hex')}`;
    await configure(name);
    await writeFile(path.join(work, name, 'secrets'), `kubermatic/first\n${line}\n`);

    await expect(configure(name)).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is not NAMESPACE/NAME of a Secret') as string,
    });
  },
);

describe.runIf(hasKubectl)('the manifests of kustomize', () => {
  test('agents run before the reporter, which has no service account token, and the client uuid is in a Secret', async () => {
    await configure('plain');
    const manifests = await build('plain');
    const pod = podOf(manifests);

    expect(pod.initContainers?.map(({ args }) => args)).toStrictEqual([
      ['agent', 'kubernetes'],
      ['agent', 'kubermatic'],
    ]);
    expect(pod.containers.map(({ args }) => args)).toStrictEqual([['reporter', 'grpc']]);
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(pod.containers[0]?.volumeMounts?.map(({ name }) => name)).toStrictEqual(['records']);
    expect(pod.volumes?.[0]).toHaveProperty('emptyDir');
    // The reporter keeps a begun report beside the record directory: on the same volume, and not a file in that directory.
    for (const { env, volumeMounts } of containersOf(pod)) {
      const recordDir = env?.find((variable) => variable.name === 'RECORD_DIR')?.value ?? '';
      expect(path.dirname(recordDir)).toBe(volumeMounts?.find(({ name }) => name === 'records')?.mountPath);
    }
    const read = (file: string): Promise<string> => readFile(path.join(work, 'plain', file), 'utf8');
    expect(secretOf(manifests, 'spartakus-client-uuid', 'uuid')).toBe(await read('client-uuid'));
    // The agents mount the key, so they need no right on its Secret.
    expect(secretOf(manifests, 'spartakus-kubermatic', 'id-key')).toBe(await read('id-key'));
    expect(pod.initContainers?.map(({ env }) => env?.[1]?.value)).toStrictEqual(
      Array.from({ length: 2 }, () => '/etc/spartakus/key/id-key'),
    );
    expect(findManifest(manifests, 'ConfigMap').data).toStrictEqual({ url: URL_OF_COLLECTOR });
    expect(new Set(manifests.flatMap(({ metadata: { namespace } }) => namespace ?? []))).toStrictEqual(
      new Set(['kubermatic']),
    );
  });

  test('a Job that has ended is removed, and its pod may connect to DNS, API servers and the collector alone', async () => {
    await configure('policies', 'machine-deployments');
    const manifests = await build('policies');

    expect(at(findManifest(manifests, 'CronJob').spec, 'jobTemplate', 'spec', 'ttlSecondsAfterFinished')).toBe(259_200);
    const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy').map(({ spec }) => spec);
    expect(policies.map((spec) => at(spec, 'ingress'))).toStrictEqual([undefined, undefined]);
    const ports = policies
      .flatMap((spec) => at(spec, 'egress') as readonly unknown[])
      .flatMap((rule) => at(rule, 'ports') as readonly unknown[]);
    expect(ports.map((port) => at(port, 'port'))).toStrictEqual([53, 53, 443, 6443, 30_000, 443]);
  });

  test('with all components and without any, they are valid', async () => {
    await Promise.all([
      configure('none'),
      configure('every', 'http', 'lists', 'country', 'machine-deployments', 'spool', 'off'),
    ]);
    for (const manifests of await Promise.all([build('none'), build('every')])) {
      expect(await listSchemaProblems(manifests)).toStrictEqual([]);
      expect(await listPodProblems(manifests)).toStrictEqual([]);
      expect(listReferenceProblems(manifests)).toStrictEqual([]);
    }
  });

  test('each component has its effect, and off suspends the CronJob', async () => {
    await configure('all', 'http', 'lists', 'country', 'machine-deployments', 'spool', 'off');
    const manifests = await build('all');
    const pod = podOf(manifests);

    expect(pod.containers[0]?.args).toStrictEqual(['reporter', 'http']);
    expect(pod.initContainers?.[1]?.args).toStrictEqual([
      'agent',
      'kubermatic',
      '--collect=users,projects,ssh-keys',
      '--country',
      '--machine-deployments',
    ]);
    expect(pod.volumes?.[0]).toMatchObject({
      persistentVolumeClaim: { claimName: findManifest(manifests, 'PersistentVolumeClaim').metadata.name },
    });
    expect(findManifest(manifests, 'CronJob').spec?.['suspend']).toBe(true);
  });

  test('the schedules of a fleet are spread over the day', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `fleet-${index}`);
    await Promise.all(names.map((name) => configure(name)));
    const schedules = await Promise.all(
      names.map(
        async (name) =>
          /value: (.* \* \* \*)/.exec(await readFile(path.join(work, name, 'kustomization.yaml'), 'utf8'))?.[1],
      ),
    );

    expect(new Set(schedules).size).toBeGreaterThan(15);
  });

  test.each([[[]], [['lists', 'country']]])(
    'agents and reporter run with %j, and have exactly the rights that they use, without any Secret of all namespaces',
    async (components) => {
      const objects = generateInstallation({ clusters: 6, users: 3 });
      const collector = await startTestCollector();
      const configureRights = (): Promise<unknown> =>
        configureFor(`grpc://127.0.0.1:${collector.port}`, 'rights', 'machine-deployments', ...components);
      await configureRights();
      await writeFile(path.join(work, 'rights/secrets'), secretsOf(objects).join('\n'));
      await configureRights();
      const manifests = await build('rights');
      const kubermatic = { name: 'spartakus-kubermatic', namespace: 'kubermatic' };
      const grants = listGrants(manifests, kubermatic);
      const authorize = createAuthorizer(manifests, kubermatic);
      const installation = await startInstallation(objects, { home: HOME_SEED, master: { authorize } });
      const pod = await openPod(manifests, { env: installation.master.env });
      try {
        for (const container of pod.containers) {
          const { code, stderr } = await container.start().ended;
          expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.not.stringContaining('403') as string });
        }
        const stored = [collector.reports.countDocuments(), collector.kubermaticRecords.countDocuments()];
        await expect(Promise.all(stored)).resolves.toStrictEqual([1, 1]);
        const used = installation.master.requests.map(({ method, target }) => describeRight(rightFor(method, target)));
        expect(new Set(used)).toStrictEqual(new Set(grants.flatMap(describeGrant)));
        const everywhere = grants.filter(({ namespace }) => namespace === undefined);
        expect(everywhere.filter(({ rule }) => rule.resources?.includes('secrets'))).toStrictEqual([]);
      } finally {
        await Promise.all([installation.close(), pod.close(), collector.close()]);
      }
    },
  );
});

/** The Secrets with kubeconfigs in the master cluster: those of the other seeds, and those of its own user clusters. */
function secretsOf({ seeds, clusters }: InstallationObjects): readonly string[] {
  const others = seeds
    .filter(({ metadata }) => metadata.name !== HOME_SEED)
    .map(({ metadata, spec: { kubeconfig } }) => `${kubeconfig.namespace ?? metadata.namespace}/${kubeconfig.name}`);
  return [...others, ...(clusters[HOME_SEED] ?? []).map(({ metadata }) => `cluster-${metadata.name}/admin-kubeconfig`)];
}
