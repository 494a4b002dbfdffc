import { createHmac } from 'node:crypto';

/** Says what the hash is for, so that the same key may serve other purposes and no two of them ever meet in one value. */
const NODE_ID_LABEL = 'spartakus node id v1';

/** The 16 bytes of an id, as many as the original's MD5 had. */
const NODE_ID_BYTES = 16;

/** What tells one node from another; none of it leaves the cluster. */
export interface NodeIdentity {
  /** `.metadata.name` */
  readonly name: string;
  /** `.status.nodeInfo.machineID`; empty on some nodes. */
  readonly machineId: string;
  /** `.status.nodeInfo.systemUUID`; empty on some nodes. */
  readonly systemUuid: string;
}

/**
 * The id of a node in a report: 32 hexadecimal digits in lower case, the first 16 bytes of
 *
 *     HMAC-SHA-256(key, field("spartakus node id v1") field(name) field(machineID) field(systemUUID))
 *
 * where field(text) is the length of the text's UTF-8 in bytes (unsigned, 32 bits, big endian) and then the UTF-8 itself. With the
 * lengths, no two different nodes give the same input, which plain concatenation does not promise.
 *
 * @param key the uid of the kube-system namespace, as text (its UTF-8 is the key). It never leaves the cluster, so whoever receives
 *   a report cannot try out names.
 */
export function createNodeId(key: string, node: NodeIdentity): string {
  const fields = [NODE_ID_LABEL, node.name, node.machineId, node.systemUuid];
  const input = Buffer.concat(fields.flatMap(lengthPrefixed));
  return createHmac('sha256', key).update(input).digest('hex').slice(0, 2 * NODE_ID_BYTES);
}

function lengthPrefixed(text: string): readonly Buffer[] {
  const utf8 = Buffer.from(text, 'utf8');
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(utf8.length);
  return [length, utf8];
}
