import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readFixture } from './kube-api.ts';
import { listen } from './listen.ts';
import {
  at,
  type Container,
  containersOf,
  type EnvVar,
  findManifest,
  listWorkloads,
  type Manifest,
  type PodSpec,
} from './manifests.ts';
import { type Ended, type Program, runProgram, startProgram } from './program.ts';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** A container of a rendered pod. */
interface PodContainer {
  readonly env: Readonly<Record<string, string>>;
  /** Starts the container with its arguments. */
  start(): Program;
  /** Runs another command in the container, as `kubectl exec` does: with its variables, without its arguments. */
  exec(...args: string[]): Promise<Ended>;
}

/** A rendered pod and its main container, with paths in a temporary folder and ports on free ones. */
export interface Pod extends PodContainer {
  /** In the order in which they start. */
  readonly containers: readonly PodContainer[];
  /** The URL of a port of the main container, by its name. */
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
  const [main] = spec.containers;
  if (main === undefined) throw new Error('the pod has no container');
  const root = await mkdtemp(path.join(tmpdir(), 'spartakus-pod-'));
  const dataOf = (kind: string, name: unknown): Readonly<Record<string, string>> => {
    const { data = {} } = findManifest([...manifests, ...(cluster.secrets ?? [])], kind, String(name));
    if (kind === 'ConfigMap') return data;
    return Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
    );
  };
  const account = {
    token: 'test-token',
    namespace: manifests.find(({ kind }) => kind === 'ServiceAccount')?.metadata.namespace ?? '',
    'ca.crt': (await readFixture('tls/ca.crt')).toString(),
  };

  const folderOf = (volume: string): string => path.join(root, volume);
  for (const volume of spec.volumes ?? []) {
    const [configMap, secret] = [at(volume, 'configMap', 'name'), at(volume, 'secret', 'secretName')];
    await mkdir(folderOf(volume.name));
    if (configMap !== undefined) await mount(folderOf(volume.name), dataOf('ConfigMap', configMap));
    if (secret !== undefined) await mount(folderOf(volume.name), dataOf('Secret', secret));
    if ('projected' in volume) await mount(folderOf(volume.name), account);
  }
  await mkdir(folderOf(SERVICE_ACCOUNT), { recursive: true });
  if (spec.automountServiceAccountToken === true) await mount(folderOf(SERVICE_ACCOUNT), account);
  const ports = new Map<number, number>();
  for (const { containerPort } of main.ports ?? []) ports.set(containerPort, await freePort());

  const openContainer = ({ volumeMounts = [], envFrom = [], env = [], args = [] }: Container): PodContainer => {
    const map = (text: string): string => {
      const volume = volumeMounts.find(({ mountPath }) => text === mountPath || text.startsWith(`${mountPath}/`));
      if (volume !== undefined) return folderOf(volume.name) + text.slice(volume.mountPath.length);
      return String(ports.get(Number(text)) ?? text);
    };
    const listed = envFrom.map(({ configMapRef, secretRef }) =>
      configMapRef === undefined ? dataOf('Secret', secretRef?.name) : dataOf('ConfigMap', configMapRef.name),
    );
    const valueOf = ({ value = '', valueFrom }: EnvVar): string => {
      const { configMapKeyRef: option, secretKeyRef: secret } = valueFrom ?? {};
      if (option !== undefined) return dataOf('ConfigMap', option.name)[option.key] ?? '';
      return secret === undefined ? value : (dataOf('Secret', secret.name)[secret.key] ?? '');
    };
    const named = Object.fromEntries(env.map((variable) => [variable.name, valueOf(variable)]));
    const variables = Object.assign({}, ...listed, named) as Readonly<Record<string, string>>;
    const token = map(SERVICE_ACCOUNT);
    const all = {
      ...Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, map(value)])),
      SPARTAKUS_SERVICE_ACCOUNT_DIR: token === SERVICE_ACCOUNT ? folderOf(SERVICE_ACCOUNT) : token,
      ...cluster.env,
    };
    return { env: all, start: () => startProgram(args.map(map), all), exec: (...command) => runProgram(command, all) };
  };
  const containers = containersOf(spec).map(openContainer);
  return {
    ...(containers[spec.initContainers?.length ?? 0] as PodContainer),
    containers,
    urlOf: (portName) => {
      const port = main.ports?.find(({ name }) => name === portName)?.containerPort;
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
