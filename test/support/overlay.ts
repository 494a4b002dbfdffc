import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Manifest, renderKustomization } from './manifests.ts';

export const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url));

/** What an administrator of the collector chooses. */
export const SETTINGS: Readonly<Record<string, string>> = {
  host: 'collector.example.com',
  'grpc-host': 'grpc.collector.example.com',
  issuer: 'letsencrypt',
  'gateway-class': 'envoy',
  'ingress-class': 'nginx',
  'proxy-namespace': 'proxies',
  'trusted-proxies': '10.244.0.0/16',
  'monitoring-namespace': 'monitoring',
};

/** Runs with a temporary folder for overlays. */
async function withOverlays<Value>(use: (directory: string) => Promise<Value>): Promise<Value> {
  const directory = await mkdtemp(path.join(tmpdir(), 'spartakus-overlay-'));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/**
 * Renders the base of the collector with components, in this order.
 *
 * @param settings of the ConfigMap spartakus-settings; without them, there is none
 */
export function renderCollector(
  components: readonly string[],
  settings: Readonly<Record<string, string>> | undefined = SETTINGS,
): Promise<readonly Manifest[]> {
  return withOverlays(async (directory) => {
    const overlay = path.join(directory, 'overlay');
    const relative = (...to: string[]): string => path.relative(overlay, path.join(DEPLOY, 'collector', ...to));
    const annotations = { 'config.kubernetes.io/local-config': 'true' };
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'spartakus-settings', annotations } };
    const kustomization = {
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      namespace: 'spartakus',
      resources: [relative('base'), 'settings.yaml'],
      components: components.map((name) => relative('components', name)),
    };
    await mkdir(overlay);
    // JSON is YAML too.
    await writeFile(path.join(overlay, 'settings.yaml'), JSON.stringify({ ...map, data: settings }));
    await writeFile(path.join(overlay, 'kustomization.yaml'), JSON.stringify(kustomization));
    return renderKustomization(overlay);
  });
}
