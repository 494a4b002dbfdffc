/** What a Kubernetes manifest says about rights. */
export interface RbacManifest {
  readonly kind?: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
  readonly rules?: readonly RbacRule[];
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace?: string }[];
}

export interface RbacRule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}

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

/** Whether the Roles and ClusterRoles that are bound to a service account permit requests, as an API server with RBAC alone decides. */
export function createAuthorizer(
  manifests: readonly RbacManifest[],
  { name, namespace }: Account,
): (method: string, target: string) => boolean {
  const bound = manifests.filter(({ subjects = [] }) =>
    subjects.some(
      (subject) => subject.kind === 'ServiceAccount' && subject.name === name && subject.namespace === namespace,
    ),
  );
  const grants = bound.flatMap(({ kind, metadata, roleRef }) => {
    // A RoleBinding grants the rules of a ClusterRole in its own namespace alone.
    const where = kind === 'ClusterRoleBinding' ? undefined : metadata?.namespace;
    const role = manifests.find(
      (manifest) =>
        manifest.kind === roleRef?.kind &&
        manifest.metadata?.name === roleRef?.name &&
        (roleRef?.kind === 'ClusterRole' || manifest.metadata?.namespace === where),
    );
    return (role?.rules ?? []).map((rule) => ({ rule, where }));
  });
  return (method, target) => {
    const right = rightFor(method, target);
    if (ALWAYS_ALLOWED.includes(right.path ?? '')) return true;
    return grants.some(({ rule, where }) => (where === undefined || where === right.namespace) && permits(rule, right));
  };
}

function permits({ apiGroups, resources, resourceNames, nonResourceURLs, verbs }: RbacRule, right: Right): boolean {
  const { verb, group, resource, name, path } = right;
  if (!verbs.includes(verb)) return false;
  if (path !== undefined) return nonResourceURLs?.includes(path) === true;
  const isNamed = resourceNames === undefined || (name !== undefined && resourceNames.includes(name));
  return apiGroups?.includes(group) === true && resources?.includes(resource) === true && isNamed;
}
