import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readFixture } from './kube-api.ts';
import { listen } from './listen.ts';
import { type Ended, type Program, runProgram, startProgram } from './program.ts';
import type { RbacManifest } from './rbac.ts';

export interface Manifest extends RbacManifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly template?: { readonly spec: PodSpec };
    readonly jobTemplate?: { readonly spec: { readonly template: { readonly spec: PodSpec } } };
    readonly [key: string]: unknown;
  };
}

export interface PodSpec {
  readonly serviceAccountName: string;
  readonly automountServiceAccountToken: boolean;
  readonly containers: readonly Container[];
  readonly volumes: readonly Volume[];
  readonly [key: string]: unknown;
}

interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly envFrom?: readonly {
    readonly configMapRef?: { readonly name: string };
    readonly secretRef?: { readonly name: string };
  }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly [key: string]: unknown;
}

interface Volume {
  readonly name: string;
  readonly configMap?: { readonly name: string };
  readonly secret?: { readonly secretName: string };
  readonly emptyDir?: object;
  readonly persistentVolumeClaim?: object;
}

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

/** The pod of a Deployment, CronJob or Job. */
export function podOf(manifests: readonly Manifest[]): PodSpec {
  const specs = manifests.flatMap(({ spec }) => spec?.template?.spec ?? spec?.jobTemplate?.spec.template.spec ?? []);
  const [spec] = specs;
  if (spec === undefined || specs.length !== 1) throw new Error(`there are ${specs.length} pods`);
  return spec;
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
  const find = (kind: string, name: string): Manifest => {
    const found = [...manifests, ...(cluster.secrets ?? [])].find(
      (manifest) => manifest.kind === kind && manifest.metadata.name === name,
    );
    if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
    return found;
  };

  const mapped: [from: string, to: string][] = [];
  for (const { name, mountPath } of container.volumeMounts) {
    const volume = spec.volumes.find((candidate) => candidate.name === name);
    if (volume === undefined) throw new Error(`there is no volume ${name}`);
    const folder = path.join(root, mountPath);
    await mkdir(folder, { recursive: true });
    if (volume.configMap !== undefined) await mount(folder, find('ConfigMap', volume.configMap.name).data ?? {});
    if (volume.secret !== undefined) await mount(folder, decode(find('Secret', volume.secret.secretName)));
    mapped.push([mountPath, folder]);
  }
  if (spec.automountServiceAccountToken) {
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
    configMapRef === undefined ? decode(find('Secret', secretRef?.name ?? '')) : find('ConfigMap', configMapRef.name).data,
  );
  const named = Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value]));
  const variables = Object.entries<string>(Object.assign({}, ...listed, named) as Record<string, string>);
  const env = {
    ...Object.fromEntries(variables.map(([name, value]) => [name, map(value)])),
    SPARTAKUS_SERVICE_ACCOUNT_DIR: path.join(root, SERVICE_ACCOUNT),
    ...cluster.env,
  };
  return {
    env,
    start: () => startProgram(container.args.map(map), env),
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

function decode({ data = {} }: Manifest): Record<string, string> {
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [name, Buffer.from(value, 'base64').toString()]),
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}
