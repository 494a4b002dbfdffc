import type { DescEnum, DescMessage } from '@bufbuild/protobuf';
import { NodeSchema } from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import {
  Origin,
  Privacy,
  PrivacySchema,
  Statistic,
  StatisticSchema,
} from '../../gen/spartakus/options/v1/options_pb.js';
import type { CollectedField, PolicyRule } from './collected.ts';
import { COLLECTABLE } from './selection.ts';

/** What a page of what is collected is about. */
export interface CollectedPage {
  /** What stands under the title: what the page is of, as Markdown. */
  readonly intro: string;
  readonly fields: readonly CollectedField[];
  /** The roles to show, each with the sentence that introduces it. */
  readonly roles: readonly { readonly about: string; readonly rules: readonly PolicyRule[] }[];
  /** The comments of the .proto files by descriptor, as its toString() names it: FIELD_DOCS. */
  readonly docs: ReadonlyMap<string, string>;
}

/** The package of the records that Kubermatic's agents make. */
const KUBERMATIC = 'spartakus.kubermatic.v1';

/** What a page says where the volunteer can never look, whatever it is asked to collect. */
const NEVER_READ = ['secrets', 'config maps', 'events', 'logs', 'users'];

/** A page of what is collected, as Markdown: docs/what-is-collected.md, and what `spartakus volunteer explain` prints. */
export function renderCollectedPage({ intro, fields, roles, docs }: CollectedPage): string {
  return `# What is collected

${intro}

- [Every field](#every-field)
- [How values are made anonymous](#how-values-are-made-anonymous)
- [The rights that it takes](#the-rights-that-it-takes)
- [What is read and not sent](#what-is-read-and-not-sent)
- [What is never read](#what-is-never-read)

## Every field

The names are those of the JSON and of the database. "Since" is the version of the schema that brought the field: 1 is what the
original Spartakus sent, and all that a collector of its kind is sent. "With" is what \`--collect\` has to name for it.

${renderFields(fields, docs, { head: 'With', cell: collectedWith })}

## How values are made anonymous

${renderTreatments(fields, docs)}

### What you write yourself

${fields
  .filter(({ origin: who, privacy }) => who === Origin.ADMINISTRATOR && privacy !== Privacy.NESTED)
  .map(({ path }) => code(path))
  .join(
    ', ',
  )} are the administrator's own words. Nobody but the administrator can keep names, addresses and secrets out of them.

## The rights that it takes

${roles.map(({ about, rules }) => `${about}\n\n\`\`\`yaml\n${renderClusterRole(rules)}\n\`\`\``).join('\n\n')}

## What is read and not sent

Kubernetes grants rights to whole objects, not to fields: its answer for a node holds all of the node. The volunteer's decoder knows
the following fields of it and skips all others. Of everything else it asks for the metadata alone, and knows the same of it:

${listPaths(NodeSchema, '')
  .map((path) => `- ${code(path)}`)
  .join('\n')}

The name, the machine id and the system UUID go into \`nodes[].id\` and no further. The uid of the kube-system namespace is the key of
ids; no other uid is used. Namespaces are counted by, and moments of creation averaged, before anything is sent. Of the provider's id
only the part before \`://\` is sent, and only where it is on the list.

## What is never read

With ${roles.length === 1 ? 'this role' : 'the first of these roles'} the volunteer cannot read ${[...NEVER_READ, ...notGranted(roles[0]?.rules ?? [])].join(', ')},
nor can it change anything. Of what it reads, the decoder skips addresses, labels, annotations, taints, conditions and the list of
images (see above).
`;
}

/**
 * The table of fields, and below it what the schema says of each, as Markdown.
 *
 * @param last another column, the last one
 */
export function renderFields(
  fields: readonly CollectedField[],
  docs: ReadonlyMap<string, string>,
  last?: { readonly head: string; readonly cell: (field: CollectedField) => string },
): string {
  const head = [
    'Field',
    'Read from',
    'Made anonymous',
    'To learn',
    'Since',
    ...(last === undefined ? [] : [last.head]),
  ];
  const rows = fields.map((field) => [
    code(field.path),
    origin(field),
    treatmentLink(field.privacy),
    purpose(field, docs),
    String(field.since),
    ...(last === undefined ? [] : [last.cell(field)]),
  ]);
  const comments = [...Map.groupBy(fields, ({ descriptor }) => descriptor)].map(
    ([descriptor, same]) =>
      `${same.map(({ path }) => `**${code(path)}**`).join(', ')}: ${text(docOf(docs, descriptor))}`,
  );
  return [table(head, rows), ...comments].join('\n\n');
}

