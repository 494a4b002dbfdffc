import { at, findManifest, type Manifest, type Rule } from './manifests.ts';

/** The right that a request needs. */
export interface Right {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
  /** Instead of a resource. */
  readonly path?: string;
}

interface Account {
  readonly name: string;
  readonly namespace: string;
}

const RESOURCE_PATH =
  /^\/(?:api\/v1|apis\/(?<group>[^/]+)\/[^/]+)\/(?:namespaces\/(?<namespace>[^/]+)\/(?=[^/]+))?(?<resource>[^/]+)(?:\/(?<name>[^/]+))?$/;
/** What kube-apiserver answers without RBAC (--authorization-always-allow-paths). */
const ALWAYS_ALLOWED = ['/healthz', '/livez', '/readyz'];

export function rightFor(method: string, target: string): Right {
  const { pathname: path } = new URL(target, 'https://kubernetes');
  const found = RESOURCE_PATH.exec(path)?.groups as Partial<Record<string, string>> | undefined;
  const verb = { POST: 'create', PUT: 'update' }[method];
  if (found === undefined) return { verb: verb ?? 'get', group: '', resource: '', path };
  const { group = '', namespace, resource = '', name } = found;
  return { verb: verb ?? (name === undefined ? 'list' : 'get'), group, resource, namespace, name };
}

interface Grant {
  readonly rule: Rule;
  /** Undefined in all namespaces. */
  readonly namespace: string | undefined;
}

/** The rules that are bound to a service account, and where they apply. */
export function listGrants(manifests: readonly Manifest[], account: Account): readonly Grant[] {
  const isAccount = (subject: unknown): boolean =>
    at(subject, 'kind') === 'ServiceAccount' &&
    at(subject, 'name') === account.name &&
    at(subject, 'namespace') === account.namespace;
  return manifests
    .filter((manifest) => ((manifest['subjects'] ?? []) as readonly unknown[]).some(isAccount))
    .flatMap(({ kind, metadata, roleRef }) => {
      // A RoleBinding grants the rules of a ClusterRole in its own namespace alone.
      const namespace = kind === 'ClusterRoleBinding' ? undefined : metadata.namespace;
      const isClusterRole = at(roleRef, 'kind') === 'ClusterRole';
      const roles = manifests.filter((role) => isClusterRole || role.metadata.namespace === namespace);
      const { rules = [] } = findManifest(roles, String(at(roleRef, 'kind')), String(at(roleRef, 'name')));
      return rules.map((rule) => ({ rule, namespace }));
    });
}

/** Whether a service account may make a request, as an API server with RBAC alone decides. */
export function createAuthorizer(
  manifests: readonly Manifest[],
  account: Account,
): (method: string, target: string) => boolean {
  const grants = listGrants(manifests, account);
  return (method, target) => {
    const right = rightFor(method, target);
    if (ALWAYS_ALLOWED.includes(right.path ?? '')) return true;
    return grants.some(
      ({ rule, namespace }) => (namespace === undefined || namespace === right.namespace) && permits(rule, right),
    );
  };
}

function permits({ apiGroups, resources, resourceNames, nonResourceURLs, verbs }: Rule, right: Right): boolean {
  const { verb, group, resource, name, path } = right;
  if (!verbs.includes(verb)) return false;
  if (path !== undefined) return nonResourceURLs?.includes(path) === true;
  const isNamed = resourceNames === undefined || (name !== undefined && resourceNames.includes(name));
  return apiGroups?.includes(group) === true && resources?.includes(resource) === true && isNamed;
}

/** One text for each right of a grant, such as "get secrets/name in namespace". */
export function describeGrant({ rule, namespace }: Grant): readonly string[] {
  const { apiGroups = [], resources = [], resourceNames = [undefined], nonResourceURLs = [], verbs } = rule;
  return verbs.flatMap((verb) => [
    ...nonResourceURLs.map((path) => describeRight({ verb, group: '', resource: '', path })),
    ...apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        resourceNames.map((name) => describeRight({ verb, group, resource, name, namespace })),
      ),
    ),
  ]);
}

/** The same text for the right of a request. */
export function describeRight({ verb, group, resource, namespace, name, path }: Right): string {
  if (path !== undefined) return `${verb} ${path}`;
  const object = [resource, ...(name === undefined ? [] : [name])].join('/');
  return `${verb} ${group === '' ? '' : `${group}/`}${object}${namespace === undefined ? '' : ` in ${namespace}`}`;
}
