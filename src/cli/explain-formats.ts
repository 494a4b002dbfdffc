import type { PolicyRule } from '../report/cluster-role.ts';
import type { FieldDescription } from '../report/describe-fields.ts';
import type { Reads, WireDescription } from '../report/fields-page.ts';
import { listUnreadable, NEVER_READABLE, type Unreadable } from '../report/kubernetes-resources.ts';
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
  /** Absent for a part of the fields, and for records. */
  readonly reads?: Reads | undefined;
  /** What requests tell beside their content; none where nothing is sent, and for a part of the fields. */
  readonly requests: readonly WireDescription[];
}

export function explanationJson(explanation: Explanation): string {
  const { agree, current, fields, rules, secretRules, reads, notes, requests } = explanation;
  const described = fields.map((field) => {
    const { path, comment: description, privacy: treatment, purpose, reviewed, expires, since } = field;
    return { path, description, source: sourceOf(field), treatment, purpose, reviewed, expires, since };
  });
  const cannotRead = reads && [
    ...listUnreadable(rules, secretRules).map(({ group, what }) => ({ group, resources: what })),
    ...NEVER_READABLE.map((other) => ({ other })),
  ];
  const content = { agree, current, notes, fields: described, requests, rules, secretRules, reads, cannotRead };
  return JSON.stringify(content, undefined, 2);
}

export function explanationText(
  { fields, rules, secretRules, reads, requests }: Explanation,
  intro: readonly string[],
  format: Format,
): string {
  const { width, bold, dim } = format;
  const paragraph = (text: string) => wrap(text.replaceAll('`', ''), width, '');
  const describe = (field: FieldDescription): string => {
    const facts =
      `Source: ${sourceOf(field)}. Treatment: ${field.privacy}. Purpose: ${field.purpose} ` +
      `Since schema version ${field.since}. Reviewed ${field.reviewed}, expires ${field.expires}.`;
    const texts = [wrap(field.comment, width, '      '), dim(wrap(facts, width, '      '))];
    return [bold(`  ${field.path}`), ...texts].join('\n');
  };
  const comments = new Map(fields.map(({ privacy, privacyComment }) => [privacy, privacyComment]));
  const treatments = Array.from(comments, ([name, comment]) => describeTerm([name], comment, format));
  const roles = [
    ['RBAC rules of the smallest ClusterRole (--format=yaml prints it):', rules],
    ['and of the Role in the namespace of the pod, for an empty Secret (--format=yaml prints it):', secretRules],
  ] as const;
  return [
    ...intro.map(paragraph),
    describeList('Fields:', fields.map(describe), format),
    describeList('Treatments:', treatments, format),
    ...requests.flatMap((request) => describeRequest(request, format)),
    ...roles.flatMap(([title, some]) =>
      some.length === 0 ? [] : [describeList(title, some.map(describeRule), format)],
    ),
    ...(reads === undefined ? [] : describeReads(reads, listUnreadable(rules, secretRules), format)),
  ].join('\n\n');
}

function describeList(title: string, entries: readonly string[], { bold }: Format): string {
  return [bold(title), ...entries].join('\n');
}

function describeTerm(names: readonly string[], about: string, { width, accent }: Format): string {
  return [...names.map((name) => `  ${accent(name)}`), wrap(about, width, '      ')].join('\n');
}

function describeReads({ requests, files }: Reads, unreadable: readonly Unreadable[], format: Format): string[] {
  const list = (title: string, entries: Reads['files']): string => {
    const terms = [...Map.groupBy(entries, ({ about }) => about)].map(([about, same]) => {
      const names = same.map(({ name }) => name);
      return describeTerm(names, about, format);
    });
    return describeList(title, terms, format);
  };
  const groups = unreadable.map(({ group, what }) => `${group === '' ? 'core' : group}: ${what.join(', ')}`);
  const wrapped = [...groups, ...NEVER_READABLE].map((text) => wrap(text, format.width, ['  ', '      ']));
  return [
    requests.length === 0
      ? format.bold('There are no requests to the Kubernetes API.')
      : list('Requests to the Kubernetes API, and what is used of the responses:', requests),
    list('Files that are read:', files),
    describeList('What these roles do not let the volunteer read, by API group:', wrapped, format),
  ];
}

function describeRequest({ protocol, headers, connection }: WireDescription, format: Format): string[] {
  const named = headers.map(({ name, value }) => describeTerm([name], value, format));
  const facts = connection.map((fact) => wrap(`  ${fact}`, format.width, '  '));
  return [
    describeList(`Headers of each request (${protocol}):`, named, format),
    describeList('What the connection shows:', facts, format),
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
