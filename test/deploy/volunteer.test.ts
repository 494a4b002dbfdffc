import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadAll } from 'js-yaml';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import program from '../../package.json' with { type: 'json' };
import { explainCommand } from '../../src/cli/explain.ts';
import { startTestCollector } from '../support/collector.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { startKubeApi } from '../support/kube-api.ts';
import { listPodProblems, listReferenceProblems } from '../support/manifest-rules.ts';
import { listSchemaProblems } from '../support/manifest-schemas.ts';
import {
  at,
  findManifest,
  hasKubectl,
  listWorkloads,
  type Manifest,
  type PodSpec,
  renderKustomization,
} from '../support/manifests.ts';
import { openPod, podOf } from '../support/pod.ts';
import { createAuthorizer, describeGrant, describeRight, listGrants, rightFor } from '../support/rbac.ts';
import { runCommand } from '../support/run-command.ts';

const run = promisify(execFile);
const DEPLOY = fileURLToPath(new URL('../../deploy/volunteer', import.meta.url));
const URL_OF_COLLECTOR = 'grpcs://collector.example.com:8443';
const SECRET_PATH = '/api/v1/namespaces/spartakus/secrets/spartakus-volunteer';
const ACCOUNT = { name: 'spartakus-volunteer', namespace: 'spartakus' };

const closers: (() => unknown)[] = [];
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
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const configure = (name: string, url: string, ...components: string[]): Promise<unknown> =>
  run(path.join(DEPLOY, 'configure.sh'), [path.join(work, name), url, ...components]);
const valuesOf = (name: string): string => path.join(work, name, 'values/kustomization.yaml');

const render = (name: string): Promise<readonly Manifest[]> => renderKustomization(path.join(work, name));

interface Rendered {
  readonly applied: readonly Manifest[];
  readonly preview: readonly Manifest[];
}
const rendered = new Map<string, Promise<Rendered>>();

/** The manifests with components, rendered once. */
function renderWith(...components: string[]): Promise<Rendered> {
  const name = ['with', ...components].join('-');
  const make = async (): Promise<Rendered> => {
    await configure(name, URL_OF_COLLECTOR, ...components);
    const [applied, preview] = await Promise.all([render(name), render(`${name}/preview`)]);
    return { applied, preview };
  };
  const found = rendered.get(name) ?? make();
  rendered.set(name, found);
  return found;
}

const createSecret = (name: string, key: string, text: string): Manifest => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name },
  data: { [key]: Buffer.from(text).toString('base64') },
});
/** The Secrets that an administrator creates for the components no-secret and token. */
const OWN_SECRETS = [
  createSecret(ACCOUNT.name, 'id-key', 'a key of an administrator'),
  createSecret('spartakus-volunteer-token', 'token', 'first-token'),
];
const COMPONENTS = ['one-shot', 'workloads', 'no-secret', 'proxy', 'spool', 'token'];

