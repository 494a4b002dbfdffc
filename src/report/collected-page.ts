import type { DescEnum, DescMessage } from '@bufbuild/protobuf';

import { NodeSchema } from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import { Origin, Privacy, PrivacySchema, Statistic, StatisticSchema } from '../../gen/spartakus/options/v1/options_pb.js';
import { type CollectedField, listCollected, listRules, type PolicyRule } from './collected.ts';

/**
 * The page of what is collected, docs/what-is-collected.md.
 *
 * @param docs the comments of the .proto files by descriptor, as its toString() names it; the generated code has none at run time
 */
export function renderCollectedPage(docs: ReadonlyMap<string, string>): string {
  const fields = listCollected();
  return `# What is collected

<!-- Generated from the field options of proto/spartakus/report/v1/report.proto by \`npm run docs\`. Do not edit. -->

A report holds what this page lists and nothing else: the page is made from the schema that every report is encoded with, and
CI fails where the two differ. To see a report of your own cluster before anybody else does, run
\`spartakus volunteer --cluster-id test --period 0\`: without \`--database\` it prints the report and sends nothing.

- [Every field](#every-field)
- [How values are made anonymous](#how-values-are-made-anonymous)
- [The rights that it takes](#the-rights-that-it-takes)
- [What is read and not sent](#what-is-read-and-not-sent)
- [What is never read](#what-is-never-read)

## Every field

The names are those of the JSON and of the database. "Since" is the version of the schema that brought the field: 1 is what the
original Spartakus sent, and all that a collector of its kind is sent.

${table(
  ['Field', 'Read from', 'Made anonymous', 'To learn', 'Since'],
  fields.map((field) => [code(field.path), origin(field), treatmentLink(field.privacy), purpose(field, docs), String(field.since)]),
)}

${fields.map((field) => `**${code(field.path)}**: ${text(docOf(docs, field.descriptor))}`).join('\n\n')}

## How values are made anonymous

${usedTreatments(fields)
  .map((privacy) => {
    const uses = fields.filter((field) => field.privacy === privacy).map(({ path }) => code(path));
    return `### ${capital(valueName(PrivacySchema, privacy))}\n\n${text(valueDoc(docs, PrivacySchema, privacy))}\n\n${uses.join(', ')}`;
  })
  .join('\n\n')}

### What you write yourself

${fields
  .filter(({ origin: who, privacy }) => who === Origin.ADMINISTRATOR && privacy !== Privacy.NESTED)
  .map(({ path }) => code(path))
  .join(', ')} are the administrator's own words. Nobody but the administrator can keep names, addresses and secrets out of them.

## The rights that it takes

The smallest ClusterRole that a report takes, as the fields ask for it:

\`\`\`yaml
${renderClusterRole(listRules(fields))}
\`\`\`

## What is read and not sent

Kubernetes grants rights to whole objects, not to fields: its answer for a node holds all of the node. The volunteer's decoder knows
the following fields of it and skips all others. For namespaces, pods and other workloads it asks for their metadata alone, of which it
knows the same:

${listPaths(NodeSchema, '')
  .map((path) => `- ${code(path)}`)
  .join('\n')}

The name, the machine id and the system UUID go into \`nodes[].id\` and no further, and so does the uid of the kube-system
namespace, which is its key. The uids of nodes and the names of all else are not used; namespaces are counted by, and moments of creation averaged. Of the provider's id only the part before \`://\` is sent, and only where
it is on the list.

## What is never read

With this role the volunteer cannot read pods, secrets, config maps, events, logs, services, users, or namespaces other than
kube-system, nor can it change anything. Of the nodes, the decoder skips addresses, labels, annotations, taints, conditions and the list
of images (see above).
`;
}

/** A ClusterRole as YAML. Every text is quoted as JSON does it, which YAML reads. */
export function renderClusterRole(rules: readonly PolicyRule[]): string {
  const lines = rules.flatMap((rule) =>
    Object.entries(rule).map(([key, values], index) => `${index === 0 ? '  - ' : '    '}${key}: ${JSON.stringify(values).replaceAll('","', '", "')}`),
  );
  return ['apiVersion: rbac.authorization.k8s.io/v1', 'kind: ClusterRole', 'metadata:', '  name: spartakus-volunteer', 'rules:', ...lines].join('\n');
}

function usedTreatments(fields: readonly CollectedField[]): Privacy[] {
  return [...new Set(fields.map(({ privacy }) => privacy))].toSorted((a, b) => a - b);
}

function treatmentLink(privacy: Privacy): string {
  const name = valueName(PrivacySchema, privacy);
  return `[${name}](#${name.replaceAll(' ', '-')})`;
}

function purpose({ statistic }: CollectedField, docs: ReadonlyMap<string, string>): string {
  return statistic === Statistic.NONE ? '' : text(valueDoc(docs, StatisticSchema, statistic)).replace(/\.$/, '').replace(/^[A-Z]/, (letter) => letter.toLowerCase());
}

function origin({ origin: who, source }: CollectedField): string {
  if (who === Origin.VOLUNTEER) return `the volunteer: ${text(source)}`;
  if (who === Origin.ADMINISTRATOR) return `the administrator: ${text(source)}`;
  return text(source);
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
  return comment.trim().replaceAll(/\s+/g, ' ').replaceAll(/[|<>]/g, String.raw`\$&`);
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
