import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { StatusSchema, UnknownSchema } from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import { type ErrorKind, SpartakusError } from '../runtime/errors.ts';
import { readMessage } from './message-reader.ts';

export const JSON_TYPE = 'application/json';
export const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf';

/** What every protobuf body of Kubernetes begins with (apimachinery, pkg/runtime/serializer/protobuf). */
const PROTOBUF_MAGIC = Buffer.from('k8s\0', 'latin1');

/** The reasons of a meta/v1 Status are words such as "Forbidden"; anything else is not repeated. */
const REASON = /^[A-Za-z]{1,64}$/;

/** An answer of the Kubernetes API, whatever its status. */
export interface KubeAnswer {
  /** What was asked for: the path, without the query, in which continue tokens stand. */
  readonly path: string;
  readonly status: number;
  /** The media type with its parameters; empty where none came. */
  readonly contentType: string;
  /** Valid until the client is asked for something else: the next answer is read into the same memory. */
  readonly body: Uint8Array;
  /** What a Retry-After header asked for, in milliseconds. */
  readonly retryAfterMs?: number;
}

/** The JSON of an answer of 200. Anything else is a SpartakusError. */
export function readJson(answer: KubeAnswer): unknown {
  expectOk(answer, JSON_TYPE);
  try {
    return JSON.parse(Buffer.from(answer.body).toString('utf8'));
  } catch {
    throw unreadable(answer, 'it is not JSON');
  }
}

/**
 * The message of an answer of 200 in Kubernetes' protobuf. Only the fields that the schema declares are read; all others are
 * skipped and not kept. Anything else is a SpartakusError.
 */
export function readProtobuf<Desc extends DescMessage>(answer: KubeAnswer, schema: Desc): MessageShape<Desc> {
  expectOk(answer, PROTOBUF_TYPE);
  const message = decode(answer.body, schema);
  if (message === undefined) throw unreadable(answer, "it is not Kubernetes' protobuf");
  return message;
}

function decode<Desc extends DescMessage>(body: Uint8Array, schema: Desc): MessageShape<Desc> | undefined {
  if (!PROTOBUF_MAGIC.equals(body.subarray(0, PROTOBUF_MAGIC.length))) return undefined;
  try {
    // A plain Uint8Array: the decoder cuts it up very often, which costs a Buffer several times as much.
    const bytes = new Uint8Array(
      body.buffer,
      body.byteOffset + PROTOBUF_MAGIC.length,
      body.length - PROTOBUF_MAGIC.length,
    );
    return readMessage(schema, readMessage(UnknownSchema, bytes).raw);
  } catch {
    return undefined;
  }
}

function expectOk(answer: KubeAnswer, mediaType: string): void {
  if (answer.status !== 200) throw refusal(answer);
  if (mediaTypeOf(answer) !== mediaType) throw unreadable(answer, `it is not of type ${mediaType}`);
}

function unreadable(answer: KubeAnswer, why: string): SpartakusError {
  return new SpartakusError(
    'internal',
    `The answer of the Kubernetes API to GET ${answer.path} cannot be read: ${why}. Is there a proxy in between that answers itself?`,
  );
}

function refusal(answer: KubeAnswer): SpartakusError {
  const { path, status, retryAfterMs } = answer;
  const reason = reasonOf(answer);
  const said = `The Kubernetes API answered GET ${path} with ${status}${reason === undefined ? '' : ` ${reason}`}`;
  return new SpartakusError(
    kindOf(status),
    `${said}.${adviceFor(status, path)}`,
    retryAfterMs === undefined ? {} : { retryAfterMs },
  );
}

function kindOf(status: number): ErrorKind {
  switch (status) {
    case 400:
      return 'invalid';
    case 401:
      return 'unauthenticated';
    case 403:
      return 'forbidden';
    case 404:
    case 406:
      return 'not-found';
    case 429:
      return 'overloaded';
    default:
      return status === 410 || status >= 502 ? 'unavailable' : 'internal';
  }
}

function adviceFor(status: number, path: string): string {
  if (status === 401)
    return ' It does not know who asks: is the token or certificate of this cluster, and not expired?';
  if (status === 403) return ` Grant the rule ${ruleFor(path)} to the account that asks, in a ClusterRole.`;
  return '';
}

/** The rule of a ClusterRole that allows a GET of the path, as YAML in one line, ready to be pasted. */
export function ruleFor(path: string): string {
  const match = /^\/(?:api\/[^/]+|apis\/([^/]+)\/[^/]+)\/(?:namespaces\/[^/]+\/(?=[^/]))?([^/]+)(?:\/([^/]+))?$/.exec(
    path,
  );
  if (match === null) return `{nonResourceURLs: ["${path}"], verbs: [get]}`;
  const [, group = '', resource = '', name] = match;
  return name === undefined
    ? `{apiGroups: ["${group}"], resources: [${resource}], verbs: [list]}`
    : `{apiGroups: ["${group}"], resources: [${resource}], resourceNames: [${name}], verbs: [get]}`;
}

/** Kubernetes' own word for what went wrong, from a Status in JSON or protobuf. The text beside it may hold names: not read. */
function reasonOf(answer: KubeAnswer): string | undefined {
  const reason =
    mediaTypeOf(answer) === PROTOBUF_TYPE ? decode(answer.body, StatusSchema)?.reason : reasonInJson(answer.body);
  return reason !== undefined && REASON.test(reason) ? reason : undefined;
}

function reasonInJson(body: Uint8Array): string | undefined {
  try {
    const status: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    const reason = typeof status === 'object' && status !== null && 'reason' in status ? status.reason : undefined;
    return typeof reason === 'string' ? reason : undefined;
  } catch {
    return undefined;
  }
}

function mediaTypeOf(answer: KubeAnswer): string {
  return (answer.contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}
