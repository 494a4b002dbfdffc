import { parseOmissions } from '../report/omission.ts';
import { CURRENT_SCHEMA_VERSION, LEGACY_SCHEMA_VERSION, parseSchemaVersion } from '../report/schema-version.ts';
import { COLLECTABLE, parseCollect } from '../report/selection.ts';
import { messageOf } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';
import { checkExtensions } from '../volunteer/gather/extensions.ts';
import type { GatherConfig } from '../volunteer/gather/gather.ts';
import { AUTO_CLUSTER_ID, readKeyFile } from '../volunteer/gather/id-key.ts';
import { readSchemaVersion } from '../volunteer/gather/schema-version-file.ts';
import type { FlagValues } from './flags.ts';
import { parseText } from './values.ts';

/** The flags of what goes into reports, for every command that is about them. */
export const GATHER_FLAGS = {
  extensions: {
    placeholder: 'PATH',
    help: 'A file of JSON key-value pairs to report too, or a folder of them, sub-folders included. Read anew for each report.',
    parse: parseText,
  },
  collect: {
    placeholder: 'NAMES',
    help: `What goes in, with commas in between: ${COLLECTABLE.join(', ')} (default: nodes, and extensions where they are given).`,
    parse: parseCollect,
  },
  omit: {
    placeholder: 'PATHS',
    help: 'What is left out, by JSON path, with commas in between: osImage (of nodes), capacity.memory, masterVersion, workloads.pods.',
    parse: parseOmissions,
  },
  'schema-version': {
    placeholder: 'NUMBER',
    help: 'No field is sent that is newer (default: the version of the release that first used the spool directory, else the newest).',
    parse: parseVersion,
  },
  'node-id': {
    placeholder: 'KIND',
    default: 'hmac',
    help: "How nodes' ids are made: hmac, with a key, or md5, which is the original's and can be guessed.",
    parse: parseNodeId,
  },
  'id-key-file': {
    placeholder: 'FILE',
    help: 'A file of 16 bytes or more that is the key of ids (default: the uid of the namespace kube-system).',
    parse: parseText,
  },
} as const;

/** Their values, as far as they are right, with the other flags that matter to them. */
export type GatherValues = Partial<FlagValues<typeof GATHER_FLAGS>> & {
  readonly 'cluster-id'?: unknown;
  readonly database?: unknown;
  readonly 'spool-dir'?: unknown;
};

/** What is wrong with the flags together, and with the files that they name: a message for each thing. */
export async function checkGatherFlags(values: GatherValues): Promise<readonly string[]> {
  const { extensions, 'id-key-file': idKeyFile } = values;
  return [
    ...checkTogether(values),
    ...(extensions === undefined ? [] : await errorsOf(() => checkExtensions(extensions))),
    ...(idKeyFile === undefined ? [] : await errorsOf(() => readKeyFile(idKeyFile))),
    ...(await errorsOf(() => agreedVersion(values, { keep: false }))),
  ];
}

/** What is wrong with the flags together: a message for each thing. */
export function checkTogether({
  extensions,
  collect,
  database,
  'schema-version': schemaVersion,
}: GatherValues): readonly string[] {
  const isNamed = collect?.includes('extensions');
  return [
    ...(isNamed === true && extensions === undefined ? ['--collect extensions needs --extensions PATH'] : []),
    ...(isNamed === false && extensions !== undefined
      ? ['--extensions is given, and --collect does not name extensions: name them, or leave --extensions out']
      : []),
    ...(schemaVersion === LEGACY_SCHEMA_VERSION && typeof database === 'string' && /^grpcs?:/i.test(database)
      ? [
          '--schema-version 1 has no reportID, without which nothing can be sent over gRPC: use http(s)://, or agree to version 2',
        ]
      : []),
  ];
}

/**
 * What the flags say of a report.
 *
 * @param options.keep whether the schema version is kept for later releases; only who sends reports does
 */
export async function gatherConfig(
  values: GatherValues,
  options: { readonly keep: boolean; readonly logger?: Logger },
): Promise<GatherConfig> {
  const { extensions, collect, omit, 'node-id': nodeId, 'id-key-file': idKeyFile, 'cluster-id': clusterId } = values;
  return {
    clusterId: typeof clusterId === 'string' ? clusterId : '',
    schemaVersion: await agreedVersion(values, options),
    extensions,
    collect,
    omit,
    nodeId,
    idKeyFile,
  };
}

/** What the help says of --cluster-id. */
export const CLUSTER_ID_HELP = `What tells this cluster from others; a random UUID is recommended. "${AUTO_CLUSTER_ID}" makes one of the key of ids: the same at every start.`;

/** Runs something for its errors: their messages. */
export async function errorsOf(attempt: () => unknown): Promise<readonly string[]> {
  try {
    await attempt();
    return [];
  } catch (error) {
    return [messageOf(error)];
  }
}

function agreedVersion(
  { 'schema-version': given, 'spool-dir': directory }: GatherValues,
  options: { readonly keep: boolean; readonly logger?: Logger },
): Promise<number> {
  return readSchemaVersion(given, typeof directory === 'string' ? directory : undefined, options);
}

function parseVersion(text: string): number {
  const version = parseSchemaVersion(text);
  if (version !== undefined && version <= CURRENT_SCHEMA_VERSION) return version;
  throw new Error(`${JSON.stringify(text)} is no schema version of this release: use 1 to ${CURRENT_SCHEMA_VERSION}`);
}

function parseNodeId(text: string): 'hmac' | 'md5' {
  if (text === 'hmac' || text === 'md5') return text;
  throw new Error(`${JSON.stringify(text)} is neither hmac nor md5`);
}
