import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { StatusSchema, UnknownSchema } from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import { type ErrorKind, SpartakusError } from '../runtime/errors.ts';
import { pick } from './json.ts';
import { readMessage } from './protobuf-reader.ts';

export const JSON_TYPE = 'application/json';
export const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf';

const METADATA_ONLY = ';as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const METADATA_LIST_ONLY = ';as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
/** The server sends only the metadata of an object, or of the objects of a list. */
export const METADATA_TYPE = PROTOBUF_TYPE + METADATA_ONLY;
export const METADATA_LIST_TYPE = PROTOBUF_TYPE + METADATA_LIST_ONLY;
export const METADATA_LIST_JSON_TYPE = JSON_TYPE + METADATA_LIST_ONLY;

/** The first bytes of every protobuf body of Kubernetes (apimachinery, pkg/runtime/serializer/protobuf). */
const PROTOBUF_MAGIC = Buffer.from('k8s\0', 'latin1');

/** A reason of a meta/v1 Status, such as "Forbidden". Other texts may contain names, and are not repeated. */
const REASON = /^[A-Za-z]{1,64}$/;

export interface KubernetesResponse {
  /** Default: GET. */
  readonly method?: 'GET' | 'POST' | 'PUT';
  /** The requested path without its query, which may contain a continue token. */
  readonly path: string;
  readonly status: number;
  readonly contentType: string;
  /** Valid until the client's next request. */
  readonly body: Uint8Array;
  readonly retryAfterMs?: number;
}

/** Throws a SpartakusError for any response but JSON of status 200. */
export function readJson(response: KubernetesResponse): unknown {
  expectOk(response, JSON_TYPE);
  const value = parseJson(response.body);
  if (value === undefined) throw unreadable(response, 'it is not JSON');
  return value;
}

/** Decodes the declared fields. Throws a SpartakusError for any response but protobuf of status 200. */
export function readProtobuf<Desc extends DescMessage>(response: KubernetesResponse, schema: Desc): MessageShape<Desc> {
  expectOk(response, PROTOBUF_TYPE);
  const message = decode(response.body, schema);
  if (message === undefined) throw unreadable(response, "it is not Kubernetes' protobuf");
  return message;
}

function decode<Desc extends DescMessage>(body: Uint8Array, schema: Desc): MessageShape<Desc> | undefined {
  const { length } = PROTOBUF_MAGIC;
  if (!PROTOBUF_MAGIC.equals(body.subarray(0, length))) return undefined;
  try {
    // A Uint8Array, because subarray() of a Buffer takes several times as long.
    const bytes = new Uint8Array(body.buffer, body.byteOffset + length, body.length - length);
    return readMessage(schema, readMessage(UnknownSchema, bytes).raw);
  } catch {
    return undefined;
  }
}

function expectOk(response: KubernetesResponse, mediaType: string): void {
  if (response.status !== 200) throw statusError(response);
  if (mediaTypeOf(response) !== mediaType) throw unreadable(response, `it is not of type ${mediaType}`);
}

function unreadable({ method = 'GET', path }: KubernetesResponse, problem: string): SpartakusError {
  return new SpartakusError(
    'internal',
    `The response of the Kubernetes API to ${method} ${path} cannot be read: ${problem}. Does a proxy respond in its place?`,
  );
}

function statusError(response: KubernetesResponse): SpartakusError {
  const { method = 'GET', path, status, retryAfterMs } = response;
  const reason = reasonOf(response);
  return new SpartakusError(
    kindOf(status),
    `The Kubernetes API responded to ${method} ${path} with ${status}${reason === undefined ? '' : ` ${reason}`}.${adviceFor(response)}`,
    { retryAfterMs },
  );
}

const KINDS: Readonly<Record<number, ErrorKind>> = {
  400: 'invalid',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not-found',
  406: 'not-found',
  410: 'unavailable',
  429: 'overloaded',
};

function kindOf(status: number): ErrorKind {
  return KINDS[status] ?? (status >= 502 ? 'unavailable' : 'internal');
}

function adviceFor({ method = 'GET', path, status }: KubernetesResponse): string {
  if (status === 401)
    return ' It rejects the credentials: are the token or certificate of this cluster, and not expired?';
  if (status === 403 && method === 'GET') return ` ${grantAdvice(path)}.`;
  return '';
}

/** Advises the rule for a GET of the path, in YAML, and the smallest role for it: for a path in a namespace, a Role there. */
export function grantAdvice(path: string): string {
  const namespace = /\/namespaces\/([^/]+)\/[^/]/.exec(path)?.[1];
  const role = namespace === undefined ? 'a ClusterRole' : `a Role of the namespace ${namespace}`;
  return `Grant the rule ${ruleFor(path)} to the account in use, in ${role}`;
}

function ruleFor(path: string): string {
  const pattern = /^\/(?:api\/[^/]+|apis\/([^/]+)\/[^/]+)\/(?:namespaces\/[^/]+\/(?=[^/]))?([^/]+)(?:\/([^/]+))?$/;
  const match = pattern.exec(path);
  if (match === null) return `{nonResourceURLs: ["${path}"], verbs: [get]}`;
  const [, group = '', resource = '', name] = match;
  return name === undefined
    ? `{apiGroups: ["${group}"], resources: [${resource}], verbs: [list]}`
    : `{apiGroups: ["${group}"], resources: [${resource}], resourceNames: [${name}], verbs: [get]}`;
}

/** The reason of a Status. Its message may contain names and is not read. */
function reasonOf(response: KubernetesResponse): string | undefined {
  const reason =
    mediaTypeOf(response) === PROTOBUF_TYPE
      ? decode(response.body, StatusSchema)?.reason
      : pick(parseJson(response.body), 'reason');
  return typeof reason === 'string' && REASON.test(reason) ? reason : undefined;
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return undefined;
  }
}

function mediaTypeOf({ contentType }: KubernetesResponse): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}
