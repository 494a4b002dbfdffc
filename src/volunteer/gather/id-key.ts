import { readFile } from 'node:fs/promises';
import { PartialObjectMetadataSchema } from '../../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { grantAdvice, METADATA_TYPE, readProtobuf } from '../../kubernetes/response.ts';
import type { FieldSelection } from '../../report/field-selection.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';

/** Its uid is the default key of ids, because it is constant for the life of the cluster. */
export const KUBE_SYSTEM_PATH = '/api/v1/namespaces/kube-system';

/** The --cluster-id that is replaced by an id derived from the key. */
export const AUTO_CLUSTER_ID = 'auto';

const MIN_KEY_BYTES = 16;

export interface IdConfig {
  readonly clusterId: string;
  /** `hmac` (the default) is keyed, `md5` is that of the original. */
  readonly nodeId?: 'hmac' | 'md5';
  readonly idKeyFile?: string;
}

export function needsKey({ clusterId, nodeId }: IdConfig, selection: FieldSelection): boolean {
  return clusterId === AUTO_CLUSTER_ID || (nodeId !== 'md5' && selection.has('nodes[].id'));
}

export function needsClusterKey(config: IdConfig, selection: FieldSelection): boolean {
  return config.idKeyFile === undefined && needsKey(config, selection);
}

/** Reads the key of ids, which is never sent: --id-key-file, else the uid of kube-system. Rejects with a SpartakusError. */
export function readKey(
  kube: KubernetesClient,
  { idKeyFile }: Pick<IdConfig, 'idKeyFile'>,
): Promise<string | Uint8Array> {
  return idKeyFile === undefined ? readClusterKey(kube) : readKeyFile(idKeyFile);
}

/** Reads a key of at least 16 bytes, without the line break at its end. Rejects with a SpartakusError `invalid` that names the flag. */
export async function readKeyFile(file: string): Promise<Uint8Array> {
  const fail = (problem: string): never => {
    throw new SpartakusError('invalid', `--id-key-file ${file}: ${problem}.`, { field: '--id-key-file' });
  };
  const bytes = await readFile(file).catch((error: unknown) => fail(`cannot be read: ${messageOf(error)}`));
  const lineBreak = /\r?\n$/.exec(bytes.toString('latin1'))?.[0].length ?? 0;
  const key = bytes.subarray(0, bytes.length - lineBreak);
  if (key.length >= MIN_KEY_BYTES) return key;
  const advice = 'make one with "openssl rand -hex 32"';
  return fail(`is a key of ${key.length} bytes, and fewer than ${MIN_KEY_BYTES} can be guessed: ${advice}`);
}

async function readClusterKey(kube: KubernetesClient): Promise<string> {
  const response = await kube.get(KUBE_SYSTEM_PATH, METADATA_TYPE);
  const { status } = response;
  if (status === 403 || status === 404) {
    throw new SpartakusError(
      status === 403 ? 'forbidden' : 'not-found',
      'The uid of the kube-system namespace, the key that makes ids anonymous, cannot be read: the Kubernetes API responded' +
        ` to GET ${KUBE_SYSTEM_PATH} with ${status}. ${grantAdvice(KUBE_SYSTEM_PATH)}, or set another key with --id-key-file.`,
    );
  }
  const uid = readProtobuf(response, PartialObjectMetadataSchema).metadata?.uid;
  if (uid) return uid;
  throw new SpartakusError(
    'internal',
    `The response of the Kubernetes API to GET ${KUBE_SYSTEM_PATH} contains no uid.`,
  );
}
