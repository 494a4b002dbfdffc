import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { ClientCredentialsConfig } from '../delivery/client-credentials.ts';
import { type Database, DATABASE_FORMS } from '../delivery/open-sink.ts';
import { proxyFor } from '../delivery/transport/proxy.ts';
import { describeWire, listReporterRequests } from '../delivery/transport/wire.ts';
import { RECORD_ID_SCOPE } from '../kubermatic/gather/record.ts';
import { renderRoles } from '../report/cluster-role.ts';
import { describeFields } from '../report/describe-fields.ts';
import type { FieldSelection } from '../report/field-selection.ts';
import {
  renderFields,
  renderFieldsPage,
  renderRequests,
  renderTreatments,
  type WireDescription,
} from '../report/fields-page.ts';
import { listFields } from '../report/schema-fields.ts';
import { CURRENT_SCHEMA_VERSION, isAgreed, parseSchemaVersion } from '../report/schema-version.ts';
import { selectFields } from '../volunteer/gather/gather.ts';
import { AUTO_CLUSTER_ID, isClusterIdHashed, KUBE_SYSTEM_CONSEQUENCE, needsKey } from '../volunteer/gather/id-key.ts';
import { resolveIds } from '../volunteer/gather/id-scope.ts';
import { listRequiredRules, listSecretRules } from '../volunteer/gather/rbac-rules.ts';
import { listReads, type ReadsConfig } from '../volunteer/reads.ts';
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
    'Describes every field that a volunteer with the same flags may report, with its source and anonymization, the requests and files that ' +
    'are read for them, and the smallest RBAC roles. Does not read the cluster, and sends nothing.',
  databases: DATABASE_FORMS,
  flags: {
    ...group('Output', {
      format: {
        name: 'format',
        placeholder: FORMATS.join('|'),
        default: 'text',
        help: 'Print text, a Markdown page, the ClusterRole, the Role and its empty Secret as YAML for kubectl apply, or JSON.',
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
  async validate(values) {
    const problems = [
      values.diff !== undefined &&
        '--diff has only the rights of newer fields, and kubectl would replace the roles by them: remove it for --format yaml',
      values.records === true &&
        '--records has no --format yaml: the roles of agents depend on the seeds, and are in deploy/kubermatic',
    ];
    const ofYaml = values.format === 'yaml' ? problems.filter((problem) => problem !== false) : [];
    return [...ofYaml, ...(await validateGathering(values))];
  },
  run({ format, diff, ...values }, { stdout, env }) {
    const requests = diff === undefined ? listRequests(values, env) : [];
    const explanation = { ...explain(resolveIds({ ...values, clusterId: values.clusterId ?? '' }), diff), requests };
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
  if (database.transport === 'stdout') return [];
  const request = describeWire({
    sender: 'volunteer',
    transport: database.transport,
    tls: database.transport === 'grpc' ? database.target.tls : database.url.protocol === 'https:',
    proxy: proxyFor(database.target, env) !== undefined,
    token: tokenFile !== undefined,
    clientCertificate: certFile !== undefined,
  });
  return [request];
}

interface RequestConfig extends ClientCredentialsConfig {
  readonly database: Database;
  readonly records: boolean;
}

const RECORD_NOTES = [
  'The roles of agents are in `deploy/kubermatic`: they depend on the seeds.',
  'Agents write these fields to files, and send nothing. The reporter sends the files together with a version, the time, and `--client-uuid`.',
  `Identifiers depend on the secret key of the agents (\`--id-secret\`) and on a scope, by default \`${RECORD_ID_SCOPE}\` (\`--id-scope\`).`,
];

interface ExplainConfig extends ReadsConfig {
  readonly agree: number;
  readonly records: boolean;
}

/** @param diff describes only what is newer, whether it is agreed to or not */
function explain(config: ExplainConfig, diff = 0): Omit<Explanation, 'requests'> {
  const agree = diff === 0 ? config.agree : CURRENT_SCHEMA_VERSION;
  const about = { agree: config.agree, current: CURRENT_SCHEMA_VERSION, diff };
  if (config.records) {
    const fields = listFields(RecordSchema).filter((field) => isAgreed(field, agree) && !isAgreed(field, diff));
    // Their roles depend on the installation: the kubeconfigs of its seeds are in Secrets whose names only it knows.
    return { ...about, fields: describeFields(fields), rules: [], secretRules: [], notes: RECORD_NOTES };
  }
  const selection = selectFields({ ...config, agree });
  const fields = selection.fields.filter((field) => !isAgreed(field, diff));
  return {
    ...about,
    fields: describeFields(fields),
    rules: listRequiredRules(config, selection, fields),
    secretRules: listSecretRules(config, selection, fields),
    reads: diff === 0 ? listReads(config, selection) : undefined,
    notes: notesOf(config, selection),
  };
}

function render(explanation: Explanation, format: (typeof FORMATS)[number], output: Format, records: boolean): string {
  const { agree, current, diff, fields, rules, secretRules, reads, notes, requests } = explanation;
  if (format === 'yaml') return renderRoles(rules, secretRules);
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
  return renderFieldsPage({ intro: intro.join('\n\n'), fields, roles, secretRules, reads, requests });
}

function notesOf(config: ExplainConfig, selection: FieldSelection): readonly string[] {
  const { clusterId, nodeId, idKey, idKeyFile, idScope, exactQuantities, database, kubeconfig, context } = config;
  const transport = database?.transport ?? 'stdout';
  const notes = [
    transport === 'stdout' &&
      'Without a collector in `--database`, nothing is sent. With one, this page also lists what each request tells beside the report.',
    transport === 'http' &&
      '`--database http(s)://` sends the fields of version 1 of the schema, and no others, whatever `--collect` names.',
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
    (kubeconfig !== undefined || context !== undefined) &&
      'With `--kubeconfig` or `--context`, the volunteer has the rights of the user of the kubeconfig, which may be more than these roles. It requests nothing else.',
    exactQuantities === true &&
      selection.has('nodes[].capacity[].value') &&
      '`--exact-quantities`: `nodes[].capacity[].value` has all digits. Exact amounts can tell machines apart.',
  ];
  return notes.filter((note) => note !== false);
}
