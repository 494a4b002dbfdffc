import type { DescMessage } from '@bufbuild/protobuf';
import { NodeSchema } from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import { wrap } from '../runtime/wrap.ts';
import { type PolicyRule, renderRole, renderSecretRole } from './cluster-role.ts';
import type { FieldDescription } from './describe-fields.ts';
import { listFields } from './schema-fields.ts';

interface FieldsPage {
  readonly intro: string;
  readonly fields: readonly FieldDescription[];
  /** What requests of these protocols tell beside a report. */
  readonly requests?: readonly RequestDescription[];
  /** The ClusterRoles to print, each with an introduction. */
  readonly roles: readonly { readonly about: string; readonly rules: readonly PolicyRule[] }[];
  /** The Role in the namespace of the volunteer. */
  readonly secretRules: readonly PolicyRule[];
}

interface RequestDescription {
  readonly protocol: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly connection: readonly string[];
}

const MAX_WIDTH = 120;

const SECRET_ROLE =
  'The Role in the namespace of the volunteer, and the Secret for the key of identifiers, which is empty until the first report:';

/** No field of the schema is read from these, so no ClusterRole of the volunteer allows reading them. */
const NEVER_READ = ['secrets', 'config maps', 'events', 'logs', 'users'];

/** The page "What is collected" as Markdown: docs/what-is-collected.md. */
export function renderFieldsPage({ intro, fields, requests = [], roles, secretRules }: FieldsPage): string {
  const written = fields.filter(({ origin, privacy }) => origin === 'administrator' && privacy !== 'nested');
  return `# What is collected

${intro}

- [Fields](#fields)
${requests.length === 0 ? '' : '- [Requests](#requests)\n'}- [Anonymization](#anonymization)
- [Required permissions](#required-permissions)
- [What is read and not sent](#what-is-read-and-not-sent)
- [What is never read](#what-is-never-read)

## Fields

Field names are those of the JSON and of the database. "Since" is the schema version that added the field: version 1 is
the report of the original Spartakus. "Reviewed" is the day on which a person last asked whether the field is still
needed; from the day in "Expires" on, the checks of this project fail until it is reviewed again. A field with a name in the column "--collect" is collected only if \`--collect\`
contains that name (default: nodes, and extensions if \`--extensions\` is set).

${renderFields(fields, 'with --collect')}

${requests.length === 0 ? '' : `${renderRequests(requests)}\n\n`}## Anonymization

${renderTreatments(fields)}

### Values that the administrator writes

${wrapLines(`${written.map(({ path }) => code(path)).join(', ')}: sent as written. Only the administrator can keep names, addresses and secrets out of them.`)}

## Required permissions

${roles.map(({ about, rules }) => `${about}\n\n\`\`\`yaml\n${renderRole('ClusterRole', rules)}\n\`\`\``).join('\n\n')}${secretRules.length === 0 ? '' : `\n\n${SECRET_ROLE}\n\n\`\`\`yaml\n${renderSecretRole(secretRules)}\n\`\`\``}

## What is read and not sent

Kubernetes grants permissions for whole objects, so the response for a node contains the whole node. The volunteer
decodes only the following fields of it and skips all others. For all other objects it requests only the metadata, and
decodes the same fields of it:

${listPaths(NodeSchema, '')
  .map((path) => `- ${code(path)}`)
  .join('\n')}

Name, machine ID and system UUID are only input of the hash \`nodes[].id\`. No UID is used. Namespace names are used to count objects per namespace, and creation times to
compute averages; neither is sent. Of the provider ID, only the part before \`://\` is sent, and only if it is on the
allow list.

## What is never read

${wrapLines(`With ${roles.length === 1 ? 'this ClusterRole' : 'the first of these ClusterRoles'} the volunteer cannot read ${[...NEVER_READ, ...notGranted(roles[0]?.rules ?? [])].join(', ')}, and it cannot change anything${secretRules.length === 0 ? '' : ' but the Secret with its key, which it writes once and reads'}. In the objects that it reads, the decoder skips addresses, labels, annotations, taints, conditions and the list of images (see above).`)}
`;
}

