import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { ClientCredentialsConfig } from '../delivery/client-credentials.ts';
import { DATABASE_FORMS, parseDatabase } from '../delivery/open-sink.ts';
import { proxyFor } from '../delivery/transport/proxy.ts';
import { describeWire, listReporterRequests, type WireDescription } from '../delivery/transport/wire.ts';
import { listRules, renderClusterRole } from '../report/cluster-role.ts';
import { describeFields } from '../report/describe-fields.ts';
import { renderFields, renderFieldsPage, renderRequests, renderTreatments } from '../report/fields-page.ts';
import { listFields } from '../report/schema-fields.ts';
import { CURRENT_SCHEMA_VERSION, isAgreed, parseSchemaVersion } from '../report/schema-version.ts';
import { type GatherConfig, selectFields } from '../volunteer/gather/gather.ts';
import { AUTO_CLUSTER_ID } from '../volunteer/gather/id-key.ts';
import { listRequiredRules } from '../volunteer/gather/rbac-rules.ts';
import { createCommand } from './command.ts';
import { type Explanation, explanationJson, explanationText } from './explain-formats.ts';
import { group } from './flags.ts';
import { validateGathering } from './gather-flags.ts';
import { type Format, formatFor } from './help.ts';
import { parseChoice, SWITCH } from './values.ts';
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
      diff: {
        name: 'diff',
        placeholder: 'NUMBER',
        help: 'Describe only what this release has that is newer than this version of the schema, and what raising --agree would send.',
        parse: (text) => {
          const version = parseSchemaVersion(text);
          if (version === undefined) throw new Error(`${JSON.stringify(text)} is not a schema version: use 1 or more`);
          return version;
        },
      },
    }),
    ...group('Contents', {
      records: {
        name: 'records',
        ...SWITCH,
        help: "Describe the records of Kubermatic's agents instead of reports. Of the other flags, only --agree has a meaning for them.",
      },
    }),
    ...VOLUNTEER_FLAGS,
    clusterId: { ...VOLUNTEER_FLAGS.clusterId, required: undefined },
  },
  validate: validateGathering,
  run({ format, diff, ...values }, { stdout, env }) {
    const requests = diff === undefined ? listRequests(values, env) : [];
    const explanation = { ...explain({ ...values, clusterId: values.clusterId ?? '' }, diff), requests };
    stdout.write(`${render(explanation, format, formatFor(stdout, env), values.records).trimEnd()}\n`);
    return Promise.resolve(0);
  },
});

/** The requests to the collector in --database, or those that the reporter can send; none where nothing is sent. */
function listRequests(
  { database, tokenFile, certFile, records }: RequestConfig,
  env: NodeJS.ProcessEnv,
): readonly WireDescription[] {
  if (records) return listReporterRequests();
  const parsed = parseDatabase(database);
  if (parsed.transport === 'stdout') return [];
  const request = describeWire({
    sender: 'volunteer',
    transport: parsed.transport,
    tls: parsed.transport === 'grpc' ? parsed.target.tls : parsed.url.protocol === 'https:',
    proxy: proxyFor(parsed.target, env) !== undefined,
    token: tokenFile !== undefined,
    clientCertificate: certFile !== undefined,
  });
  return [request];
}

interface RequestConfig extends ClientCredentialsConfig {
  readonly database: string;
  readonly records: boolean;
}

const RECORD_NOTES = [
  'Agents write these fields to files, and send nothing. The reporter sends the files together with a version, the time, and `--client-uuid`.',
];

interface ExplainConfig extends GatherConfig {
  readonly agree: number;
  readonly records: boolean;
}

/** @param diff describes only what is newer, whether it is agreed to or not */
function explain(config: ExplainConfig, diff = 0): Omit<Explanation, 'requests'> {
  const agree = diff === 0 ? config.agree : CURRENT_SCHEMA_VERSION;
  const about = { agree: config.agree, current: CURRENT_SCHEMA_VERSION, diff };
  if (config.records) {
    const fields = listFields(RecordSchema).filter((field) => isAgreed(field, agree) && !isAgreed(field, diff));
    return { ...about, fields: describeFields(fields), rules: listRules(fields), notes: RECORD_NOTES };
  }
  const selection = selectFields({ ...config, agree });
  const fields = selection.fields.filter((field) => !isAgreed(field, diff));
  const rules = listRequiredRules(config, selection, fields);
  return { ...about, fields: describeFields(fields), rules, notes: notesOf(config) };
}

function render(explanation: Explanation, format: (typeof FORMATS)[number], output: Format, records: boolean): string {
  const { agree, current, diff, fields, rules, notes, requests } = explanation;
  if (format === 'yaml') return renderClusterRole(rules);
  if (format === 'json') return explanationJson(explanation);
  const subject = records ? 'record' : 'report';
  if (fields.length === 0)
    return `With these flags, nothing in a ${subject} is newer than version ${diff}; this release has version ${current}.`;
  const intro = [
    diff === 0
      ? `These fields can be in a ${subject} with these flags: those up to version ${agree} of the schema (\`--agree ${agree}\`); this release has version ${current}. An upgrade does not change that number.`
      : `These fields are newer than version ${diff} of the schema, or their anonymization is. They are sent with \`--agree ${current}\`; now, fields up to version ${agree} are.`,
    records
      ? 'To print the records that agents wrote, as they would be sent, run `spartakus reporter stdout`.'
      : 'To print a report without sending it, run the volunteer with the same flags and `--dry-run`.',
    ...notes,
  ];
  if (format === 'text') return explanationText(explanation, intro, output);
  if (records) {
    const parts = ['# What agents collect', ...intro, '## Fields', renderFields(fields, 'without --collect')];
    return [...parts, renderRequests(requests), '## Anonymization', renderTreatments(fields)].join('\n\n');
  }
  const roles = [{ about: 'The smallest ClusterRole for these fields:', rules }];
  return renderFieldsPage({ intro: intro.join('\n\n'), fields, roles, requests });
}

function notesOf({ clusterId, nodeId, idKeyFile, database = '' }: GatherConfig): readonly string[] {
  const notes = [
    (database === '' || database === 'stdout') &&
      'Without a collector in `--database`, nothing is sent. With one, this page also lists what each request tells beside the report.',
    /^https?:/i.test(database) &&
      '`--database http(s)://` sends the fields of version 1 of the schema, and no others, whatever `--collect` names.',
    nodeId === 'md5' &&
      '`--node-id md5`: `nodes[].id` is the MD5 of the original Spartakus, without a key. Recipients can guess node names.',
    clusterId === AUTO_CLUSTER_ID &&
      '`--cluster-id auto`: `clusterID` is a keyed hash that does not describe the cluster. It changes only with its key.',
    idKeyFile !== undefined &&
      '`--id-key-file`: the content of the file is the secret key for identifiers; the UID of kube-system is not read.',
  ];
  return notes.filter((note) => note !== false);
}