describe('configure.sh', () => {
  test('keeps the values, and adds those of a new component', async () => {
    await configure('kept', URL_OF_COLLECTOR);
    const first = await readFile(valuesOf('kept'), 'utf8');
    await configure('kept', URL_OF_COLLECTOR, 'one-shot');
    const second = await readFile(valuesOf('kept'), 'utf8');
    await configure('kept', URL_OF_COLLECTOR, 'proxy');
    await configure('kept', URL_OF_COLLECTOR, 'proxy');
    const third = await readFile(valuesOf('kept'), 'utf8');

    expect(first).toMatch(/value: ([0-9]|[1-5][0-9]) ([0-9]|1[0-9]|2[0-3]) \* \* \*\n/);
    expect(second).toBe(first);
    expect(third.startsWith(first)).toBe(true);
    expect(third.match(/HTTPS_PROXY=/g)).toHaveLength(1);
    expect((await stat(valuesOf('kept'))).mode & 0o777).toBe(0o600);
  });

  test('the minutes of a fleet are spread over the day', async () => {
    const names = Array.from({ length: 8 }, (_, index) => `fleet-${index}`);
    await Promise.all(names.map((name) => configure(name, URL_OF_COLLECTOR)));
    const values = await Promise.all(names.map((name) => readFile(valuesOf(name), 'utf8')));

    expect(new Set(values.map((text) => /value: (.* \* \* \*)/.exec(text)?.[1])).size).toBeGreaterThan(5);
  });

  test.each([
    ['grpcs://collector.example.com', 443],
    ['grpc://collector.example.com', 8080],
    ['grpcs://[2001:db8::1]:8443', 8443],
    ['http://collector.example.com/api/v1', 80],
    ['https://collector.example.com:9443/api/v1?a=b', 9443],
  ])('of %s it allows port %i', async (url, port) => {
    const name = `port-${port}`;
    await configure(name, url);
    const values = await readFile(valuesOf(name), 'utf8');

    expect(values).toContain(`"SPARTAKUS_DATABASE=${url}"`);
    expect(values).toContain(`path: /spec/egress/0/ports/0/port\n        value: ${port}\n`);
  });

  test.each([
    ['collector.example.com:443', 'is not a URL of a collector'],
    ['stdout', 'is not a URL of a collector'],
    ['grpcs://', 'is not a URL of a collector'],
    ['grpcs://x"\n      - name: y', 'is not a URL of a collector'],
    ['grpcs://collector.example.com:https', 'its port is not a number'],
    ['https://user:hunter2@collector.example.com/api/v1', 'must not contain a user name or password'],
  ])('rejects %j, and writes nothing', async (url, problem) => {
    const failed = await configure('rejected', url).catch((error: unknown) => error);

    expect(failed).toMatchObject({ code: 2, stderr: expect.stringContaining(problem) as string });
    expect(failed).not.toMatchObject({ stderr: expect.stringContaining('hunter2') as string });
    await expect(readFile(valuesOf('rejected'))).rejects.toThrow('ENOENT');
  });

  test('rejects unknown components, and another collector than that of the values', async () => {
    await configure('changed', URL_OF_COLLECTOR);

    await expect(configure('unknown', URL_OF_COLLECTOR, 'preview')).rejects.toMatchObject({
      stderr: expect.stringContaining(`the components are: ${COMPONENTS.join(' ')}`) as string,
    });
    await expect(configure('changed', 'grpcs://other.example.com')).rejects.toMatchObject({
      stderr: expect.stringContaining('change SPARTAKUS_DATABASE') as string,
    });
  });
});

describe.runIf(hasKubectl)('the manifests', () => {
  test.each([[[]], [['one-shot', 'spool']], [['no-secret', 'proxy', 'token']], [COMPONENTS]])(
    'with %j are valid, and grant exactly what the volunteer explains',
    async (components) => {
      const { applied, preview } = await renderWith(...components);
      for (const manifests of [applied, preview]) {
        expect(await listSchemaProblems(manifests)).toStrictEqual([]);
        expect(await listPodProblems(manifests)).toStrictEqual([]);
        expect(listReferenceProblems(manifests)).toStrictEqual([]);
        const namespaces = manifests.map(({ kind, metadata }) =>
          /^(?:Cluster|Namespace)/.test(kind) ? '' : metadata.namespace,
        );
        expect(new Set(namespaces)).toStrictEqual(new Set(['', 'spartakus']));
        expect(podOf(manifests).containers[0]?.image).toBe(`spartakus:${program.version}`);
        expect(await explainRights(manifests)).toStrictEqual(rightsOf(manifests));
      }
    },
  );

  test('the pods of the Deployment, the CronJob and the preview differ only where they must', async () => {
    const [{ applied, preview }, oneShot] = await Promise.all([renderWith(), renderWith('one-shot', 'spool')]);
    const [expected, found, printed] = [applied, oneShot.applied, preview].map((manifests) =>
      partsOf(podOf(manifests)),
    );

    expect(found).toStrictEqual(expected);
    expect(printed).toStrictEqual({ ...expected, volumes: ['extensions'], env: ['SPARTAKUS_EXTENSIONS'] });
  });

  test('NetworkPolicies allow DNS, the API server and the port of the collector or of the proxy', async () => {
    const [direct, proxied] = await Promise.all([renderWith(), renderWith('no-secret', 'proxy', 'token')]);

    expect(portsOf(direct.applied)).toStrictEqual([53, 53, 443, 6443, 8443]);
    expect(portsOf(proxied.applied)).toStrictEqual([53, 53, 443, 6443, 3128]);
    expect(portsOf(proxied.preview)).toStrictEqual([53, 53, 443, 6443]);
  });

  test('the memory is that of the benchmark', async () => {
    const { requests, limits } = podOf((await renderWith()).applied).containers[0]?.resources ?? {};
    const benchmark = await readFile(new URL('../bench/cases/volunteer.ts', import.meta.url), 'utf8');
    const [small = 0, , large = 0] = [...benchmark.matchAll(/peakMiB: (\d+)/g)].map(([, text]) => Number(text));

    expect(requests).toStrictEqual({ cpu: '1m', memory: '100Mi' });
    // A command of kubectl exec runs beside the volunteer.
    expect(Number.parseInt(limits?.['memory'] ?? '', 10)).toBeGreaterThanOrEqual(large + small);
  });
});

