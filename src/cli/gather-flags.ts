import type { Database } from '../delivery/open-sink.ts';
import { COLLECTABLE, parseCollect } from '../report/field-selection.ts';
import { parseOmissions } from '../report/omitted-fields.ts';
import { LEGACY_SCHEMA_VERSION } from '../report/schema-version.ts';
import { checkExtensions } from '../volunteer/gather/extensions.ts';
import { selectFields } from '../volunteer/gather/gather.ts';
import { readKeyFile } from '../volunteer/gather/id-key-file.ts';
import { AUTO_CLUSTER_ID } from '../volunteer/gather/id-key.ts';
import { errorsOf } from './command.ts';
import { group, type PartialValues } from './flags.ts';
import { AGREE_FLAG, EXACT_QUANTITIES_FLAG, ID_KEY_FLAGS, validateIdKey } from './shared-flags.ts';
import { parseChoice, parseShortText, parseText, SWITCH, TEXT } from './values.ts';

export const CLUSTER_ID_FLAG = {
  name: 'cluster-id',
  ...TEXT,
  required:
    'a text that is stable for the life of the cluster and does not describe it, such as a random UUID; or "auto"',
  help: `Identify the cluster by this text; a random UUID is recommended, and of any other text a keyed hash is sent. "${AUTO_CLUSTER_ID}" derives a UUID from the secret key for identifiers.`,
  parse: parseShortText,
};

export const GATHER_FLAGS = {
  ...group('Contents', {
    collect: {
      name: 'collect',
      placeholder: 'NAMES',
      completes: { list: COLLECTABLE },
      help: `Collect these fields: a comma-separated list of ${COLLECTABLE.join(', ')}. By default, nodes, and extensions if --extensions is given.`,
      parse: parseCollect,
    },
    omit: {
      name: 'omit',
      placeholder: 'PATHS',
      help: 'Omit these fields: comma-separated JSON paths, such as osImage (of nodes), capacity.memory, masterVersion, workloads.pods.',
      parse: parseOmissions,
    },
    extensions: {
      name: 'extensions',
      placeholder: 'PATH',
      completes: 'file' as const,
      help: 'Add key-value pairs from this JSON file, or from all files in this directory. Read again for each report.',
      parse: parseText,
    },
    extensionsRecursive: {
      name: 'extensions-recursive',
      ...SWITCH,
      help: 'Also read the subdirectories of --extensions, which are skipped otherwise.',
    },
  }),
  ...group('Privacy', {
    agree: AGREE_FLAG,
    nodeId: {
      name: 'node-id',
      placeholder: 'hmac|md5',
      default: 'hmac',
      help: 'Compute node IDs with this function: hmac uses a secret key; md5 is that of the original Spartakus, and its IDs can be guessed.',
      parse: (text) => parseChoice(text, ['hmac', 'md5'] as const),
    },
    clusterIdVerbatim: {
      name: 'cluster-id-verbatim',
      ...SWITCH,
      help: 'Send a --cluster-id that is not a random UUID as it is, instead of a keyed hash. Over http:// and https:// it is always sent as it is.',
    },
    ...ID_KEY_FLAGS,
    idSecret: { ...ID_KEY_FLAGS.idSecret, default: 'spartakus-volunteer' },
    idScope: {
      ...ID_KEY_FLAGS.idScope,
      help: 'Make identifiers for this recipient: they cannot be joined with those of another scope. By default, the host name in --database, or "stdout".',
    },
    exactQuantities: EXACT_QUANTITIES_FLAG,
  }),
};

type Values = PartialValues<typeof GATHER_FLAGS> & { readonly database?: Database };

/** Checks the combination of flags, and the files that they name. */
export async function validateGathering(values: Values): Promise<readonly string[]> {
  const { extensions, idKeyFile } = values;
  return [
    ...validateCombination(values),
    ...validateIdKey(values),
    ...(await errorsOf(
      () => selectFields({ clusterId: '', ...values }),
      extensions !== undefined && (() => checkExtensions(extensions)),
      idKeyFile !== undefined && (() => readKeyFile(idKeyFile)),
    )),
  ];
}

export function validateCombination(values: Values): readonly string[] {
  const { extensions, extensionsRecursive, collect, database, agree } = values;
  const isNamed = collect?.includes('extensions');
  const problems = [
    isNamed === true && extensions === undefined && '--collect extensions needs --extensions PATH',
    isNamed === false &&
      extensions !== undefined &&
      '--extensions is given, but --collect does not name extensions: add it, or remove --extensions',
    extensionsRecursive === true && extensions === undefined && '--extensions-recursive needs --extensions PATH',
    agree === LEGACY_SCHEMA_VERSION &&
      database?.transport === 'grpc' &&
      '--agree 1 has no reportID, which gRPC requires: use http(s)://, or --agree 2',
  ];
  return problems.filter((problem) => problem !== false);
}
