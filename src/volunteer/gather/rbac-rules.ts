import { type CollectedField, listRules, type PolicyRule } from '../../report/collected.ts';
import type { Selection } from '../../report/selection.ts';
import { type IdConfig, needsClusterKey } from './id-key.ts';

const KEY_RULE: PolicyRule = {
  apiGroups: [''],
  resources: ['namespaces'],
  resourceNames: ['kube-system'],
  verbs: ['get'],
};

/** The minimal RBAC rules for reports of this configuration, or for a part of their fields. */
export function listRequiredRules(
  config: IdConfig,
  selection: Selection,
  fields: readonly CollectedField[] = selection.fields,
): readonly PolicyRule[] {
  const rules = listRules(fields).filter((rule) => !('resourceNames' in rule));
  const hasIds = fields.some(({ path }) => path === 'nodes[].id' || path === 'clusterID');
  return hasIds && needsClusterKey(config, selection) ? [...rules, KEY_RULE] : rules;
}
