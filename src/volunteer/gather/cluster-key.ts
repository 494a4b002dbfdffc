import { readFile } from 'node:fs/promises';
import { PartialObjectMetadataSchema } from '../../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import type { KubeClient } from '../../kubernetes/client.ts';
import { PROTOBUF_TYPE, readProtobuf, ruleFor } from '../../kubernetes/response.ts';
import type { FieldSelection } from '../../report/field-selection.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';

/** Where the uid of kube-system is read. */
export const KEY_PATH = '/api/v1/namespaces/kube-system';

/** A request for metadata alone. */
export const KEY_TYPE = `${PROTOBUF_TYPE};as=PartialObjectMetadata;g=meta.k8s.io;v=v1`;

/** The value of --cluster-id that asks for an id derived from the key. */
export const AUTO_CLUSTER_ID = 'auto';

/** A key shorter than this could be guessed. */
const MIN_KEY_BYTES = 16;

/** What ids are made of. */
export interface KeyConfig {
  /** --cluster-id: `auto`, or the id itself. */
  readonly clusterId: string;
  /** --node-id: `hmac` (the default) is keyed, `md5` is the original's. */
  readonly nodeId?: 'hmac' | 'md5';
  /** --id-key-file: a file whose content is the key, in place of the uid of kube-system. */
  readonly idKeyFile?: string;
}

/** Whether anything in the report is made with a key. */
export function needsKey({ clusterId, nodeId }: KeyConfig, selection: FieldSelection): boolean {
  return clusterId === AUTO_CLUSTER_ID || (nodeId !== 'md5' && selection.has('nodes[].id'));
}

/** Whether that key is read from the cluster, which takes a right. */
export function needsClusterKey(config: KeyConfig, selection: FieldSelection): boolean {
  return config.idKeyFile === undefined && needsKey(config, selection);
}

/**
 * The key that ids are made with: the content of --id-key-file, else the uid of the kube-system namespace, which lives as long as the
 * cluster does. It never leaves the cluster. Rejects with a SpartakusError as {@link readKeyFile} and {@link readClusterKey}.
 */
export function readKey(kube: KubeClient, { idKeyFile }: KeyConfig): Promise<string | Uint8Array> {
  return idKeyFile === undefined ? readClusterKey(kube) : readKeyFile(idKeyFile);
}

/**
 * The bytes of a key file, without a line break at the end (so that a file that an editor wrote and the same text in a Secret give the
 * same ids). A file that cannot be read or holds fewer than 16 bytes is a SpartakusError `invalid` that names the flag.
 */
export async function readKeyFile(file: string): Promise<Uint8Array> {
  const fail = (problem: string): never => {
    throw new SpartakusError('invalid', `--id-key-file ${file}: ${problem}.`, { field: '--id-key-file' });
  };
  const bytes = await readFile(file).catch((error: unknown) => fail(`cannot be read: ${messageOf(error)}`));
  const lineBreak = /\r?\n$/.exec(bytes.toString('latin1'))?.[0].length ?? 0;
  const key = bytes.subarray(0, bytes.length - lineBreak);
  if (key.length < MIN_KEY_BYTES) {
    fail(
      `is a key of ${key.length} bytes, and fewer than ${MIN_KEY_BYTES} can be guessed: make one with "openssl rand -hex 32"`,
    );
  }
  return key;
}

/**
 * The uid of the kube-system namespace.
 *
 * Without it there is no report: an id without a key can be guessed by whoever receives it. The error names the rule to grant, and the
 * ways without it.
 */
export async function readClusterKey(kube: KubeClient): Promise<string> {
  const answer = await kube.get(KEY_PATH, KEY_TYPE);
  if (answer.status === 403 || answer.status === 404) {
    throw new SpartakusError(
      answer.status === 403 ? 'forbidden' : 'not-found',
      `The uid of the kube-system namespace, the key that makes ids anonymous, cannot be read: the Kubernetes API answered GET` +
        ` ${KEY_PATH} with ${answer.status}. Grant the rule ${ruleFor(KEY_PATH)} to the account that asks, in a` +
        ` ClusterRole, or give a key of your own with --id-key-file.`,
    );
  }
  const uid = readProtobuf(answer, PartialObjectMetadataSchema).metadata?.uid ?? '';
  if (uid === '')
    throw new SpartakusError('internal', `The answer of the Kubernetes API to GET ${KEY_PATH} holds no uid.`);
  return uid;
}
