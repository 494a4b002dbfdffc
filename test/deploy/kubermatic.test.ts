import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadAll } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOME_SEED, generateInstallation } from '../support/generated-installation.ts';
import { openServiceAccount } from '../support/kube-api.ts';
import { startInstallation } from '../support/kubermatic-installation.ts';
import { runProgram } from '../support/program.ts';

const run = promisify(execFile);
const DEPLOY = fileURLToPath(new URL('../../deploy/kubermatic', import.meta.url));
const URL_OF_COLLECTOR = 'grpcs://collector.example.com:443';
const URL_FOR_HTTP = 'https://collector.example.com/api/kubermatic/v1';
const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0;

let work: string;
beforeAll(async () => {
  work = await mkdtemp(path.join(tmpdir(), 'spartakus-deploy-'));
});
afterAll(() => rm(work, { recursive: true }));

const configureFor = (url: string, name: string, ...components: string[]): Promise<unknown> =>
  run(path.join(DEPLOY, 'configure.sh'), [path.join(work, name), url, ...components]);
const configure = (name: string, ...components: string[]): Promise<unknown> =>
  configureFor(components.includes('http') ? URL_FOR_HTTP : URL_OF_COLLECTOR, name, ...components);

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules?: readonly Rule[];
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly schedule: string;
    readonly suspend?: boolean;
    readonly jobTemplate: { readonly spec: { readonly template: { readonly spec: PodSpec } } };
  };
}

interface PodSpec {
  readonly automountServiceAccountToken: boolean;
  readonly initContainers: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes: readonly Readonly<Record<string, unknown>>[];
}

interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

async function build(name: string): Promise<readonly Manifest[]> {
  const { stdout } = await run('kubectl', ['kustomize', path.join(work, name)]);
  return loadAll(stdout) as Manifest[];
}

const find = (manifests: readonly Manifest[], kind: string): Manifest => {
  const found = manifests.find((manifest) => manifest.kind === kind);
  if (found === undefined) throw new Error(`there is no ${kind}`);
  return found;
};
const findSecret = (manifests: readonly Manifest[], hasData: boolean): Manifest | undefined =>
  manifests.find(({ kind, data }) => kind === 'Secret' && (data !== undefined) === hasData);
const podOf = (manifests: readonly Manifest[]): PodSpec | undefined =>
  find(manifests, 'CronJob').spec?.jobTemplate.spec.template.spec;

