import { PartialObjectMetadataSchema } from '../../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { textAt } from '../../kubernetes/json.ts';
import {
  grantAdvice,
  JSON_TYPE,
  type KubernetesResponse,
  METADATA_TYPE,
  readJson,
  readProtobuf,
} from '../../kubernetes/response.ts';
import { isObject } from '../../report/go-json.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { parseKey } from './id-key-file.ts';

/** Its uid is the key with --id-key=kube-system. */
export const KUBE_SYSTEM_PATH = '/api/v1/namespaces/kube-system';

/** The entry of the Secret that contains the key. */
const ENTRY = 'id-key';

export type KeySecretClient = Pick<KubernetesClient, 'namespace' | 'get' | 'create' | 'update'>;

export interface KeySecretOptions {
  readonly kube: KeySecretClient;
  /** The key of a Secret that is created. */
  readonly createKey: () => Promise<Uint8Array>;
  readonly logger: Logger;
}

/**
 * Reads the key in a Secret of this pod's namespace. Creates the Secret if there is none, and writes the key to one that the administrator
 * created empty, because RBAC cannot restrict creation to a name. Undefined outside of a pod, and, logged, where it is not permitted.
 * Rejects with a SpartakusError for other errors, and where the Secret has other entries but no key: a new key would silently change all
 * ids.
 */
export async function openKeySecret(
  name: string,
  { kube, createKey, logger }: KeySecretOptions,
): Promise<Uint8Array | undefined> {
  if (kube.namespace === undefined) return undefined;
  const path = secretsPath(kube.namespace);
  const secret = `${kube.namespace}/${name}`;
  const forbidden = (verb: Verb): undefined => warnForbidden(secret, verb, logger);
  let response = await kube.get(`${path}/${name}`, JSON_TYPE);
  const empty = findEmptySecret(response);
  if (response.status === 404 || empty !== undefined) {
    const key = await createKey();
    const kept = await (empty === undefined
      ? kube.create(path, secretOf(name, key))
      : kube.update(`${path}/${name}`, { ...empty, ...contentOf(key) }));
    if (kept.status === 200 || kept.status === 201) {
      logger.info({ secret }, `The key of identifiers is now kept in the Secret ${secret}.`);
      return key;
    }
    if (kept.status === 403) return forbidden(empty === undefined ? 'create' : 'update');
    if (kept.status !== 409) readJson(kept);
    // Another volunteer has written it first, or this one with a request whose response was lost.
    response = await kube.get(`${path}/${name}`, JSON_TYPE);
  }
  return response.status === 403 ? forbidden('get') : parseSecret(response, secret);
}

/** Reads the key that {@link openKeySecret} would read, and creates nothing. Undefined where there is none, or, logged, none is permitted. */
export async function findKeySecret(
  name: string,
  { kube, logger }: { readonly kube: KeySecretClient; readonly logger: Logger },
): Promise<Uint8Array | undefined> {
  if (kube.namespace === undefined) return undefined;
  const secret = `${kube.namespace}/${name}`;
  const response = await kube.get(`${secretsPath(kube.namespace)}/${name}`, JSON_TYPE);
  if (response.status === 404) {
    logger.info({ secret }, `There is no Secret ${secret}: a run that may create it keeps a new key there.`);
    return undefined;
  }
  if (findEmptySecret(response) !== undefined) {
    logger.info({ secret }, `The Secret ${secret} is empty: a run that may update it keeps a new key there.`);
    return undefined;
  }
  return response.status === 403 ? warnForbidden(secret, 'get', logger) : parseSecret(response, secret);
}

type Verb = 'create' | 'get' | 'update';

function warnForbidden(secret: string, verb: Verb, logger: Logger): undefined {
  logger.warn(
    { secret },
    `The key of identifiers cannot be kept in the Secret ${secret}: it is not permitted to ${verb} it. ${ROLE_ADVICE}`,
  );
}