/** A table of fields, and a list with the comment, source and purpose of each, as Markdown. */
export function renderFields(
  fields: readonly FieldDescription[],
  columns: 'with --collect' | 'without --collect',
): string {
  const cells = (row: readonly string[]): readonly string[] => (columns === 'with --collect' ? row : row.slice(0, -1));
  const head = cells(['Field', 'Anonymization', 'Since', 'Reviewed', 'Expires', '--collect']);
  const rows = fields.map(({ path, privacy, since, reviewed, expires, collect }) =>
    cells([code(path), `[${privacy}](#${privacy.replaceAll(' ', '-')})`, String(since), reviewed, expires, collect]),
  );
  // Fields of a message that is used several times have the same description.
  const same = Map.groupBy(fields, ({ comment, source }) => JSON.stringify([comment, source]));
  const list = [...same.values()].map((group) => renderField(group, group[0] as FieldDescription)).join('\n');
  return `${table(head, rows)}\n\n${list}`;
}

function renderField(same: readonly FieldDescription[], field: FieldDescription): string {
  const { comment, origin, source, purpose } = field;
  const lines = [
    wrapLines(`${same.map(({ path }) => `**${code(path)}**`).join(', ')}: ${escape(comment)}`, '- ', '  '),
    wrapLines(`Source: ${origin === 'Kubernetes' ? '' : `the ${origin}, `}${escape(source)}`, '  - ', '    '),
    wrapLines(`Purpose: ${escape(purpose)}`, '  - ', '    '),
  ];
  return lines.join('\n');
}

/** What requests tell beside their content, as Markdown. */
export function renderRequests(requests: readonly RequestDescription[]): string {
  const about = 'A collector also receives what a request is made of, and sees what a connection shows.';
  return ['## Requests', about, ...requests.map(renderRequest)].join('\n\n');
}

function renderRequest({ protocol, headers, connection }: RequestDescription): string {
  const rows = headers.map(({ name, value }) => [code(name), value]);
  const facts = connection.map((fact) => wrapLines(fact, '- ', '  ')).join('\n');
  return `### ${protocol}\n\n${table(['Header', 'Value'], rows)}\n\n${facts}`;
}

/** The anonymizations of the fields, each under a heading of level 3, as Markdown. */
export function renderTreatments(fields: readonly FieldDescription[]): string {
  return [...Map.groupBy(fields, ({ privacy }) => privacy)]
    .map(([privacy, group]) =>
      [
        `### ${privacy.charAt(0).toUpperCase()}${privacy.slice(1)}`,
        wrapLines(escape(group[0]?.privacyComment ?? '')),
        wrapLines(group.map(({ path }) => code(path)).join(', ')),
      ].join('\n\n'),
    )
    .join('\n\n');
}

/** The resources that fields are read from and these rules do not allow. */
function notGranted(rules: readonly PolicyRule[]): readonly string[] {
  const granted = rules.flatMap((rule) => ('resources' in rule && !('resourceNames' in rule) ? rule.resources : []));
  const byName = rules.flatMap((rule) => ('resourceNames' in rule ? rule.resources : []));
  const all = new Set(listFields().flatMap(({ rbac }) => rbac.map(({ resource }) => resource)));
  return [...all]
    .filter((resource) => resource !== '' && !granted.includes(resource))
    .map((resource) => (byName.includes(resource) ? `${resource} other than kube-system` : resource));
}

/** The paths of all scalar fields, such as `.status.nodeInfo.osImage`. As in Kubernetes, ID and UUID are in capitals. */
function listPaths(message: DescMessage, prefix: string): string[] {
  return message.fields.flatMap((field) => {
    if (field.parent.name === 'Time') return field.number === 1 ? [prefix] : [];
    const path = `${prefix}.${field.jsonName.replace(/(Uui|I)d$/, (end) => end.toUpperCase())}`;
    return field.fieldKind === 'message' ? listPaths(field.message, path) : [path];
  });
}

function escape(comment: string): string {
  return comment.replaceAll(/[|<>]/g, String.raw`\$&`);
}

function code(value: string): string {
  return `\`${value}\``;
}

function wrapLines(text: string, first = '', other = first): string {
  return wrap(text, MAX_WIDTH, [first, other]);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [head, widths.map((width) => '-'.repeat(width)), ...rows].map(line).join('\n');
}
