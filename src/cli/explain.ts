import { DATABASE_FORMS } from '../delivery/open-sink.ts';
import { renderClusterRole } from '../report/cluster-role.ts';
import { describeFields } from '../report/describe-fields.ts';
import { renderFieldsPage } from '../report/fields-page.ts';
import { CURRENT_SCHEMA_VERSION, parseSchemaVersion } from '../report/schema-version.ts';
import { type GatherConfig, selectFields } from '../volunteer/gather/gather.ts';
import { AUTO_CLUSTER_ID } from '../volunteer/gather/id-key.ts';
import { listRequiredRules } from '../volunteer/gather/rbac-rules.ts';
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
    'Describes every field that a volunteer with the same flags may report, with its source and anonymization, and the smallest ClusterRole. ' +
    'Does not read the cluster, and sends nothing.',
  databases: DATABASE_FORMS,
  flags: {
    ...group('Output', {
      format: {
        name: 'format',
        placeholder: FORMATS.join('|'),
        default: 'text',
        help: 'Print text, a Markdown page, the ClusterRole as YAML for kubectl apply, or JSON.',
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
    const explanation = explain({ ...values, clusterId: values.clusterId ?? '', schemaVersion }, since);
    stdout.write(`${render(explanation, format, formatFor(stdout, env)).trimEnd()}\n`);
    return 0;
  },
});

function explain(config: GatherConfig, since = 0): Explanation {
  const selection = selectFields(config);
  const fields = selection.fields.filter((field) => field.since > since);
  return {
    schemaVersion: config.schemaVersion ?? CURRENT_SCHEMA_VERSION,
    since,
    fields: describeFields(fields),
    rules: listRequiredRules(config, selection, fields),
    notes: notesOf(config),
  };
}

function render(explanation: Explanation, format: (typeof FORMATS)[number], output: Format): string {
  const { schemaVersion, since, fields, rules, notes } = explanation;
  if (format === 'yaml') return renderClusterRole(rules);
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
  return renderFieldsPage({ intro: intro.join('\n\n'), fields, roles });
}

function notesOf({ clusterId, nodeId, idKeyFile }: GatherConfig): readonly string[] {
  const notes = [
    nodeId === 'md5' &&
      '`--node-id md5`: `nodes[].id` is the MD5 of the original Spartakus, without a key. Recipients can guess node names.',
    clusterId === AUTO_CLUSTER_ID &&
      '`--cluster-id auto`: `clusterID` is a keyed hash that does not describe the cluster. It changes only with its key.',
    idKeyFile !== undefined &&
      '`--id-key-file`: the content of the file is the secret key for identifiers; the UID of kube-system is not read.',
  ];
  return notes.filter((note) => note !== false);
}
