import { wrap } from '../runtime/wrap.ts';
import { type PolicyRule, renderRole, renderSecretRole } from './cluster-role.ts';
import { METADATA_PATHS, NODE_PATHS } from './decoded-paths.ts';
import type { FieldDescription } from './describe-fields.ts';
import { listUnreadable, NEVER_READABLE } from './kubernetes-resources.ts';

interface FieldsPage {
  readonly intro: string;
  readonly fields: readonly FieldDescription[];
  /** What requests of these protocols tell beside a report. */
  readonly requests?: readonly WireDescription[];
  /** The ClusterRoles to print, each with an introduction. */
  readonly roles: readonly { readonly about: string; readonly rules: readonly PolicyRule[] }[];
  /** The Role in the namespace of the volunteer. */
  readonly secretRules: readonly PolicyRule[];
  /** Absent for a part of the fields. */
  readonly reads?: Reads | undefined;
}

/** A request or a file, and what is used of it. */
export interface Read {
  readonly name: string;
  readonly about: string;
}

export interface Reads {
  /** All requests to the Kubernetes API, without their queries. */
  readonly requests: readonly Read[];
  readonly files: readonly Read[];
}

/** What a collector learns from a request beside the report in it. */
export interface WireDescription {
  /** Such as "gRPC". */
  readonly protocol: string;
  /** Names are in lower case; the parts of the request line as in HTTP/2, such as ":path". */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  /** One sentence for each fact that the connection itself shows. */
  readonly connection: readonly string[];
}

const MAX_WIDTH = 120;

const SECRET_ROLE =
  'The Role in the namespace of the volunteer, and the Secret for the key of identifiers, which is empty until the first report:';

/** The page "What is collected" as Markdown: docs/what-is-collected.md. */
export function renderFieldsPage({ intro, fields, requests = [], roles, secretRules, reads }: FieldsPage): string {
  const written = fields.filter(({ origin, privacy }) => origin === 'administrator' && privacy !== 'nested');
  return `# What is collected

${intro}

- [Fields](#fields)
${requests.length === 0 ? '' : '- [Requests](#requests)\n'}- [Anonymization](#anonymization)
- [Required permissions](#required-permissions)${reads === undefined ? '' : READS_CONTENTS}

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

${roles.map(({ about, rules }) => `${about}\n\n\`\`\`yaml\n${renderRole('ClusterRole', rules)}\n\`\`\``).join('\n\n')}${secretRules.length === 0 ? '' : `\n\n${SECRET_ROLE}\n\n\`\`\`yaml\n${renderSecretRole(secretRules)}\n\`\`\``}${reads === undefined ? '' : `\n\n${renderReads(reads, fields, roles, secretRules)}`}
`;
}

const READS_CONTENTS = `
- [What is read](#what-is-read)
- [What is read and not sent](#what-is-read-and-not-sent)
- [What is never read](#what-is-never-read)`;

function renderReads(
  { requests, files }: Reads,
  fields: readonly FieldDescription[],
  roles: FieldsPage['roles'],
  secretRules: readonly PolicyRule[],
): string {
  const rules = roles.flatMap((role) => role.rules);
  const list = (reads: readonly Read[]): string =>
    [...Map.groupBy(reads, ({ about }) => about)]
      .map(([about, same]) => wrapLines(`${same.map(({ name }) => code(name)).join(', ')}: ${about}`, '- ', '  '))
      .join('\n');
  return [
    '## What is read',
    requests.length === 0 ? 'There are no requests to the Kubernetes API.' : 'The requests to the Kubernetes API:',
    list(requests),
    'The files, beside those that Node.js and the operating system need:',
    list(files),
    '## What is read and not sent',
    describeUnsent(fields, rules),
    '## What is never read',
    describeUnreadable(roles, secretRules),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function describeUnsent(fields: readonly FieldDescription[], rules: readonly PolicyRule[]): string {
  const has = (pattern: RegExp): boolean => fields.some(({ path }) => pattern.test(path));
  const listed = rules.flatMap((rule) => ('resources' in rule ? rule.resources : []));
  const uid = rules.some((rule) => 'resourceNames' in rule)
    ? 'Of the UIDs, only that of the namespace kube-system is used: it is the key of identifiers, and is not sent.'
    : 'No UID is used.';
  const hasNodes = listed.includes('nodes');
  const ofNodes =
    'Kubernetes grants permissions for whole objects, so the response for a node contains the whole node. The volunteer decodes only the following fields of it and skips all others:';
  const ofOthers = `Of ${hasNodes ? 'all other' : 'all'} objects it requests only the metadata, and decodes:`;
  const parts = [
    ...(hasNodes ? [wrapLines(ofNodes), listOf(NODE_PATHS)] : []),
    ...(listed.some((resource) => resource !== 'nodes') ? [wrapLines(ofOthers), listOf(METADATA_PATHS)] : []),
    wrapLines(
      [
        has(/^nodes\[\]\.id$/) && 'Name, machine ID and system UUID are only input of the hash `nodes[].id`.',
        listed.length > 0 && uid,
        has(/^(namespaces|workloads|lifetimes)\b/) &&
          'Namespace names are used to count objects per namespace, and creation times to compute averages; neither is sent.',
        has(/^nodes\[\]\.cloudProvider$/) &&
          'Of the provider ID, only the part before `://` is sent, and only if it is on the allow list.',
      ]
        .filter((text) => text !== false)
        .join(' '),
    ),
  ].filter((text) => text !== '');
  return parts.length === 0 ? 'Nothing of the cluster, beside the other fields of its version.' : parts.join('\n\n');
}

function describeUnreadable(roles: FieldsPage['roles'], secretRules: readonly PolicyRule[]): string {
  const subject = roles.length === 1 ? 'this ClusterRole' : 'the first of these ClusterRoles';
  const also = secretRules.length === 0 ? '' : ' and this Role';
  const groups = listUnreadable(roles[0]?.rules ?? [], secretRules).map(({ group, what }) => {
    const of = group === '' ? 'the core group' : code(group);
    return wrapLines(`${of}: ${what.join(', ')}`, '- ', '  ');
  });
  return [
    wrapLines(
      `RBAC denies what no rule allows. With ${subject}${also}, the volunteer cannot read these resources of Kubernetes:`,
    ),
    groups.join('\n'),
    'and nothing of',
    NEVER_READABLE.map((what) => wrapLines(what, '- ', '  ')).join('\n'),
    wrapLines(
      `It cannot change anything${secretRules.length === 0 ? '' : ' but the Secret with its key, which it writes once and reads'}. Kubernetes also lets every service account ask for the versions, resources and health of the API, and for its own rights; other roles that are bound to the service account add to this. In the objects that it reads, the decoder skips addresses, labels, annotations, taints, conditions and the list of images.`,
    ),
  ].join('\n\n');
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
export function renderRequests(requests: readonly WireDescription[]): string {
  const about = 'A collector also receives what a request is made of, and sees what a connection shows.';
  return ['## Requests', about, ...requests.map(renderRequest)].join('\n\n');
}

function renderRequest({ protocol, headers, connection }: WireDescription): string {
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

function escape(comment: string): string {
  return comment.replaceAll(/[|<>]/g, String.raw`\$&`);
}

function code(value: string): string {
  return `\`${value}\``;
}

function listOf(paths: readonly string[]): string {
  return paths.map((path) => `- ${code(path)}`).join('\n');
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