describe.runIf(hasKubectl)('the three commands of an administrator', () => {
  test('see what would be sent, apply, and see that it was stored', async () => {
    const tokens = path.join(work, 'tokens');
    await writeFile(tokens, 'first-token\n');
    const collector = await startTestCollector({ ingestTokensFile: tokens });
    closers.push(() => collector.close());
    await configure('three', `grpc://127.0.0.1:${collector.port}`, 'token');
    const values = await readFile(valuesOf('three'), 'utf8');
    await writeFile(path.join(work, 'three/values/site.json'), '{"example.com/tier":"gold"}');
    await writeFile(
      valuesOf('three'),
      values
        .replace('- SPARTAKUS_CLUSTER_ID=auto', '$&\n      - SPARTAKUS_INITIAL_DELAY=0')
        .replace('files: []', 'files: [site.json]'),
    );
    const [preview, applied] = await Promise.all([render('three/preview'), render('three')]);
    const secrets = new Map<string, unknown>([
      [SECRET_PATH, { ...findManifest(applied, 'Secret', ACCOUNT.name), metadata: { resourceVersion: '1' } }],
    ]);
    // One after the other, because the API server authorizes with the manifests that are applied.
    let granted = createAuthorizer(preview, ACCOUNT);
    const api = await startKubeApi({
      namespace: ACCOUNT.namespace,
      secrets,
      authorize: (method, target) => granted(method, target),
    });
    closers.push(() => api.close());

    const [first = '', second = '', third = ''] = await readCommands();
    expect(first).toContain('kubectl apply -k my-volunteer/preview &&');
    expect(first).toContain(`kubectl logs -n spartakus job/${listWorkloads(preview)[0]?.manifest.metadata.name}`);
    const previewPod = await openPod(preview, { env: api.env });
    closers.push(() => previewPod.close());
    const seen = await previewPod.start().ended;
    expect(seen).toMatchObject({ code: 0 });
    const report = JSON.parse(seen.stdout) as { readonly nodes: readonly object[] };
    expect(Object.keys(report)).toEqual(expect.arrayContaining(['clusterID', 'masterVersion', 'nodes', 'extensions']));
    await expect(collector.reports.countDocuments()).resolves.toBe(0);
    expect(new Set(api.requests.map(({ method }) => method))).toStrictEqual(new Set(['GET']));

    expect(second).toMatch(/^kubectl apply -k my-volunteer$/m);
    granted = createAuthorizer(applied, ACCOUNT);
    const pod = await openPod(applied, { env: api.env, secrets: OWN_SECRETS });
    closers.push(() => pod.close());
    const volunteer = pod.start();
    closers.push(() => {
      volunteer.process.kill();
      return volunteer.ended;
    });
    await volunteer.says(/The report is stored/);
    const stored = await collector.reports.findOne();
    expect(stored).toMatchObject({ nodes: { length: report.nodes.length } });

    expect(third).toContain(
      `kubectl exec -n spartakus deploy/${findManifest(applied, 'Deployment').metadata.name} -- `,
    );
    const doctor = await pod.exec(...(/ -- spartakus (.*)$/m.exec(third)?.[1]?.split(' ') ?? []));
    expect(doctor.stdout).not.toMatch(/^FAIL/m);
    expect(doctor).toMatchObject({ code: 0, stderr: '' });
    expect(doctor.stdout).toContain('the Secret spartakus/spartakus-volunteer holds it');
    expect(doctor.stdout).toMatch(/^ok {4}reports: the collector accepts them with the token/m);
    expect(doctor.stdout).toMatch(/^ok {4}delivery: the last report was stored at 20.*; none waits$/m);

    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const) {
      const { path: page, port } = podOf(applied).containers[0]?.[probe]?.httpGet ?? {};
      expect((await fetch(`${pod.urlOf(String(port))}${page}`)).status).toBe(200);
    }
    // Nothing was denied, and every right was needed.
    expect(api.requests.filter(({ method, target }) => !granted(method, target))).toStrictEqual([]);
    expect(new Set(api.requests.map(({ method, target }) => describeRight(rightFor(method, target))))).toStrictEqual(
      new Set(listGrants(applied, ACCOUNT).flatMap(describeGrant)),
    );
  });

  test('with all components but token, which needs TLS, a CronJob sends one report through the proxy, and needs no right on Secrets', async () => {
    const collector = await startTestCollector();
    closers.push(() => collector.close());
    const proxy = await startConnectProxy(collector.port);
    closers.push(() => proxy.close());
    await configure('all', 'grpc://collector.example.com:8080', ...COMPONENTS.slice(0, -1));
    const values = await readFile(valuesOf('all'), 'utf8');
    await writeFile(valuesOf('all'), values.replace('http://proxy.example.com:3128', proxy.url));
    const manifests = await render('all');
    const authorize = createAuthorizer(manifests, ACCOUNT);
    const api = await startKubeApi({ namespace: ACCOUNT.namespace, authorize });
    closers.push(() => api.close());
    const pod = await openPod(manifests, { env: api.env, secrets: OWN_SECRETS });
    closers.push(() => pod.close());

    const ended = await pod.start().ended;

    expect(ended).toMatchObject({ code: 0 });
    expect(proxy.asked).toStrictEqual(['CONNECT collector.example.com:8080']);
    expect(await collector.reports.findOne()).toMatchObject({ workloads: expect.anything() as unknown });
    expect(api.requests.filter(({ method, target }) => !authorize(method, target))).toStrictEqual([]);
    expect(api.requests.filter(({ target }) => target.includes('secrets'))).toStrictEqual([]);
  });
});

