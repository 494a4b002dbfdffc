import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { openCollectorPod } from '../support/collector-pod.ts';
import { startKubeApi } from '../support/kube-api.ts';
import { getAsKubelet, probeContainer } from '../support/kubelet.ts';
import { findManifest, hasKubectl, listWorkloads, nameOf, renderKustomization } from '../support/manifests.ts';
import { DEPLOY, renderCollector } from '../support/overlay.ts';
import { openPod } from '../support/pod.ts';
import { createAuthorizer } from '../support/rbac.ts';

const ACCOUNT = { name: 'spartakus-volunteer', namespace: 'spartakus' };
const fixture = (name: string): string => readFileSync(path.join(import.meta.dirname, '../fixtures/tls', name), 'utf8');
/** What the Secrets and volumes of the manifests have, by its path in the container. */
const FILES = {
  'etc/spartakus/tls/tls.crt': fixture('server.crt'),
  'etc/spartakus/tls/tls.key': fixture('server.key'),
  'etc/spartakus/console/token': 'token-of-prometheus',
  'etc/spartakus/tokens/tokens': 'token-of-a-client',
  'var/lib/spartakus/lost+found/.keep': '',
};

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

describe.runIf(hasKubectl)('pods that are started with the rendered manifests', () => {
  test('a collector with all components answers its probes and Prometheus over TLS', async () => {
    const components = ['embedded', 'certificate', 'load-balancer', 'monitoring', 'tokens', 'tls'];
    const { container, portOf, close } = await openCollectorPod(await renderCollector(components), FILES);
    closers.push(close);
    const metrics = `https://127.0.0.1:${portOf('console')}/metrics`;

    await expect(probeContainer(container, portOf)).resolves.toStrictEqual([200, 200, 200]);
    await expect(getAsKubelet(metrics)).resolves.toBe(401);
    await expect(getAsKubelet(metrics, { authorization: 'Bearer token-of-prometheus' })).resolves.toBe(200);
    await expect(close()).resolves.toMatchObject({ code: 0 });
  });

  test('the volunteer of quickstart reports to its collector, and the doctor says so', async () => {
    const manifests = await renderKustomization(path.join(DEPLOY, 'overlays/quickstart'));
    const others = listWorkloads(manifests)
      .map(({ manifest }) => nameOf(manifest))
      .filter((name) => name !== 'Deployment spartakus-volunteer');
    const volunteer = manifests.filter((manifest) => !others.includes(nameOf(manifest)));
    const { container, portOf, close } = await openCollectorPod(manifests, FILES);
    closers.push(close);
    // The empty Secret that the manifests have, as an API server keeps it.
    const secret = { ...findManifest(manifests, 'Secret', ACCOUNT.name), metadata: { resourceVersion: '1' } };
    const api = await startKubeApi({
      namespace: ACCOUNT.namespace,
      authorize: createAuthorizer(manifests, ACCOUNT),
      secrets: new Map([[`/api/v1/namespaces/${ACCOUNT.namespace}/secrets/${ACCOUNT.name}`, secret]]),
    });
    closers.push(() => api.close());
    const database = `grpc://127.0.0.1:${portOf('reports')}`;
    const pod = await openPod(volunteer, { env: { ...api.env, SPARTAKUS_DATABASE: database } });
    closers.push(() => pod.close());
    const program = pod.start();
    closers.push(() => {
      program.process.kill();
      return program.ended;
    });

    await expect(probeContainer(container, portOf)).resolves.toStrictEqual([200, 200, 'SERVING']);
    await program.says(/The report is stored/);
    const doctor = await pod.exec('volunteer', 'doctor');
    expect(doctor.stdout).not.toMatch(/^(?:FAIL|warn)/m);
    expect(doctor.code).toBe(0);
    // Through `kubectl port-forward`, the console has a name of this machine.
    const page = `http://127.0.0.1:${portOf('console')}/stats.json`;
    await vi.waitFor(async () => expect((await fetch(page)).status).toBe(200), { timeout: 20_000 });
    await expect(getAsKubelet(page)).resolves.toBe(403);
  });
});
