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
  const merged = Map.groupBy(
    fields.flatMap(({ rbac }) => rbac),
    ({ apiGroup, resource, resourceName, nonResourceUrl }) =>
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

/** The Role of these rules, and the empty Secrets that they name, as YAML documents of the namespace that kubectl is given. */
export function renderSecretRole(rules: readonly PolicyRule[]): string {
  const names = rules.flatMap((rule) => ('resourceNames' in rule ? (rule.resourceNames ?? []) : []));
  const secrets = names.map((name) =>
    ['apiVersion: v1', 'kind: Secret', 'metadata:', `  name: ${name}`, 'type: Opaque'].join('\n'),
  );
  return [renderRole('Role', rules), ...secrets].join('\n---\n');
}

/** A ClusterRole, or a Role of the namespace that kubectl is given, as YAML, of which JSON strings are a subset. */
export function renderRole(
  kind: 'ClusterRole' | 'Role',
  rules: readonly PolicyRule[],
  name = 'spartakus-volunteer',
): string {
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
    `  name: ${name}`,
    lines.length === 0 ? 'rules: []' : 'rules:',
    ...lines,
  ].join('\n');
}
