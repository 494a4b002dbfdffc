import type { RbacRule } from '../../gen/spartakus/options/v1/options_pb.js';
import type { SchemaField } from './schema-fields.ts';

/** A rule of a Kubernetes ClusterRole or Role: PolicyRule of rbac.authorization.k8s.io/v1. */
export type PolicyRule =
  | {
      readonly apiGroups: readonly [string];
      readonly resources: readonly string[];
      readonly resourceNames?: readonly string[];
      readonly verbs: readonly string[];
    }
  | { readonly nonResourceURLs: readonly string[]; readonly verbs: readonly string[] };

/** The rules that allow reading these fields: one for each resource (and name) or URL, with the verbs in alphabetical order. */
export function listRules(fields: readonly Pick<SchemaField, 'rbac'>[]): PolicyRule[] {
  const all = fields.flatMap(({ rbac }) => rbac);
  const merged = Map.groupBy(all, ({ apiGroup, resource, resourceName, nonResourceUrl }) =>
    JSON.stringify([apiGroup, resource, resourceName, nonResourceUrl]),
  );
  return [...merged.values()].map((rules) => {
    const { apiGroup, resource, resourceName, nonResourceUrl } = rules[0] as RbacRule;
    const verbs = [...new Set(rules.flatMap((rule) => rule.verbs))].toSorted();
    if (nonResourceUrl !== '') return { nonResourceURLs: [nonResourceUrl], verbs };
    const names = resourceName === '' ? {} : { resourceNames: [resourceName] };
    return { apiGroups: [apiGroup], resources: [resource], ...names, verbs };
  });
}

/** The name of the volunteer's roles, bindings and ServiceAccount. */
const NAME = 'spartakus-volunteer';

/**
 * The ClusterRole, and, where there are rules for Secrets, the Role and the empty Secrets, as YAML documents for `kubectl apply`. Comments say
 * how to apply and to bind them, because neither the namespace nor the ServiceAccount is known.
 */
export function renderRoles(rules: readonly PolicyRule[], secretRules: readonly PolicyRule[]): string {
  const hasRole = secretRules.length > 0;
  const account = `--serviceaccount=NAMESPACE:${NAME}`;
  const comments = [
    'The smallest rights for these flags. NAMESPACE is that of the pod of the volunteer:',
    '  kubectl apply --namespace=NAMESPACE --filename=-',
    `They have an effect once they are bound to its ServiceAccount, such as one named ${NAME}:`,
    `  kubectl create clusterrolebinding ${NAME} --clusterrole=${NAME} ${account}`,
    ...(hasRole ? [`  kubectl create rolebinding ${NAME} --namespace=NAMESPACE --role=${NAME} ${account}`] : []),
  ];
  const documents = [renderRole('ClusterRole', rules), ...(hasRole ? [renderSecretRole(secretRules)] : [])];
  return [...comments.map((line) => `# ${line}`), documents.join('\n---\n')].join('\n');
}

/** The Role of these rules, and the empty Secrets that they name, as YAML documents of the namespace that kubectl is given. */
export function renderSecretRole(rules: readonly PolicyRule[]): string {
  const names = rules.flatMap((rule) => ('resourceNames' in rule ? (rule.resourceNames ?? []) : []));
  const secrets = names.map((name) =>
    ['apiVersion: v1', 'kind: Secret', 'metadata:', `  name: ${quote(name)}`, 'type: Opaque'].join('\n'),
  );
  return [renderRole('Role', rules), ...secrets].join('\n---\n');
}

/** A ClusterRole, or a Role of the namespace that kubectl is given, as YAML, of which JSON strings are a subset. */
export function renderRole(kind: 'ClusterRole' | 'Role', rules: readonly PolicyRule[]): string {
  const lines = rules.flatMap((rule) =>
    Object.entries(rule).map(
      ([key, values], index) =>
        `${index === 0 ? '  - ' : '    '}${key}: ${JSON.stringify(values).replaceAll('","', '", "')}`,
    ),
  );
  return [
    'apiVersion: rbac.authorization.k8s.io/v1',
    `kind: ${kind}`,
    'metadata:',
    `  name: ${NAME}`,
    lines.length === 0 ? 'rules: []' : 'rules:',
    ...lines,
  ].join('\n');
}

/** A name as a YAML string: without quotes, 123, 1e5 and true would be other types. */
function quote(name: string): string {
  return /^[a-z]+-[-a-z0-9]+$/.test(name) ? name : JSON.stringify(name);
}
