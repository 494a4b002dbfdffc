import path from 'node:path';
import { expect, test, vi } from 'vitest';
import { withCollectorPod } from '../support/collector-pod.ts';
import { startKubeApi } from '../support/kube-api.ts';
import { hasKubectl, listWorkloads, type Manifest, nameOf, renderKustomization } from '../support/manifests.ts';
import { DEPLOY } from '../support/overlay.ts';
import { openPod } from '../support/pod.ts';
import { createAuthorizer } from '../support/rbac.ts';

const ACCOUNT = { name: 'spartakus-volunteer', namespace: 'spartakus' };

test.runIf(hasKubectl)('the volunteer of quickstart reports to its collector, and the doctor says so', async () => {
  const manifests = await renderKustomization(path.join(DEPLOY, 'overlays/quickstart'));
  const others = listWorkloads(manifests)
    .map(({ manifest }) => nameOf(manifest))
    .filter((name) => name !== 'Deployment spartakus-volunteer');
  const volunteer = manifests.filter((manifest: Manifest) => !others.includes(nameOf(manifest)));
  const authorize = createAuthorizer(manifests, ACCOUNT);

  await withCollectorPod(manifests, { 'var/lib/spartakus/lost+found/.keep': '' }, async ({ portOf }) => {
    const api = await startKubeApi({ namespace: ACCOUNT.namespace, authorize });
    const database = `grpc://127.0.0.1:${portOf('reports')}`;
    const pod = await openPod(volunteer, { env: { ...api.env, SPARTAKUS_DATABASE: database } });
    const program = pod.start();
    try {
      await program.says(/The report is stored/);
      const doctor = await pod.exec('volunteer', 'doctor');
      expect(doctor.stdout).not.toMatch(/^FAIL/m);
      expect(doctor.code).toBe(0);
      const page = `http://127.0.0.1:${portOf('console')}/stats.json`;
      await vi.waitFor(async () => expect((await fetch(page)).status).toBe(200));
    } finally {
      program.process.kill();
      await program.ended;
      await pod.close();
      await api.close();
    }
  });
});
