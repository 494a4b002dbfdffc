import { FIELD_DOCS } from '../../gen/field-docs.ts';
import { DATABASE_FORMS } from '../delivery/open-sink.ts';
import { renderCollectedPage } from '../report/collected-page.ts';
import { CURRENT_SCHEMA_VERSION, parseSchemaVersion } from '../report/schema-version.ts';
import { type GatherConfig, selectFields } from '../volunteer/gather/gather.ts';
import { AUTO_CLUSTER_ID } from '../volunteer/gather/id-key.ts';
import { listRequiredRules } from '../volunteer/gather/rbac-rules.ts';
import { createCommand } from './command.ts';
import { checkGatherFlags, CLUSTER_ID_HELP, GATHER_FLAGS, gatherConfig } from './gather-flags.ts';
import { parseText } from './values.ts';
import { volunteerCommand } from './volunteer.ts';

/** `spartakus volunteer explain`: what a volunteer with these flags would send, and the rights that it takes. Reads no cluster. */
export const explainCommand = createCommand({
  name: 'volunteer explain',
  summary:
    'Prints, as Markdown, everything that can be in a report for the flags given, where it is read, how it is made anonymous, and the\n' +
    'smallest ClusterRole. It takes the flags of the volunteer, and reads no cluster.',
  databases: DATABASE_FORMS,
  flags: {
    ...volunteerCommand.flags,
    'cluster-id': { placeholder: 'TEXT', help: CLUSTER_ID_HELP, parse: parseText },
    ...GATHER_FLAGS,
    since: {
      placeholder: 'NUMBER',
      help: 'Prints only what is newer than this version of the schema.',
      parse: (text: string) => {
        const version = parseSchemaVersion(text);
        if (version === undefined) throw new Error(`${JSON.stringify(text)} is no schema version: use 1 or more`);
        return version;
      },
    },
  },
  check: checkGatherFlags,
  async execute(values, { stdout }) {
    stdout.write(explain(await gatherConfig(values, { keep: false }), values.since));
    return 0;
  },
});

/** The page for these flags; with `since`, of what is newer than that version. */
function explain(config: GatherConfig, since = 0): string {
  const selection = selectFields(config);
  const fields = selection.fields.filter((field) => field.since > since);
  const version = config.schemaVersion ?? CURRENT_SCHEMA_VERSION;
  if (fields.length === 0)
    return `With these flags and schema version ${version}, a report has nothing that is newer than version ${since}.\n`;
  const newer = since === 0 ? '' : ` that is newer than version ${since}`;
  return renderCollectedPage({
    intro: [
      `What can be in a report${newer}, with these flags and schema version ${version}. To see the report itself before anybody else does, run the`,
      'volunteer with `--period 0 --database stdout`: it prints the report and sends nothing.',
      ...notes(config),
    ].join('\n'),
    fields,
    roles: [
      { about: `The smallest ClusterRole that this takes:`, rules: listRequiredRules(config, selection, fields) },
    ],
    docs: FIELD_DOCS,
  });
}

/** What the flags change in what the schema says. */
function notes({ clusterId, nodeId, idKeyFile }: GatherConfig): readonly string[] {
  return [
    ...(nodeId === 'md5'
      ? [
          '',
          "`--node-id md5`: `nodes[].id` is the original's MD5, without a key. Whoever receives it can try out names.",
        ]
      : []),
    ...(clusterId === AUTO_CLUSTER_ID
      ? [
          '',
          '`--cluster-id auto`: `clusterID` is a keyed hash that says nothing of the cluster, the same for as long as its key is.',
        ]
      : []),
    ...(idKeyFile === undefined
      ? []
      : ['', '`--id-key-file`: its content is the key of ids, and the uid of kube-system is not read.']),
  ];
}
