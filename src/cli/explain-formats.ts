import type { PolicyRule } from '../report/cluster-role.ts';
import type { FieldDescription } from '../report/describe-fields.ts';
import { wrap } from '../runtime/wrap.ts';
import type { Format } from './help.ts';

/** The fields that a volunteer may report, and the permissions that it needs. */
export interface Explanation {
  readonly schemaVersion: number;
  /** Only fields that are newer than this schema version are included. */
  readonly since: number;
  readonly fields: readonly FieldDescription[];
  readonly rules: readonly PolicyRule[];
  /** The rules of the Role in the namespace of the pod. */
  readonly secretRules: readonly PolicyRule[];
  readonly notes: readonly string[];
}

export function explanationJson({ schemaVersion, fields, rules, secretRules, notes }: Explanation): string {
  const described = fields.map((field) => {
    const { path, comment: description, privacy: treatment, since } = field;
    return { path, description, source: sourceOf(field), treatment, since };
  });
  return JSON.stringify({ schemaVersion, notes, fields: described, rules, secretRules }, undefined, 2);
}

export function explanationText(
  { fields, rules, secretRules }: Explanation,
  intro: readonly string[],
  format: Format,
): string {
  const { width, bold, accent, dim } = format;
  const paragraph = (text: string) => wrap(text.replaceAll('`', ''), width, '');
  const describe = (field: FieldDescription): string => {
    const facts = `Source: ${sourceOf(field)}. Treatment: ${field.privacy}. Since schema version ${field.since}.`;
    return [bold(`  ${field.path}`), wrap(field.comment, width, '      '), dim(wrap(facts, width, '      '))].join(
      '\n',
    );
  };
  const treatments = new Map(fields.map(({ privacy, privacyComment }) => [privacy, privacyComment]));
  return [
    ...intro.map(paragraph),
    `${bold('Fields:')}\n${fields.map(describe).join('\n')}`,
    [
      bold('Treatments:'),
      ...[...treatments].map(([name, comment]) => `  ${accent(name)}\n${wrap(comment, width, '      ')}`),
    ].join('\n'),
    [bold('RBAC rules of the smallest ClusterRole (--format=yaml prints it):'), ...rules.map(describeRule)].join('\n'),
    ...(secretRules.length === 0
      ? []
      : [[bold('and of the Role in the namespace of the volunteer:'), ...secretRules.map(describeRule)].join('\n')]),
  ].join('\n\n');
}

/** Such as "list nodes", "get namespaces/kube-system" and "get /version". */
function describeRule(rule: PolicyRule): string {
  const objects =
    'nonResourceURLs' in rule
      ? rule.nonResourceURLs
      : rule.resources.flatMap((resource) => rule.resourceNames?.map((name) => `${resource}/${name}`) ?? [resource]);
  return `  ${rule.verbs.join(', ')} ${objects.join(', ')}`;
}

function sourceOf({ origin, source }: FieldDescription): string {
  return origin === 'Kubernetes' ? source : `${origin}, ${source}`;
}
