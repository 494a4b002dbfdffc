import { FIELD_DOCS } from '../../gen/field-docs.ts';
import { Origin, PrivacySchema } from '../../gen/spartakus/options/v1/options_pb.js';
import type { CollectedField, PolicyRule } from '../report/collected.ts';
import { type Format, wrap } from './help.ts';

/** What a volunteer may report with given flags, and the rights that it needs for it. */
export interface Explanation {
  readonly schemaVersion: number;
  /** Fields of this schema version and older ones are left out. */
  readonly since: number;
  readonly fields: readonly CollectedField[];
  readonly rules: readonly PolicyRule[];
  /** One sentence per flag that changes the treatment of fields. */
  readonly notes: readonly string[];
}

/** For machines: the fields and the rules of the ClusterRole. */
export function explanationJson({ schemaVersion, fields, rules, notes }: Explanation): string {
  const described = fields.map((field) => ({
    path: field.path,
    description: docOf(field.descriptor),
    source: sourceOf(field),
    treatment: treatmentOf(field),
    since: field.since,
  }));
  return JSON.stringify({ schemaVersion, notes, fields: described, rules }, undefined, 2);
}

/** For people: paragraphs that fit the terminal. */
export function explanationText({ fields, rules }: Explanation, intro: readonly string[], format: Format): string {
  const { width, bold, accent, dim } = format;
  const paragraph = (text: string) => wrap(text.replaceAll('`', ''), width, '');
  const describe = (field: CollectedField): string => {
    const facts = `Source: ${sourceOf(field)}. Treatment: ${treatmentOf(field)}. Since schema version ${field.since}.`;
    return [
      bold(`  ${field.path}`),
      wrap(docOf(field.descriptor), width, '      '),
      dim(wrap(facts, width, '      ')),
    ].join('\n');
  };
  const treatments = [...new Set(fields.map(({ privacy }) => privacy))].toSorted((a, b) => a - b);
  return [
    ...intro.map(paragraph),
    `${bold('Fields:')}\n${fields.map(describe).join('\n')}`,
    [
      bold('Treatments:'),
      ...treatments.map((privacy) =>
        [`  ${accent(treatmentOf({ privacy }))}`, wrap(docOf(PrivacySchema.value[privacy]), width, '      ')].join(
          '\n',
        ),
      ),
    ].join('\n'),
    [bold('RBAC rules of the smallest ClusterRole (--format=yaml prints it):'), ...rules.map(describeRule)].join('\n'),
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

function sourceOf({ origin, source }: CollectedField): string {
  const prefix =
    { [Origin.ADMINISTRATOR]: 'administrator, ', [Origin.VOLUNTEER]: 'volunteer, ' }[origin as number] ?? '';
  return prefix + source;
}

/** Such as "keyed hash". */
function treatmentOf({ privacy }: Pick<CollectedField, 'privacy'>): string {
  return (PrivacySchema.value[privacy]?.localName ?? String(privacy)).toLowerCase().replaceAll('_', ' ');
}

function docOf(descriptor: { toString(): string } | undefined): string {
  return (FIELD_DOCS.get(String(descriptor)) ?? '').trim().replaceAll(/\s+/g, ' ');
}
