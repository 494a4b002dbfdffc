import { createHash, createHmac } from 'node:crypto';
import { NIL, stringify, v3 } from 'uuid';

/** Labels separate the uses of one key: ids of different kinds never have the same input. */
const NODE_ID_LABEL = 'spartakus node id v1';
const CLUSTER_ID_LABEL = 'spartakus cluster id v1';
const KUBERMATIC_UUID_LABEL = 'spartakus kubermatic uuid v1';

/** The size of an MD5 and of a UUID. */
const ID_BYTES = 16;

/** What identifies a node; none of it leaves the cluster. */
export interface NodeIdentity {
  /** `.metadata.name` */
  readonly name: string;
  /** `.status.nodeInfo.machineID`; empty on some nodes. */
  readonly machineId: string;
  /** `.status.nodeInfo.systemUUID`; empty on some nodes. */
  readonly systemUuid: string;
}

export type NodeIdentifier = (node: NodeIdentity) => string;

/**
 * Node ids: 32 hexadecimal digits in lower case, the first 16 bytes of
 *
 *     HMAC-SHA-256(key, field("spartakus node id v1") field(name) field(machineID) field(systemUUID))
 *
 * where field(text) is the length of the text's UTF-8 in bytes (unsigned, 32 bits, big endian) followed by the UTF-8 itself. The lengths
 * make the input of different nodes different, which plain concatenation does not.
 *
 * @param key the uid of the kube-system namespace as text (its UTF-8 is the key), or the administrator's own key. It never leaves the
 *   cluster, so that the receiver of a report cannot find a name by trying.
 */
export function createNodeIdentifier(key: string | Uint8Array): NodeIdentifier {
  return ({ name, machineId, systemUuid }) => hmacOf(key, [NODE_ID_LABEL, name, machineId, systemUuid]);
}

/**
 * The original's node id (kubernetes-retired/spartakus, pkg/volunteer/kubernetes.go, v1.1.0), to continue a series: the MD5 of name,
 * machine id and system UUID, concatenated. The receiver can find a name by trying.
 */
export function createLegacyNodeId({ name, machineId, systemUuid }: NodeIdentity): string {
  return createHash('md5').update(name).update(machineId).update(systemUuid).digest('hex');
}

/**
 * A cluster id that needs no storage: a UUIDv8 (RFC 9562 section 5.8) of the first 16 bytes of
 * HMAC-SHA-256(key, field("spartakus cluster id v1")), with field() as in {@link createNodeIdentifier}.
 */
export function createClusterId(key: string | Uint8Array): string {
  return uuidOf(hmacOf(key, [CLUSTER_ID_LABEL]));
}

export type KubermaticKind = 'seed' | 'datacenter' | 'cluster' | 'project' | 'user' | 'ssh key';

export type UuidMaker = (kind: KubermaticKind, name: string) => string;

/**
 * UUIDs in Kubermatic's records: UUIDv8s of the first 16 bytes of HMAC-SHA-256(key, field("spartakus kubermatic uuid v1") field(kind)
 * field(name)), with field() as in {@link createNodeIdentifier}. A name has one UUID per kind in all records, so that a cluster can be
 * joined with its seed, datacenter and project.
 */
export function createKubermaticUuids(key: string | Uint8Array): UuidMaker {
  return (kind, name) => uuidOf(hmacOf(key, [KUBERMATIC_UUID_LABEL, kind, name]));
}

/**
 * The UUID in records of Kubermatic's own agent (kubermatic/telemetry-client, v0.1.0 to v0.5.2), to continue a series: version 3 with the
 * nil namespace. The receiver can find a name by trying.
 */
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

/** The first 16 bytes of HMAC-SHA-256(key, field(fields[0]) field(fields[1]) ...), in hexadecimal; {@link createNodeIdentifier} defines field(). */
function hmacOf(key: string | Uint8Array, fields: readonly string[]): string {
  const hmac = createHmac('sha256', key);
  const length = Buffer.alloc(4);
  for (const field of fields) {
    length.writeUInt32BE(Buffer.byteLength(field));
    hmac.update(length).update(field);
  }
  return hmac.digest('hex').slice(0, 2 * ID_BYTES);
}
