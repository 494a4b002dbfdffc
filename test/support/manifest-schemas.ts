import { type Manifest, nameOf } from './manifests.ts';

/** The schemas of each API version that manifests may use. */
const MODELS: Readonly<Record<string, () => Promise<object>>> = {
  v1: () => import('kubernetes-models/v1'),
  'apps/v1': () => import('kubernetes-models/apps/v1'),
  'autoscaling/v2': () => import('kubernetes-models/autoscaling/v2'),
  'batch/v1': () => import('kubernetes-models/batch/v1'),
  'networking.k8s.io/v1': () => import('kubernetes-models/networking.k8s.io/v1'),
  'policy/v1': () => import('kubernetes-models/policy/v1'),
  'rbac.authorization.k8s.io/v1': () => import('kubernetes-models/rbac.authorization.k8s.io/v1'),
  'cert-manager.io/v1': () => import('@kubernetes-models/cert-manager/cert-manager.io/v1'),
  'gateway.networking.k8s.io/v1': () => import('@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1'),
  'monitoring.coreos.com/v1': () => import('@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'),
};

interface Model {
  readonly prototype: { readonly validate: (this: unknown) => void };
}

/** What is wrong with manifests by the OpenAPI schemas of Kubernetes and of the custom resources: also fields that no schema has. */
export async function listSchemaProblems(manifests: readonly Manifest[]): Promise<readonly string[]> {
  const names = manifests.map((manifest) => `${manifest.metadata.namespace ?? ''}/${nameOf(manifest)}`);
  const twice = names.filter((name, index) => names.indexOf(name) !== index).map((name) => `${name} is there twice`);
  const problems = await Promise.all(
    manifests.map(async (manifest) => (await listProblems(manifest)).map((text) => `${nameOf(manifest)}: ${text}`)),
  );
  return [...twice, ...problems.flat()];
}

async function listProblems(manifest: Manifest): Promise<readonly string[]> {
  const { apiVersion, kind } = manifest;
  const models = (await MODELS[apiVersion]?.()) as Readonly<Record<string, Model>> | undefined;
  const model = models?.[kind];
  if (model === undefined) return [`there is no schema of ${apiVersion} ${kind}`];
  const recorder = recordReads(manifest);
  try {
    model.prototype.validate.call(recorder.value);
  } catch (error) {
    return [(error as Error).message];
  }
  return recorder.listUnread().map((field) => `the schema has no field ${field}`);
}

/**
 * Records which fields a validator reads. The compiled validators read each field that their schema declares, whether a value has it or
 * not: what they do not read is not declared. An object of which they read nothing may have any field.
 */
function recordReads(root: object): { readonly value: unknown; readonly listUnread: () => readonly string[] } {
  const reads = new Map<object, Set<string>>();
  const proxies = new Map<object, object>();
  const wrap = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    let proxy = proxies.get(value);
    if (proxy === undefined) {
      const read = new Set<string>();
      reads.set(value, read);
      proxy = new Proxy(value, {
        get(target, name) {
          if (typeof name === 'string') read.add(name);
          return wrap(Reflect.get(target, name));
        },
      });
      proxies.set(value, proxy);
    }
    return proxy;
  };
  const unreadIn = (value: unknown, path: string): readonly string[] => {
    if (typeof value !== 'object' || value === null) return [];
    const read = reads.get(value) ?? new Set<string>();
    if (read.size === 0) return [];
    return Object.entries(value).flatMap(([name, field]) =>
      read.has(name) ? unreadIn(field, `${path}.${name}`) : [`${path}.${name}`],
    );
  };
  return { value: wrap(root), listUnread: () => unreadIn(root, '') };
}
