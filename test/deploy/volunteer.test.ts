import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadAll } from 'js-yaml';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { explainCommand } from '../../src/cli/explain.ts';
import { startTestCollector } from '../support/collector.ts';
import { startKubeApi } from '../support/kube-api.ts';
import { type Manifest, openPod, podOf } from '../support/pod.ts';
import { createAuthorizer } from '../support/rbac.ts';
import { runCommand } from '../support/run-command.ts';

const run = promisify(execFile);
const DEPLOY = fileURLToPath(new URL('../../deploy/volunteer', import.meta.url));
const URL_OF_COLLECTOR = 'grpcs://collector.example.com:8443';
const SECRET_PATH = '/api/v1/namespaces/spartakus/secrets/spartakus-volunteer';
const ACCOUNT = { name: 'spartakus-volunteer', namespace: 'spartakus' };
const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0;

const closers: (() => unknown)[] = [];
let work: string;
beforeAll(async () => {
  work = await mkdtemp(path.join(tmpdir(), 'spartakus-deploy-'));
});
afterAll(() => rm(work, { recursive: true }));
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const configure = (name: string, url: string, ...components: string[]): Promise<unknown> =>
  run(path.join(DEPLOY, 'configure.sh'), [path.join(work, name), url, ...components]);
const valuesOf = (name: string): string => path.join(work, name, 'values/kustomization.yaml');

async function render(name: string): Promise<readonly Manifest[]> {
  const { stdout } = await run('kubectl', ['kustomize', path.join(work, name)]);
  return loadAll(stdout) as Manifest[];
}

async function renderWith(...components: string[]): Promise<readonly Manifest[]> {
  const name = ['with', ...components].join('-');
  await configure(name, URL_OF_COLLECTOR, ...components);
  return render(name);
}

const find = (manifests: readonly Manifest[], kind: string, name = ACCOUNT.name): Manifest => {
  const found = manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
  return found;
};

describe.runIf(hasKubectl)('the three commands of an administrator', () => {
  test('see what would be sent, apply, and see that it was stored', async () => {
    const collector = await startTestCollector();
    closers.push(() => collector.close());
    await configure('three', `grpc://127.0.0.1:${collector.port}`);
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
      [SECRET_PATH, { ...find(applied, 'Secret'), metadata: { resourceVersion: '1' } }],
    ]);
    // One after the other, because the API server authorizes with the manifests that are applied.
    let granted = createAuthorizer(preview, ACCOUNT);
    const api = await startKubeApi({
      namespace: ACCOUNT.namespace,
      secrets,
      authorize: (method, target) => granted(method, target),
    });
    closers.push(() => api.close());

    // kubectl apply -k three/preview && kubectl logs job/spartakus-volunteer-preview
    const previewPod = await openPod(preview, api);
    closers.push(() => previewPod.close());
    const seen = await previewPod.start().ended;
    expect(seen).toMatchObject({ code: 0 });
    const report = JSON.parse(seen.stdout) as { readonly nodes: readonly object[] };
    expect(Object.keys(report)).toEqual(expect.arrayContaining(['clusterID', 'masterVersion', 'nodes', 'extensions']));
    await expect(collector.reports.countDocuments()).resolves.toBe(0);
    expect(new Set(api.requests.map(({ method }) => method))).toStrictEqual(new Set(['GET']));

    // kubectl apply -k three
    granted = createAuthorizer(applied, ACCOUNT);
    const pod = await openPod(applied, api);
    closers.push(() => pod.close());
    const volunteer = pod.start();
    closers.push(() => {
      volunteer.process.kill();
      return volunteer.ended;
    });
    await volunteer.says(/The report is stored/);
    const stored = await collector.reports.findOne();
    expect(stored).toMatchObject({ nodes: { length: report.nodes.length } });

    // kubectl exec deploy/spartakus-volunteer -- spartakus volunteer doctor
    const doctor = await pod.exec('volunteer', 'doctor');
    expect(doctor.stdout).not.toMatch(/^FAIL/m);
    expect(doctor).toMatchObject({ code: 0, stderr: '' });
    expect(doctor.stdout).toContain('the Secret spartakus/spartakus-volunteer holds it');

    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
      const { httpGet } = podOf(applied).containers[0]?.[probe] as { httpGet: { path: string; port: string } };
      expect((await fetch(pod.urlOf(httpGet.port) + httpGet.path)).status).toBe(200);
    }
    // The identifiers are those of the report that was sent.
    const again = await pod.exec('volunteer', '--dry-run');
    expect(JSON.parse(again.stdout)).toMatchObject({ clusterID: stored?.['clusterID'] });
  });
});
