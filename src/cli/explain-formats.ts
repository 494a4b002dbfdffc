import type { WireDescription } from '../delivery/transport/wire.ts';
import type { PolicyRule } from '../report/cluster-role.ts';
import type { FieldDescription } from '../report/describe-fields.ts';
import { wrap } from '../runtime/wrap.ts';
import type { Format } from './help.ts';

/** The fields that a volunteer may report, and the permissions that it needs. */
export interface Explanation {
  /** The newest schema version that was agreed to, and that of this release. */
  readonly agree: number;
  readonly current: number;
  /** Fields of this schema version and older ones are left out. */
  readonly diff: number;
  readonly fields: readonly FieldDescription[];
  readonly rules: readonly PolicyRule[];
  /** The rules of the Role in the namespace of the pod. */
  readonly secretRules: readonly PolicyRule[];
  readonly notes: readonly string[];
  /** What requests tell beside their content; none where nothing is sent, and for a part of the fields. */
  readonly requests: readonly WireDescription[];
}

export function explanationJson({ agree, current, fields, rules, secretRules, notes, requests }: Explanation): string {
  const described = fields.map((field) => {
    const { path, comment: description, privacy: treatment, purpose, reviewed, expires, since } = field;
    return { path, description, source: sourceOf(field), treatment, purpose, reviewed, expires, since };
  });
  return JSON.stringify({ agree, current, notes, fields: described, requests, rules, secretRules }, undefined, 2);
}

export function explanationText(
  { fields, rules, secretRules, requests }: Explanation,
  intro: readonly string[],
  format: Format,
): string {
  const { width, bold, accent, dim } = format;
  const paragraph = (text: string) => wrap(text.replaceAll('`', ''), width, '');
  const describe = (field: FieldDescription): string => {
    const facts =
      `Source: ${sourceOf(field)}. Treatment: ${field.privacy}. Purpose: ${field.purpose} ` +
      `Since schema version ${field.since}. Reviewed ${field.reviewed}, expires ${field.expires}.`;
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
    ...requests.flatMap((request) => describeRequest(request, format)),
    ...(rules.length === 0
      ? []
      : [
          [bold('RBAC rules of the smallest ClusterRole (--format=yaml prints it):'), ...rules.map(describeRule)].join(
            '\n',
          ),
        ]),
    ...(secretRules.length === 0
      ? []
      : [
          [
            bold('and of the Role in the namespace of the pod, for an empty Secret (--format=yaml prints it):'),
            ...secretRules.map(describeRule),
          ].join('\n'),
        ]),
  ].join('\n\n');
}

function describeRequest(
  { protocol, headers, connection }: WireDescription,
  { width, bold, accent }: Format,
): string[] {
  const named = headers.map(({ name, value }) => `  ${accent(name)}\n${wrap(value, width, '      ')}`);
  return [
    [bold(`Headers of each request (${protocol}):`), ...named].join('\n'),
    [bold('What the connection shows:'), ...connection.map((fact) => wrap(`  ${fact}`, width, '  '))].join('\n'),
  ];
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
