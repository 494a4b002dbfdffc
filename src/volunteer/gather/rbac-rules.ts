import { listRules, type PolicyRule } from '../../report/cluster-role.ts';
import type { FieldSelection } from '../../report/field-selection.ts';
import type { SchemaField } from '../../report/schema-fields.ts';
import { type IdConfig, needsClusterKey } from './id-key.ts';

const KEY_RULE: PolicyRule = {
  apiGroups: [''],
  resources: ['namespaces'],
  resourceNames: ['kube-system'],
  verbs: ['get'],
};

/** The minimal RBAC rules for the fields of reports of this configuration. */
export function listRequiredRules(
  config: IdConfig,
  selection: FieldSelection,
  fields: readonly SchemaField[] = selection.fields,
): readonly PolicyRule[] {
  const rules = listRules(fields).filter((rule) => !('resourceNames' in rule));
  const hasIds = fields.some(({ path }) => path === 'nodes[].id' || path === 'clusterID');
  return hasIds && needsClusterKey(config, selection) ? [...rules, KEY_RULE] : rules;
}