/** The roles and Secrets of manifests, without their names. */
function rightsOf(manifests: readonly Manifest[]) {
  const kinds = ['ClusterRole', 'Role', 'Secret'];
  return manifests
    .filter(({ kind, metadata }) => kinds.includes(kind) && metadata.name === ACCOUNT.name)
    .map(({ kind, rules }) => ({ kind, rules }))
    .toSorted((left, right) => left.kind.localeCompare(right.kind));
}

/** The same, as the volunteer prints them in this pod. */
async function explainRights(manifests: readonly Manifest[]) {
  const pod = await openPod(manifests, { env: {}, secrets: OWN_SECRETS });
  try {
    const { code, stdout } = await runCommand(explainCommand, ['--format=yaml'], pod.env);
    expect(code).toBe(0);
    return rightsOf(loadAll(stdout) as Manifest[]);
  } finally {
    await pod.close();
  }
}

/** What the pods of all workloads have in common. */
function partsOf({ containers, volumes, restartPolicy: _policy, ...pod }: PodSpec) {
  const [container] = containers;
  const { image, securityContext, resources, env = [] } = container ?? {};
  const names = env.map(({ name }) => name).filter((name) => name !== 'SPARTAKUS_HEALTH_PORT');
  return { ...pod, volumes: volumes?.map(({ name }) => name), image, securityContext, resources, env: names };
}

/** The ports that the pod may connect to, of all NetworkPolicies. */
function portsOf(manifests: readonly Manifest[]): readonly unknown[] {
  const rules = manifests.flatMap(
    ({ kind, spec }) => (kind === 'NetworkPolicy' ? at(spec, 'egress') : []) as readonly unknown[],
  );
  return rules.flatMap((rule) => at(rule, 'ports') as readonly unknown[]).map((port) => at(port, 'port'));
}

/** The three commands of the README, without their numbers. */
async function readCommands(): Promise<readonly string[]> {
  const page = await readFile(path.join(DEPLOY, 'README.md'), 'utf8');
  return (/^```sh\n# 1\. ([^]*?)^```/m.exec(page)?.[1] ?? '').split(/^# \d\. /m);
}
