import type { KubernetesConfig } from '../../kubernetes/client.ts';
import { listRules, type PolicyRule } from '../../report/cluster-role.ts';
import type { FieldSelection } from '../../report/field-selection.ts';
import type { SchemaField } from '../../report/schema-fields.ts';
import { type IdConfig, needsKey } from './id-key.ts';

const KEY_RULE: PolicyRule = {
  apiGroups: [''],
  resources: ['namespaces'],
  resourceNames: ['kube-system'],
  verbs: ['get'],
};

/** The minimal RBAC rules of a ClusterRole for reports of this configuration, or for a part of their fields. */
export function listRequiredRules(
  config: IdConfig,
  selection: FieldSelection,
  fields: readonly SchemaField[] = selection.fields,
): readonly PolicyRule[] {
  const rules = listRules(fields);
  return config.idKey === 'kube-system' && hasKeyedIds(config, selection, fields) ? [...rules, KEY_RULE] : rules;
}

/** The rules of a Role in the namespace of the volunteer's pod, for the Secret with the key of ids; none where it is not used. */
export function listSecretRules(
  config: IdConfig & KubernetesConfig,
  selection: FieldSelection,
  fields: readonly SchemaField[] = selection.fields,
): readonly PolicyRule[] {
  const { idKey, idSecret, kubeconfig, context } = config;
  const isUsed = idSecret !== undefined && idKey !== 'kube-system' && kubeconfig === undefined && context === undefined;
  return isUsed && hasKeyedIds(config, selection, fields) ? listKeySecretRules(idSecret) : [];
}

/**
 * The rules of a Role that lets its pod read this Secret, and write the key to it. The administrator creates the Secret, because RBAC cannot
 * restrict creation to a name.
 */
function listKeySecretRules(idSecret: string): readonly PolicyRule[] {
  return [{ apiGroups: [''], resources: ['secrets'], resourceNames: [idSecret], verbs: ['get', 'update'] }];
}

function hasKeyedIds(config: IdConfig, selection: FieldSelection, fields: readonly SchemaField[]): boolean {
  const hasIds = fields.some(({ path }) => path === 'nodes[].id' || path === 'clusterID');
  return hasIds && config.idKeyFile === undefined && needsKey(config, selection);
}