test('configure.sh keeps the client uuid and the minute when other arguments change', async () => {
  await configure('kept');
  const read = async () => [
    await readFile(path.join(work, 'kept/client-uuid'), 'utf8'),
    /value: (\d+ \d+ \* \* \*)/.exec(await readFile(path.join(work, 'kept/kustomization.yaml'), 'utf8'))?.[1],
  ];
  const first = await read();
  await configure('kept', 'spool', 'off');

  expect(first[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(first[1]).toMatch(/^([0-9]|[1-5][0-9]) ([0-9]|1[0-9]|2[0-3]) /);
  await expect(read()).resolves.toStrictEqual(first);
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

describe.runIf(hasKubectl)('the manifests of kustomize', () => {
  test('agents run before the reporter, which has no service account token, and the client uuid is in a Secret', async () => {
    await configure('plain');
    const manifests = await build('plain');
    const pod = podOf(manifests);

    expect(pod?.initContainers.map(({ args }) => args)).toStrictEqual([
      ['agent', 'kubernetes'],
      ['agent', 'kubermatic'],
    ]);
    expect(pod?.containers.map(({ args }) => args)).toStrictEqual([['reporter', 'grpc']]);
    expect(pod?.automountServiceAccountToken).toBe(false);
    expect(pod?.containers[0]?.volumeMounts.map(({ name }) => name)).toStrictEqual(['records']);
    expect(pod?.volumes[0]).toHaveProperty('emptyDir');
    // The reporter keeps a begun report beside the record directory: on the same volume, and not a file in that directory.
    for (const { env, volumeMounts } of [...(pod?.initContainers ?? []), ...(pod?.containers ?? [])]) {
      const recordDir = env.find((variable) => variable.name === 'RECORD_DIR')?.value ?? '';
      expect(path.dirname(recordDir)).toBe(volumeMounts.find(({ name }) => name === 'records')?.mountPath);
    }
    const uuid = Buffer.from(findSecret(manifests, true)?.data?.['uuid'] ?? '', 'base64').toString();
    expect(uuid).toBe(await readFile(path.join(work, 'plain/client-uuid'), 'utf8'));
    // Without a namespace the agents would keep no key.
    expect(JSON.stringify(pod?.volumes)).toContain('"fieldRef":{"fieldPath":"metadata.namespace"},"path":"namespace"');
    expect(find(manifests, 'ConfigMap').data).toStrictEqual({ url: URL_OF_COLLECTOR });
    expect(new Set(manifests.flatMap(({ metadata: { namespace } }) => namespace ?? []))).toStrictEqual(
      new Set(['kubermatic']),
    );
  });

  test('each component has its effect, and off suspends the CronJob', async () => {
    await configure('all', 'http', 'lists', 'country', 'machine-deployments', 'spool', 'off');
    const manifests = await build('all');
    const pod = podOf(manifests);

    expect(pod?.containers[0]?.args).toStrictEqual(['reporter', 'http']);
    expect(pod?.initContainers[1]?.args).toStrictEqual([
      'agent',
      'kubermatic',
      '--collect=users,projects,ssh-keys',
      '--country',
      '--machine-deployments',
    ]);
    expect(pod?.volumes[0]).toMatchObject({
      persistentVolumeClaim: { claimName: find(manifests, 'PersistentVolumeClaim').metadata.name },
    });
    expect(find(manifests, 'CronJob').spec?.suspend).toBe(true);
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

  test.each([[[]], [['--collect=users,projects,ssh-keys', '--country']]])(
    'the roles grant exactly the rights that the agents use with %j',
    async (more) => {
      await configure('rights', 'machine-deployments');
      const manifests = await build('rights');
      const rulesOf = (kind: string): readonly Rule[] => find(manifests, kind).rules ?? [];
      const granted = [
        ...rulesOf('ClusterRole').flatMap(verbsOf),
        ...rulesOf('Role')
          .flatMap(verbsOf)
          .map((verb) => `${verb} in kubermatic`),
      ].toSorted();
      const secretPath = '/api/v1/namespaces/kubermatic/secrets/spartakus-kubermatic';
      const secrets = new Map<string, unknown>([[secretPath, findSecret(manifests, false)]]);
      const [installation, account] = await Promise.all([
        startInstallation(generateInstallation({ clusters: 6, users: 3 }), { home: HOME_SEED, master: { secrets } }),
        openServiceAccount(),
      ]);
      try {
        for (const args of [['kubernetes'], ['kubermatic', '--machine-deployments', ...more]]) {
          const { code, stderr } = await runProgram(['agent', ...args, `--service-account-dir=${account.dir}`], {
            ...installation.master.env,
            RECORD_DIR: path.join(work, 'records'),
          });
          expect({ code, stderr }).toMatchObject({ code: 0 });
        }
        const used = new Set(installation.master.requests.map(({ method, target }) => verbFor(method, target)));
        expect([...used].toSorted()).toStrictEqual(granted);
      } finally {
        await Promise.all([installation.close(), account.close()]);
      }
    },
  );
});

/** The rights of a rule, one text each. The names of the Secrets with the seeds' kubeconfigs are chosen by the installation, so they are ignored. */
function verbsOf({
  apiGroups = [''],
  resources = [],
  resourceNames = [],
  nonResourceURLs = [],
  verbs,
}: Rule): string[] {
  const names =
    resourceNames.length === 0
      ? ['']
      : resourceNames.map((name) => `/${name.startsWith('kubeconfig-') ? 'kubeconfig-*' : name}`);
  return verbs.flatMap((verb) => [
    ...nonResourceURLs.map((url) => `${verb} ${url}`),
    ...apiGroups.flatMap((group) =>
      resources.flatMap((resource) => names.map((name) => `${verb} ${group}/${resource}${name}`)),
    ),
  ]);
}

/** The right that a request needs, as the same text. */
function verbFor(method: string, target: string): string {
  const verbOf = (read: string): string => (method === 'PUT' ? 'update' : read);
  const { pathname } = new URL(target, 'https://x');
  const match = /^\/(?:api\/v1|apis\/([^/]+)\/[^/]+)\/(?:namespaces\/([^/]+)\/(?=[^/]+))?([^/]+)(?:\/([^/]+))?$/.exec(
    pathname,
  );
  if (match === null) return `get ${pathname}`;
  const [, group = '', namespace, resource = '', name] = match;
  if (namespace !== undefined && resource === 'namespaces') return `get ${group}/namespaces/${namespace}`;
  const where = namespace === 'kubermatic' ? ' in kubermatic' : '';
  if (name === undefined) return `${verbOf('list')} ${group}/${resource}${where}`;
  const isKubeconfig = resource === 'secrets' && name !== 'admin-kubeconfig' && name !== 'spartakus-kubermatic';
  return `${verbOf('get')} ${group}/${resource}/${isKubeconfig ? 'kubeconfig-*' : name}${where}`;
}
