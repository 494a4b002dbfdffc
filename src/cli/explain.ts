import { DATABASE_FORMS } from '../delivery/open-sink.ts';
import type { KubernetesConfig } from '../kubernetes/client.ts';
import { renderRole } from '../report/cluster-role.ts';
import { describeFields } from '../report/describe-fields.ts';
import type { FieldSelection } from '../report/field-selection.ts';
import { renderFieldsPage } from '../report/fields-page.ts';
import { CURRENT_SCHEMA_VERSION, parseSchemaVersion } from '../report/schema-version.ts';
import { type GatherConfig, selectFields } from '../volunteer/gather/gather.ts';
import { AUTO_CLUSTER_ID, isClusterIdHashed, KUBE_SYSTEM_CONSEQUENCE, needsKey } from '../volunteer/gather/id-key.ts';
import { resolveIds } from '../volunteer/gather/id-scope.ts';
import { listRequiredRules, listSecretRules } from '../volunteer/gather/rbac-rules.ts';
import { readSchemaVersion } from '../volunteer/gather/schema-version-file.ts';
import { createCommand } from './command.ts';
import { type Explanation, explanationJson, explanationText } from './explain-formats.ts';
import { group } from './flags.ts';
import { validateGathering } from './gather-flags.ts';
import { type Format, formatFor } from './help.ts';
import { parseChoice } from './values.ts';
import { VOLUNTEER_FLAGS } from './volunteer.ts';

const FORMATS = ['text', 'markdown', 'yaml', 'json'] as const;

export const explainCommand = createCommand({
  name: 'volunteer explain',
  description:
    'Describes every field that a volunteer with the same flags may report, with its source and anonymization, and the smallest RBAC roles. ' +
    'Does not read the cluster, and sends nothing.',
  databases: DATABASE_FORMS,
  flags: {
    ...group('Output', {
      format: {
        name: 'format',
        placeholder: FORMATS.join('|'),
        default: 'text',
        help: 'Print text, a Markdown page, the ClusterRole and the Role as YAML for kubectl apply, or JSON.',
        parse: (text) => parseChoice(text, FORMATS),
      },
      since: {
        name: 'since',
        placeholder: 'NUMBER',
        help: 'Describe only fields that are newer than this schema version.',
        parse: (text) => {
          const version = parseSchemaVersion(text);
          if (version === undefined) throw new Error(`${JSON.stringify(text)} is not a schema version: use 1 or more`);
          return version;
        },
      },
    }),
    ...VOLUNTEER_FLAGS,
    clusterId: { ...VOLUNTEER_FLAGS.clusterId, required: undefined },
  },
  validate: validateGathering,
  async run({ format, since, ...values }, { stdout, env }) {
    const schemaVersion = await readSchemaVersion(values.schemaVersion, values.spoolDir, { keep: false });
    const explanation = explain(resolveIds({ ...values, clusterId: values.clusterId ?? '', schemaVersion }), since);
    stdout.write(`${render(explanation, format, formatFor(stdout, env)).trimEnd()}\n`);
    return 0;
  },
});

function explain(config: GatherConfig & KubernetesConfig, since = 0): Explanation {
  const selection = selectFields(config);
  const fields = selection.fields.filter((field) => field.since > since);
  return {
    schemaVersion: config.schemaVersion ?? CURRENT_SCHEMA_VERSION,
    since,
    fields: describeFields(fields),
    rules: listRequiredRules(config, selection, fields),
    secretRules: listSecretRules(config, selection, fields),
    notes: notesOf(config, selection),
  };
}

function render(explanation: Explanation, format: (typeof FORMATS)[number], output: Format): string {
  const { schemaVersion, since, fields, rules, secretRules, notes } = explanation;
  if (format === 'yaml') {
    const role = secretRules.length === 0 ? [] : [renderRole('Role', secretRules)];
    return [renderRole('ClusterRole', rules), ...role].join('\n---\n');
  }
  if (format === 'json') return explanationJson(explanation);
  if (fields.length === 0)
    return `With these flags and schema version ${schemaVersion}, a report has no field that is newer than version ${since}.`;
  const intro = [
    `These fields${since === 0 ? '' : `, newer than version ${since},`} can be in a report with these flags and schema version ${schemaVersion}. To print a report ` +
      'without sending it, run the volunteer with `--period 0 --database stdout`.',
    ...notes,
  ];
  if (format === 'text') return explanationText(explanation, intro, output);
  const roles = [{ about: 'The smallest ClusterRole for these fields:', rules }];
  return renderFieldsPage({ intro: intro.join('\n\n'), fields, roles, secretRules });
}

function notesOf(config: GatherConfig, selection: FieldSelection): readonly string[] {
  const { clusterId, nodeId, idKey, idKeyFile, idScope } = config;
  const notes = [
    nodeId === 'md5' &&
      '`--node-id md5`: `nodes[].id` is the MD5 of the original Spartakus, without a key. Recipients can guess node names.',
    clusterId === AUTO_CLUSTER_ID &&
      '`--cluster-id auto`: `clusterID` is a keyed hash that does not describe the cluster. It changes only with the key and the scope.',
    clusterId !== AUTO_CLUSTER_ID &&
      isClusterIdHashed(config) &&
      '`--cluster-id` is not a random UUID, so `clusterID` is a keyed hash of it. `--cluster-id-verbatim` sends it as it is.',
    needsKey(config, selection) &&
      `Identifiers depend on the secret key, on the cluster ID and on the scope \`${idScope}\` (\`--id-scope\`), so they cannot be joined with those of other recipients.`,
    idKeyFile !== undefined && '`--id-key-file`: the content of the file is the secret key for identifiers.',
    idKey === 'kube-system' && `\`--id-key kube-system\`: ${KUBE_SYSTEM_CONSEQUENCE}`,
  ];
  return notes.filter((note) => note !== false);
}