export const ROLE_ADVICE =
  'Apply the Role and the Secret that "spartakus volunteer explain --format yaml" prints, in this namespace.';

export interface KeySecretCheck {
  readonly secret: string;
  /** Whether it holds a key, or the first report would create it or, where it is empty, write the key to it. */
  readonly state: 'exists' | 'can be created' | 'can be written' | 'not permitted';
}

/** Checks whether {@link openKeySecret} will find or create the key, without creating it. Undefined outside of a pod. */
export async function checkKeySecret(name: string, kube: KeySecretClient): Promise<KeySecretCheck | undefined> {
  if (kube.namespace === undefined) return undefined;
  const path = secretsPath(kube.namespace);
  const secret = `${kube.namespace}/${name}`;
  const found = await kube.get(`${path}/${name}`, JSON_TYPE);
  if (found.status === 403) return { secret, state: 'not permitted' };
  const empty = findEmptySecret(found);
  if (found.status !== 404 && empty === undefined) {
    parseSecret(found, secret);
    return { secret, state: 'exists' };
  }
  const key = Buffer.alloc(64, '0');
  const kept = await (empty === undefined
    ? kube.create(`${path}?dryRun=All`, secretOf(name, key))
    : kube.update(`${path}/${name}?dryRun=All`, { ...empty, ...contentOf(key) }));
  if (kept.status === 403) return { secret, state: 'not permitted' };
  if (kept.status !== 201) readJson(kept);
  return { secret, state: empty === undefined ? 'can be created' : 'can be written' };
}

function secretsPath(namespace: string): string {
  return `/api/v1/namespaces/${namespace}/secrets`;
}

function secretOf(name: string, key: Uint8Array): object {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, type: 'Opaque', ...contentOf(key) };
}

function contentOf(key: Uint8Array): object {
  return { immutable: true, data: { [ENTRY]: Buffer.from(key).toString('base64') } };
}

/** The Secret in a response, if it is one without entries that a key may be written to. */
function findEmptySecret(response: KubernetesResponse): object | undefined {
  if (response.status !== 200) return undefined;
  const secret = readJson(response);
  if (!isObject(secret) || secret['immutable'] === true || secret['type'] !== 'Opaque') return undefined;
  return Object.keys(secret['data'] ?? {}).length === 0 ? secret : undefined;
}

function parseSecret(response: KubernetesResponse, secret: string): Uint8Array {
  const text = textAt(readJson(response), 'data', ENTRY);
  const key = text === undefined ? undefined : parseKey(Buffer.from(text, 'base64'));
  if (key !== undefined) return key;
  throw new SpartakusError(
    'invalid',
    `The Secret ${secret} holds no key of identifiers, of 16 bytes or more, in the entry ${ENTRY}: name another Secret with --id-secret, ` +
      'or restore it, or delete it, which makes all ids new.',
    { field: '--id-secret' },
  );
}

/** The uid of the namespace kube-system. Rejects with a SpartakusError where it cannot be read. */
export async function readKubeSystemUid(kube: Pick<KubernetesClient, 'get'>): Promise<string> {
  const response = await kube.get(KUBE_SYSTEM_PATH, METADATA_TYPE);
  const { status } = response;
  if (status === 403 || status === 404) {
    throw new SpartakusError(
      status === 403 ? 'forbidden' : 'not-found',
      'The uid of the kube-system namespace, from which --id-key=kube-system derives ids, cannot be read: the Kubernetes API responded' +
        ` to GET ${KUBE_SYSTEM_PATH} with ${status}. ${grantAdvice(KUBE_SYSTEM_PATH)}, or leave out --id-key=kube-system.`,
    );
  }
  const uid = readProtobuf(response, PartialObjectMetadataSchema).metadata?.uid;
  if (!uid)
    throw new SpartakusError(
      'internal',
      `The response of the Kubernetes API to GET ${KUBE_SYSTEM_PATH} contains no uid.`,
    );
  return uid;
}
