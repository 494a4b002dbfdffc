import { createHash, createHmac } from 'node:crypto';
import { NIL, stringify, v3 } from 'uuid';

/** Labels separate the uses of one key. */
const NODE_ID_LABEL = 'spartakus node id v1';
const CLUSTER_ID_LABEL = 'spartakus cluster id v1';
const KUBERMATIC_UUID_LABEL = 'spartakus kubermatic uuid v1';

/** The size of an MD5 and of a UUID. */
const ID_BYTES = 16;

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
 *     HMAC-SHA-256(key, field("spartakus node id v1") field(name) field(machineID) field(systemUUID))
 *
 * where field(text) is the length of the text's UTF-8 in bytes (unsigned, 32 bits, big endian) followed by the UTF-8 itself.
 *
 * @param key the uid of the kube-system namespace as text, or the administrator's own key. It never leaves the cluster, so that the
 *   recipient of a report cannot guess a name and verify it.
 */
export function createNodeIdentifier(key: string | Uint8Array): NodeIdentifier {
  return ({ name, machineId, systemUuid }) => hmacOf(key, [NODE_ID_LABEL, name, machineId, systemUuid]);
}

/** The original's node id (kubernetes-retired/spartakus, pkg/volunteer/kubernetes.go, v1.1.0). The recipient can guess names. */
export function createLegacyNodeId({ name, machineId, systemUuid }: NodeIdentity): string {
  return createHash('md5').update(name).update(machineId).update(systemUuid).digest('hex');
}

/** A UUIDv8 (RFC 9562) of HMAC-SHA-256(key, field("spartakus cluster id v1")), with field() as in {@link createNodeIdentifier}. */
export function createClusterId(key: string | Uint8Array): string {
  return uuidOf(hmacOf(key, [CLUSTER_ID_LABEL]));
}

type KubermaticKind = 'seed' | 'datacenter' | 'cluster' | 'project' | 'user' | 'ssh key';

export type UuidMaker = (kind: KubermaticKind, name: string) => string;

/**
 * UUIDs in Kubermatic's records: UUIDv8s of HMAC-SHA-256(key, field("spartakus kubermatic uuid v1") field(kind) field(name)), with
 * field() as in {@link createNodeIdentifier}. A name has one UUID per kind in all records, so that objects can be joined.
 */
export function createKubermaticUuids(key: string | Uint8Array): UuidMaker {
  return (kind, name) => uuidOf(hmacOf(key, [KUBERMATIC_UUID_LABEL, kind, name]));
}

/** The UUIDv3 of Kubermatic's own agent (kubermatic/telemetry-client, v0.1.0 to v0.5.2). The recipient can guess names. */
export function createLegacyKubermaticUuid(name: string): string {
  return v3(name, NIL);
}

/** @param hex 16 bytes */
function uuidOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return stringify(bytes);
}

/** The first 16 bytes of the HMAC, in hexadecimal. */
function hmacOf(key: string | Uint8Array, fields: readonly string[]): string {
  const hmac = createHmac('sha256', key);
  const length = Buffer.alloc(4);
  for (const field of fields) {
    length.writeUInt32BE(Buffer.byteLength(field));
    hmac.update(length).update(field);
  }
  return hmac.digest('hex').slice(0, 2 * ID_BYTES);
}
