import { createHash, hash } from 'node:crypto';
import { NIL, stringify, v3 } from 'uuid';

/** Says what the hash is for, so that the same key may serve other purposes and no two of them ever meet in one value. */
const NODE_ID_LABEL = 'spartakus node id v1';
const CLUSTER_ID_LABEL = 'spartakus cluster id v1';
const KUBERMATIC_UUID_LABEL = 'spartakus kubermatic uuid v1';

/** The 16 bytes of an id, as many as the original's MD5 had, and as a UUID has. */
const ID_BYTES = 16;

/** Of SHA-256. */
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;

/** What tells one node from another; none of it leaves the cluster. */
export interface NodeIdentity {
  /** `.metadata.name` */
  readonly name: string;
  /** `.status.nodeInfo.machineID`; empty on some nodes. */
  readonly machineId: string;
  /** `.status.nodeInfo.systemUUID`; empty on some nodes. */
  readonly systemUuid: string;
}

/** Makes the id of a node; empty where ids are left out. */
export type NodeIdentifier = (node: NodeIdentity) => string;

/**
 * Makes the ids of nodes: 32 hexadecimal digits in lower case, the first 16 bytes of
 *
 *     HMAC-SHA-256(key, field("spartakus node id v1") field(name) field(machineID) field(systemUUID))
 *
 * where field(text) is the length of the text's UTF-8 in bytes (unsigned, 32 bits, big endian) and then the UTF-8 itself. With the
 * lengths, no two different nodes give the same input, which plain concatenation does not promise.
 *
 * @param key the uid of the kube-system namespace, as text (its UTF-8 is the key), or a key of the administrator's own. It never leaves
 *   the cluster, so whoever receives a report cannot try out names.
 */
export function createNodeIdentifier(key: string | Uint8Array): NodeIdentifier {
  const keyed = createKeyed(key);
  return (node) => keyed([NODE_ID_LABEL, node.name, node.machineId, node.systemUuid]);
}

/**
 * The id that the original gave a node (kubernetes-retired/spartakus, pkg/volunteer/kubernetes.go, v1.1.0): the MD5 of name, machine id
 * and system UUID, one behind the other. Whoever receives it can try out names; it is there so that a series goes on.
 */
export function createLegacyNodeId(node: NodeIdentity): string {
  return createHash('md5').update(node.name).update(node.machineId).update(node.systemUuid).digest('hex');
}

/**
 * An id for the cluster: a UUIDv8 (RFC 9562 section 5.8) of the first 16 bytes of HMAC-SHA-256(key, field("spartakus cluster id v1")),
 * with field() as in {@link createNodeIdentifier}. The same for as long as the key is, with nothing stored.
 */
export function createClusterId(key: string | Uint8Array): string {
  return uuidOf(createKeyed(key)([CLUSTER_ID_LABEL]));
}

/** What of Kubermatic's has a UUID in a record. */
export type KubermaticKind = 'seed' | 'datacenter' | 'cluster' | 'project' | 'user' | 'ssh key';

/** Makes the UUID of something of Kubermatic's from its name. */
export type UuidMaker = (kind: KubermaticKind, name: string) => string;

/**
 * Makes the UUIDs of what is Kubermatic's in a record: UUIDv8s of the first 16 bytes of HMAC-SHA-256(key, field("spartakus kubermatic uuid
 * v1") field(kind) field(name)), with field() as in {@link createNodeIdentifier}. The same name of one kind has the same UUID wherever it
 * stands, so a cluster can be joined with its seed, datacenter and project; two of different kinds never have.
 */
export function createKubermaticUuids(key: string | Uint8Array): UuidMaker {
  const keyed = createKeyed(key);
  return (kind, name) => uuidOf(keyed([KUBERMATIC_UUID_LABEL, kind, name]));
}

/**
 * The UUID that Kubermatic's own agent makes of a name (kubermatic/telemetry-client, v0.1.0 to v0.5.2): version 3 with the nil namespace.
 * Whoever receives it can try out names; it is there so that a series goes on.
 */
export function createLegacyKubermaticUuid(name: string): string {
  return v3(name, NIL);
}

/** 16 bytes, in hexadecimal, as a UUIDv8 (RFC 9562 section 5.8). */
function uuidOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return stringify(bytes);
}

/** The first bytes of the HMAC of fields, in hexadecimal. */
type Keyed = (fields: readonly string[]) => string;

/**
 * HMAC-SHA-256 (RFC 2104) with this key, as of createHmac, in less than half of its time and without the native object that it leaves to
 * be cleared away each time: large clusters have tens of thousands of nodes.
 */
function createKeyed(key: string | Uint8Array): Keyed {
  const given = Buffer.from(typeof key === 'string' ? Buffer.from(key) : key);
  const short = given.length > BLOCK_BYTES ? hash('sha256', given, 'buffer') : given;
  const padded = Buffer.alloc(BLOCK_BYTES);
  padded.set(short);
  let inner = Buffer.from(padded.map((byte) => byte ^ 0x36));
  const outer = Buffer.concat([padded.map((byte) => byte ^ 0x5c)], BLOCK_BYTES + DIGEST_BYTES);
  return (fields) => {
    const sizes = fields.map((text) => Buffer.byteLength(text));
    const end = sizes.reduce((sum, size) => sum + 4 + size, BLOCK_BYTES);
    if (end > inner.length) inner = Buffer.concat([inner.subarray(0, BLOCK_BYTES)], 2 * end);
    let offset = BLOCK_BYTES;
    for (const [index, text] of fields.entries()) {
      offset = inner.writeUInt32BE(sizes[index] ?? 0, offset);
      offset += inner.write(text, offset);
    }
    outer.write(hash('sha256', inner.subarray(0, end)), BLOCK_BYTES, 'hex');
    return hash('sha256', outer).slice(0, 2 * ID_BYTES);
  };
}
