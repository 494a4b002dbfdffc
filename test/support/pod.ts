import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readFixture } from './kube-api.ts';
import { listen } from './listen.ts';
import { at, findManifest, listWorkloads, type Manifest, type PodSpec } from './manifests.ts';
import { type Ended, type Program, runProgram, startProgram } from './program.ts';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The one container of a rendered pod, with its paths in a temporary folder and its ports on free ones. */
export interface Pod {
  readonly env: Readonly<Record<string, string>>;
  /** Starts the container with its arguments. */
  start(): Program;
  /** Runs another command in the container, as `kubectl exec` does: with its variables, without its arguments. */
  exec(...args: string[]): Promise<Ended>;
  /** The URL of a port, by its name. */
  urlOf(portName: string): string;
  close(): Promise<void>;
}

/** The pod of the only Deployment, CronJob or Job. */
export function podOf(manifests: readonly Manifest[]): PodSpec {
  const [workload, ...others] = listWorkloads(manifests);
  if (workload === undefined || others.length > 0) throw new Error('there is not one workload');
  return workload.pod;
}

/** @param cluster variables of the API server's address, and the Secrets that are not in the manifests */
export async function openPod(
  manifests: readonly Manifest[],
  cluster: { readonly env: Readonly<Record<string, string>>; readonly secrets?: readonly Manifest[] },
): Promise<Pod> {
  const spec = podOf(manifests);
  const [container] = spec.containers;
  if (container === undefined) throw new Error('the pod has no container');
  const root = await mkdtemp(path.join(tmpdir(), 'spartakus-pod-'));
  const dataOf = (kind: string, name: unknown): Readonly<Record<string, string>> => {
    const { data = {} } = findManifest([...manifests, ...(cluster.secrets ?? [])], kind, String(name));
    if (kind === 'ConfigMap') return data;
    return Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
    );
  };

  const mapped: [from: string, to: string][] = [];
  for (const { name, mountPath } of container.volumeMounts ?? []) {
    const volume = spec.volumes?.find((candidate) => candidate.name === name);
    const [configMap, secret] = [at(volume, 'configMap', 'name'), at(volume, 'secret', 'secretName')];
    const folder = path.join(root, mountPath);
    await mkdir(folder, { recursive: true });
    if (configMap !== undefined) await mount(folder, dataOf('ConfigMap', configMap));
    if (secret !== undefined) await mount(folder, dataOf('Secret', secret));
    mapped.push([mountPath, folder]);
  }
  if (spec.automountServiceAccountToken === true) {
    const folder = path.join(root, SERVICE_ACCOUNT);
    await mkdir(folder, { recursive: true });
    const namespace = manifests.find(({ kind }) => kind === 'ServiceAccount')?.metadata.namespace ?? '';
    const ca = (await readFixture('tls/ca.crt')).toString();
    await mount(folder, { token: 'test-token', namespace, 'ca.crt': ca });
  }
  const ports = new Map<number, number>();
  for (const { containerPort } of container.ports ?? []) ports.set(containerPort, await freePort());

  const map = (text: string): string => {
    const [from, to] = mapped.find(([mountPath]) => text === mountPath || text.startsWith(`${mountPath}/`)) ?? [];
    if (from !== undefined && to !== undefined) return to + text.slice(from.length);
    return String(ports.get(Number(text)) ?? text);
  };
  const listed = (container.envFrom ?? []).map(({ configMapRef, secretRef }) =>
    configMapRef === undefined ? dataOf('Secret', secretRef?.name) : dataOf('ConfigMap', configMapRef.name),
  );
  const named = Object.fromEntries((container.env ?? []).map(({ name, value = '' }) => [name, value]));
  const variables = Object.assign({}, ...listed, named) as Readonly<Record<string, string>>;
  const env = {
    ...Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, map(value)])),
    SPARTAKUS_SERVICE_ACCOUNT_DIR: path.join(root, SERVICE_ACCOUNT),
    ...cluster.env,
  };
  return {
    env,
    start: () => startProgram((container.args ?? []).map(map), env),
    exec: (...args) => runProgram(args, env),
    urlOf: (portName) => {
      const port = container.ports?.find(({ name }) => name === portName)?.containerPort;
      return `http://127.0.0.1:${ports.get(port ?? 0)}`;
    },
    close: () => rm(root, { recursive: true, force: true }),
  };
}

/** Writes files as the kubelet does: links to a hidden folder. */
async function mount(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(path.join(folder, '..2026'));
  await symlink('..2026', path.join(folder, '..data'));
  for (const [name, content] of Object.entries(files)) {
    await writeFile(path.join(folder, '..2026', name), content);
    await symlink(path.join('..data', name), path.join(folder, name));
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}