/** Each treatment of the fields under a heading of the third level, as Markdown. */
export function renderTreatments(fields: readonly CollectedField[], docs: ReadonlyMap<string, string>): string {
  return usedTreatments(fields)
    .map((privacy) => {
      const uses = fields.filter((field) => field.privacy === privacy).map(({ path }) => code(path));
      return `### ${capital(valueName(PrivacySchema, privacy))}\n\n${text(valueDoc(docs, PrivacySchema, privacy))}\n\n${uses.join(', ')}`;
    })
    .join('\n\n');
}

/** A ClusterRole as YAML. Every text is quoted as JSON does it, which YAML reads. */
export function renderClusterRole(rules: readonly PolicyRule[], name = 'spartakus-volunteer'): string {
  const lines = rules.flatMap((rule) =>
    Object.entries(rule).map(
      ([key, values], index) =>
        `${index === 0 ? '  - ' : '    '}${key}: ${JSON.stringify(values).replaceAll('","', '", "')}`,
    ),
  );
  const list = lines.length === 0 ? ['rules: []'] : ['rules:', ...lines];
  return [
    'apiVersion: rbac.authorization.k8s.io/v1',
    'kind: ClusterRole',
    'metadata:',
    `  name: ${name}`,
    ...list,
  ].join('\n');
}

/** What --collect brings and these rules do not allow. */
function notGranted(rules: readonly PolicyRule[]): readonly string[] {
  const can = (resource: string, isNamed: boolean): boolean =>
    rules.some(
      (rule) =>
        'resources' in rule && rule.resources.includes(resource) && (rule.resourceNames !== undefined) === isNamed,
    );
  const namespaces = can('namespaces', true) ? 'namespaces other than kube-system' : 'namespaces';
  const unread = ['nodes', 'pods', 'services', 'deployments', 'jobs'].filter((resource) => !can(resource, false));
  return can('namespaces', false) ? unread : [...unread, namespaces];
}

function usedTreatments(fields: readonly CollectedField[]): Privacy[] {
  return [...new Set(fields.map(({ privacy }) => privacy))].toSorted((a, b) => a - b);
}

function treatmentLink(privacy: Privacy): string {
  const name = valueName(PrivacySchema, privacy);
  return `[${name}](#${name.replaceAll(' ', '-')})`;
}

function purpose({ statistic }: CollectedField, docs: ReadonlyMap<string, string>): string {
  return statistic === Statistic.NONE
    ? ''
    : text(valueDoc(docs, StatisticSchema, statistic))
        .replace(/\.$/, '')
        .replace(/^[A-Z]/, (letter) => letter.toLowerCase());
}

function origin({ origin: who, source, descriptor }: CollectedField): string {
  if (who === Origin.VOLUNTEER)
    return `${descriptor.parent.file.proto.package === KUBERMATIC ? 'the agent' : 'the volunteer'}: ${text(source)}`;
  if (who === Origin.ADMINISTRATOR) return `the administrator: ${text(source)}`;
  return text(source);
}

function collectedWith({ path }: CollectedField): string {
  return COLLECTABLE.find((name) => new RegExp(String.raw`^${name}\b`).test(path)) ?? '';
}

/** The paths of all fields that carry a value, such as `.status.nodeInfo.osImage`, spelt as Kubernetes does: ID and UUID in capitals. */
function listPaths(message: DescMessage, prefix: string): string[] {
  return message.fields.flatMap((field) => {
    if (field.parent.name === 'Time') return field.number === 1 ? [prefix] : [];
    const path = `${prefix}.${field.jsonName.replace(/(Uu|I)d$/, (end) => end.toUpperCase())}`;
    return field.fieldKind === 'message' ? listPaths(field.message, path) : [path];
  });
}

/** The name of an enum's value, as in "keyed hash". */
function valueName(schema: DescEnum, number: number): string {
  return (schema.value[number]?.localName ?? String(number)).toLowerCase().replaceAll('_', ' ');
}

function valueDoc(docs: ReadonlyMap<string, string>, schema: DescEnum, number: number): string {
  return docOf(docs, schema.value[number]);
}

function docOf(docs: ReadonlyMap<string, string>, descriptor: { toString(): string } | undefined): string {
  const doc = docs.get(String(descriptor));
  if (doc === undefined) throw new Error(`There is no comment for ${String(descriptor)}.`);
  return doc;
}

/** A comment on one line, with nothing in it that Markdown takes for its own. */
function text(comment: string): string {
  return comment
    .trim()
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[|<>]/g, String.raw`\$&`);
}

function code(value: string): string {
  return `\`${value}\``;
}

function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
