import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { loadAll } from 'js-yaml';

const run = promisify(execFile);

/** Tests of manifests are skipped without kubectl. */
export const hasKubectl: boolean = spawnSync('kubectl', ['version', '--client']).status === 0;

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly data?: Readonly<Record<string, string>>;
  readonly rules?: readonly Rule[];
  readonly [field: string]: unknown;
}

/** A rule of a Role or ClusterRole. */
export interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}

export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly configMapKeyRef?: { readonly name: string; readonly key: string; readonly optional?: boolean };
    readonly secretKeyRef?: { readonly name: string; readonly key: string; readonly optional?: boolean };
    readonly fieldRef?: { readonly fieldPath: string };
  };
}

export interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: number | string; readonly scheme?: string };
  readonly grpc?: { readonly port: number; readonly service?: string };
  readonly exec?: { readonly command: readonly string[] };
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly EnvVar[];
  readonly envFrom?: readonly {
    readonly configMapRef?: { readonly name: string };
    readonly secretRef?: { readonly name: string };
  }[];
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly resources?: {
    readonly requests?: Readonly<Record<string, string>>;
    readonly limits?: Readonly<Record<string, string>>;
  };
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly startupProbe?: Probe;
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly (Readonly<Record<string, unknown>> & { readonly name: string })[];
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

/** The pod template of a workload. */
export interface Workload {
  readonly manifest: Manifest;
  readonly labels: Readonly<Record<string, string>>;
  readonly pod: PodSpec;
}

/** Renders a kustomization as `kubectl apply -k` does. */
export async function renderKustomization(directory: string): Promise<readonly Manifest[]> {
  const { stdout } = await run('kubectl', ['kustomize', directory], { maxBuffer: 64 * 1024 * 1024 });
  return (loadAll(stdout) as Manifest[]).map(joinLines);
}

/** kustomize breaks the base64 of Secrets into lines, which the API server ignores and its schema does not mention. */
function joinLines(manifest: Manifest): Manifest {
  if (manifest.kind !== 'Secret' || manifest.data === undefined) return manifest;
  const data = Object.entries(manifest.data).map(([key, value]) => [key, value.replaceAll('\n', '')]);
  return { ...manifest, data: Object.fromEntries(data) as Record<string, string> };
}

/** Such as `Deployment spartakus-collector`, for messages. */
export const nameOf = ({ kind, metadata }: Manifest): string => `${kind} ${metadata.name}`;

/** @throws Error if there is none */
export function findManifest(manifests: readonly Manifest[], kind: string, name?: string): Manifest {
  const found = manifests.find(
    (manifest) => manifest.kind === kind && (name === undefined || manifest.metadata.name === name),
  );
  if (found === undefined) throw new Error(`there is no ${kind} ${name ?? ''}: ${manifests.map(nameOf).join(', ')}`);
  return found;
}

/** The pods that Deployments, StatefulSets, DaemonSets, Jobs and CronJobs start. */
export function listWorkloads(manifests: readonly Manifest[]): readonly Workload[] {
  return manifests.flatMap((manifest) => {
    const spec = manifest.kind === 'CronJob' ? at(manifest.spec, 'jobTemplate', 'spec') : manifest.spec;
    const template = at(spec, 'template') as
      | { metadata?: { labels?: Record<string, string> }; spec: PodSpec }
      | undefined;
    return template === undefined ? [] : [{ manifest, labels: template.metadata?.labels ?? {}, pod: template.spec }];
  });
}

export const containersOf = (pod: PodSpec): readonly Container[] => [...(pod.initContainers ?? []), ...pod.containers];

/** The value at a path of fields; undefined where there is none. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let found = value;
  for (const field of path) found = (found as Readonly<Record<string, unknown>> | null | undefined)?.[field];
  return found;
}
