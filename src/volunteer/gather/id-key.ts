import path from 'node:path';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import type { FieldSelection } from '../../report/field-selection.ts';
import { createClusterId, type IdContext } from '../../report/ids.ts';
import type { Logger } from '../../runtime/logger.ts';
import { createKey, KEY_FILE, openKeyFile, readKeyFile, readStoredKey } from './id-key-file.ts';
import { findKeySecret, openKeySecret, readKubeSystemUid } from './id-key-secret.ts';

/** The --cluster-id that is replaced by an id derived from the key. */
export const AUTO_CLUSTER_ID = 'auto';

/** The --id-scope of reports that are printed. */
export const STDOUT_SCOPE = 'stdout';

/** Where the key of ids is kept. */
export interface IdKeyConfig {
  /** --id-key: a random key (the default), or one that is derived from the uid of the namespace kube-system. */
  readonly idKey?: 'random' | 'kube-system';
  /** --id-key-file: a file that contains the key. */
  readonly idKeyFile?: string;
  /** --id-secret: the name of the Secret in the namespace of this pod. */
  readonly idSecret?: string;
  readonly spoolDir?: string;
}

export interface IdConfig extends IdKeyConfig {
  /** --cluster-id: the id, or `auto`. */
  readonly clusterId: string;
  /** --cluster-id-verbatim: a cluster id that is not a random UUID is not hashed. */
  readonly clusterIdVerbatim?: boolean;
  /** --node-id: `hmac` (the default) is keyed, `md5` is the original's. */
  readonly nodeId?: 'hmac' | 'md5';
  /** --id-scope: ids of one scope cannot be joined with those of another. */
  readonly idScope?: string;
}

/** Returns the key of ids, which never leaves the cluster. Rejects with a SpartakusError where it cannot be read. */
export type IdKeyReader = () => Promise<string | Uint8Array>;

export interface IdKeyOptions {
  readonly kube: KubernetesClient;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly logger: Logger;
  /** Creates no key where none is kept: the key is that of this run then, which is logged. */
  readonly readOnly?: boolean;
}

/**
 * Whether a text is a UUID of version 4, 7 or 8 (RFC 9562). The others tell what they are made of: 1, 2 and 6 contain the address of a
 * network card, and the input of 3 and 5, a name, can be guessed.
 */
export function isAnonymousUuid(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[478][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text);
}

/** Whether a hash of the cluster id is sent in its place: `auto`, and texts other than random UUIDs, because these may describe the cluster. */
export function isClusterIdHashed({ clusterId, clusterIdVerbatim = false }: IdConfig): boolean {
  if (clusterId === AUTO_CLUSTER_ID) return true;
  return clusterId !== '' && !clusterIdVerbatim && !isAnonymousUuid(clusterId);
}

/** The cluster id that is sent. */
export function createSentClusterId(config: IdConfig, secret: IdContext['secret']): string {
  const { clusterId, idScope: scope = STDOUT_SCOPE } = config;
  if (!isClusterIdHashed(config)) return clusterId;
  return createClusterId({ secret, scope }, clusterId === AUTO_CLUSTER_ID ? '' : clusterId);
}

export function needsKey(config: IdConfig, selection: FieldSelection): boolean {
  return isClusterIdHashed(config) || (config.nodeId !== 'md5' && selection.has('nodes[].id'));
}

/**
 * Where the key comes from: --id-key-file, or the uid of kube-system with --id-key=kube-system. Otherwise a random key, kept in the first of
 * these that is possible, and created there if necessary: the Secret in the namespace of this pod, --spool-dir. Where none is possible,
 * the key is that of this run only, which is logged. A random key is read once in a run, so that ids do not change within it.
 */
export function createIdKeyReader(config: IdKeyConfig, options: IdKeyOptions): IdKeyReader {
  const { idKey, idKeyFile } = config;
  if (idKeyFile !== undefined) return () => readKeyFile(idKeyFile);
  if (idKey === 'kube-system') return () => readKubeSystemUid(options.kube);
  let key: Uint8Array | undefined;
  const open = options.readOnly === true ? findRandomKey : openRandomKey;
  return async () => (key ??= await open(config, options));
}

async function openRandomKey(
  { idSecret, spoolDir }: IdKeyConfig,
  { kube, randomBytes, logger }: IdKeyOptions,
): Promise<Uint8Array> {
  // A key that an earlier run kept in the spool directory moves into a new Secret: another one would change all ids.
  const keptOrNew = async (): Promise<Uint8Array> =>
    (spoolDir === undefined ? undefined : await readStoredKey(path.join(spoolDir, KEY_FILE))) ?? createKey(randomBytes);
  const stored =
    (idSecret === undefined ? undefined : await openKeySecret(idSecret, { kube, createKey: keptOrNew, logger })) ??
    (spoolDir === undefined ? undefined : await openKeyFile(spoolDir, { randomBytes, logger }));
  if (stored !== undefined) return stored;
  logger.warn({}, RUN_KEY_WARNING);
  return createKey(randomBytes);
}

/** Reads the key that openRandomKey() would, and creates none. */
async function findRandomKey(
  { idSecret, spoolDir }: IdKeyConfig,
  { kube, randomBytes, logger }: IdKeyOptions,
): Promise<Uint8Array> {
  const stored =
    (idSecret === undefined ? undefined : await findKeySecret(idSecret, { kube, logger })) ??
    (spoolDir === undefined ? undefined : await readStoredKey(path.join(spoolDir, KEY_FILE)));
  if (stored !== undefined) return stored;
  logger.warn({}, NO_KEY_WARNING);
  return createKey(randomBytes);
}

/** For the log of `volunteer --dry-run`. */
const NO_KEY_WARNING =
  'No key of identifiers is kept yet, and --dry-run makes none, so the printed identifiers are made with a key of this run only:' +
  ' a run without --dry-run makes a key that is kept where that is possible, and sends other identifiers.';

/** For `volunteer explain` and `volunteer doctor`. */
export const KUBE_SYSTEM_CONSEQUENCE =
  'identifiers are derived from the UID of the namespace kube-system, which monitoring systems know as k8s.cluster.uid. With it and ' +
  'the name, machine ID and system UUID of a node, anyone can compute its identifier.';

/** For the log and `volunteer doctor`. */
export const RUN_KEY_WARNING =
  'There is no place for the key of identifiers, so it is a key of this run only: after a restart, all identifiers are new.' +
  ' Keep a key with --id-key-file, or in a pod with the Role that "volunteer explain" prints, or with --spool-dir.';
