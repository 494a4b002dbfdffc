import { listRules, type PolicyRule } from '../../report/cluster-role.ts';
import type { FieldSelection } from '../../report/field-selection.ts';
import type { SchemaField } from '../../report/schema-fields.ts';
import { type KeyConfig, needsClusterKey } from './cluster-key.ts';

/** The right to read the key of ids, which is asked for by the way that ids are made and not only by fields. */
const KEY_RULE: PolicyRule = {
  apiGroups: [''],
  resources: ['namespaces'],
  resourceNames: ['kube-system'],
  verbs: ['get'],
};

/**
 * The fewest rights that reports take with these flags.
 *
 * @param fields those of the selection that it is about; all where none are given
 */
export function listRights(
  config: KeyConfig,
  selection: FieldSelection,
  fields: readonly SchemaField[] = selection.fields,
): readonly PolicyRule[] {
  const rules = listRules(fields).filter((rule) => !('resourceNames' in rule));
  const isKeyAsked =
    needsClusterKey(config, selection) && fields.some(({ path }) => path === 'nodes[].id' || path === 'clusterID');
  return isKeyAsked ? [...rules, KEY_RULE] : rules;
}
