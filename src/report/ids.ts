import { createHash, createHmac, hkdfSync } from 'node:crypto';
import { NIL, stringify, v3 } from 'uuid';

/** The size of an MD5 and of a UUID. */
const ID_BYTES = 16;
const KEY_BYTES = 32;

/**
 * The kinds of ids. Each has a key of its own, so that ids of two kinds have nothing in common, and neither have the nodes that a volunteer
 * and an agent report.
 */
type IdKind = 'node-id' | 'cluster-id' | 'agent-node-id' | 'kubermatic-uuid';

/** What ids depend on, besides what they identify. */
export interface IdContext {
  /** The random key of the cluster: 16 bytes or more. It never leaves the cluster. */
  readonly secret: string | Uint8Array;
  /** The cluster id that is sent with the ids; empty for records of agents, which have none. At most 256 bytes. */
  readonly clusterId: string;
  /** --id-scope: the recipient of the ids, such as a collector's host name. At most 256 bytes. */
  readonly scope: string;
}

/** The identity of a node, which never leaves the cluster. */
interface NodeIdentity {
  readonly name: string;
  /** Empty on some nodes, as is systemUuid. */
  readonly machineId: string;
  readonly systemUuid: string;
}

export type NodeIdentifier = (node: NodeIdentity) => string;

/**
 * Node ids: 32 hexadecimal digits in lower case, the first 16 bytes of
 *
 *     HMAC-SHA-256(key, field(name) field(machineID) field(systemUUID))
 *     key = HKDF-SHA-256(secret, no salt, field(kind) field(cluster id) field(scope), 32 bytes)
 *
 * where field(text) is the length of the text's UTF-8 in bytes (unsigned, 32 bits, big endian) followed by the UTF-8 itself. The kind
 * is `node-id`, or `agent-node-id` in records.
 */
export function createNodeIdentifier(
  context: IdContext,
  kind: 'node-id' | 'agent-node-id' = 'node-id',
): NodeIdentifier {
  const key = deriveKey(kind, context);
  return ({ name, machineId, systemUuid }) => hmacOf(key, [name, machineId, systemUuid]).toString('hex');
}

/** The original's node id (kubernetes-retired/spartakus, pkg/volunteer/kubernetes.go, v1.1.0). The recipient can guess names. */
export function createLegacyNodeId({ name, machineId, systemUuid }: NodeIdentity): string {
  return createHash('md5').update(name).update(machineId).update(systemUuid).digest('hex');
}

/**
 * A cluster id that does not describe the cluster: a UUIDv8 (RFC 9562 section 5.8) of the first 16 bytes of HMAC-SHA-256(key,
 * field(text)), with field() and key as in {@link createNodeIdentifier}, the kind `cluster-id` and an empty cluster id.
 *
 * @param text the administrator's own cluster id; empty for `--cluster-id auto`
 */
export function createClusterId(context: Omit<IdContext, 'clusterId'>, text = ''): string {
  return uuidOf(hmacOf(deriveKey('cluster-id', { ...context, clusterId: '' }), [text]));
}

type KubermaticKind = 'seed' | 'datacenter' | 'cluster' | 'project' | 'user' | 'ssh key';

export type UuidMaker = (kind: KubermaticKind, name: string) => string;

/**
 * UUIDs in Kubermatic's records: UUIDv8s of the first 16 bytes of HMAC-SHA-256(key, field(kind) field(name)), with field() and key as in
 * {@link createNodeIdentifier}. A name has one UUID per kind in all records, so that objects can be joined.
 */
export function createKubermaticUuids(context: IdContext): UuidMaker {
  const key = deriveKey('kubermatic-uuid', context);
  return (kind, name) => uuidOf(hmacOf(key, [kind, name]));
}

/** The UUIDv3 of Kubermatic's own agent (kubermatic/telemetry-client, v0.1.0 to v0.5.2). The recipient can guess names. */
export function createLegacyKubermaticUuid(name: string): string {
  return v3(name, NIL);
}

function deriveKey(kind: IdKind, { secret, clusterId, scope }: IdContext): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(), encode([kind, clusterId, scope]), KEY_BYTES));
}

/** @param bytes 16 bytes */
function uuidOf(bytes: Buffer): string {
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return stringify(bytes);
}

/** The first 16 bytes of HMAC-SHA-256(key, field(fields[0]) field(fields[1]) ...). */
function hmacOf(key: Uint8Array, fields: readonly string[]): Buffer {
  return createHmac('sha256', key).update(encode(fields)).digest().subarray(0, ID_BYTES);
}

/** The length and the UTF-8 of each text; {@link createNodeIdentifier} defines it. */
function encode(texts: readonly string[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(texts.reduce((total, text) => total + 4 + Buffer.byteLength(text), 0));
  let end = 0;
  for (const text of texts) {
    const length = bytes.write(text, end + 4);
    bytes.writeUInt32BE(length, end);
    end += 4 + length;
  }
  return bytes;
}
