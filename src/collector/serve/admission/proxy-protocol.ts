import { isIPv4, isIPv6, type Socket } from 'node:net';
import ipaddr from 'ipaddr.js';
import { type Networks, plainAddress } from '../../../runtime/addresses.ts';
import type { Logger } from '../../../runtime/logger.ts';

/** The client of a connection that a proxy forwards. Without an address, the proxy does not know it, or it connects for itself. */
export interface ForwardedClient {
  readonly address?: string;
  readonly port?: number;
}

interface ProxyHeader {
  /** Of the header; what follows is the connection's own content. */
  readonly bytes: number;
  readonly client: ForwardedClient;
}

/** The endpoints of a connection, which a socket, the TLS socket above it and the HTTP/2 session have in common. */
interface Endpoints {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
}

interface ProxyProtocolOptions {
  /** Only their connections have a header, and all of them must. */
  readonly trustedProxies: Networks;
  /** For the whole header. */
  readonly timeoutMs: number;
  /** Rate-limited. */
  readonly logger: Logger;
}

export interface ProxyProtocol {
  /**
   * Reads the header of a trusted proxy's connection, and calls `next` with its client; for other connections at once, with undefined. A
   * connection with an invalid or late header is closed.
   */
  read(socket: Socket, next: (client: ForwardedClient | undefined) => void): void;
  /** What `read` found, while the connection is open; undefined where it is not that of a trusted proxy. */
  readonly clientOf: (connection: Endpoints) => ForwardedClient | undefined;
}

const INVALID_HEADER =
  'closed a connection of a trusted proxy that did not start with a PROXY protocol header: let the proxy send one, or start the collector ' +
  'without --proxy-protocol';

const V1_START = Buffer.from('PROXY ');
/** With its CRLF. */
const V1_MAX_BYTES = 107;
const V2_SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const V2_FIXED_BYTES = 16;
/** The specification allows 64 KiB; proxies send addresses, and at most a client certificate. */
const V2_MAX_BYTES = 4_096;

/**
 * Parses the header of version 1 or 2 of the PROXY protocol (https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt). TLVs are
 * skipped, and transports other than TCP over IP have no address.
 *
 * @returns undefined where more bytes are needed
 * @throws Error where the bytes are no header, or one that is too long
 */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  if (startsLike(bytes, V2_SIGNATURE)) return parseV2(bytes);
  if (startsLike(bytes, V1_START)) return parseV1(bytes);
  throw new Error('no PROXY protocol header');
}

/** Whether one starts with the other. */
function startsLike(bytes: Buffer, start: Buffer): boolean {
  return start.subarray(0, bytes.length).equals(bytes.subarray(0, start.length));
}

const V1_LINE = /^PROXY (?:UNKNOWN(?: .*)?|(TCP4|TCP6) (\S+) (\S+) (\d+) (\d+))$/s;

function parseV1(bytes: Buffer): ProxyHeader | undefined {
  const text = bytes.toString('latin1', 0, V1_MAX_BYTES);
  const end = text.indexOf('\r\n');
  const line = end === -1 ? text : text.slice(0, end);
  // A carriage return may be the first half of the end.
  if (/\n|\r./s.test(line)) throw new Error('a PROXY protocol header of version 1 has a line break within it');
  if (end === -1) {
    if (bytes.length < V1_MAX_BYTES) return undefined;
    throw new Error('a PROXY protocol header of version 1 has no end');
  }
  const [matched, family, source = '', target = '', sourcePort, targetPort] = V1_LINE.exec(line) ?? [];
  if (matched === undefined) throw new Error('an invalid PROXY protocol header of version 1');
  if (family === undefined) return { bytes: end + 2, client: {} };
  const isAddress = family === 'TCP4' ? isIPv4 : isIPv6;
  const ports = [sourcePort, targetPort].map(Number);
  if (
    ![source, target].every((address) => isAddress(address) && !address.includes('%')) ||
    ports.some((port, index) => port > 65_535 || String(port) !== [sourcePort, targetPort][index])
  )
    throw new Error('an invalid address in a PROXY protocol header of version 1');
  return { bytes: end + 2, client: { address: ipaddr.process(source).toString(), port: ports[0] } };
}

/** The bytes of an address, by the family and transport of the header's 14th byte. */
const TCP_ADDRESS_BYTES: ReadonlyMap<number, number> = new Map([
  [0x11, 4],
  [0x21, 16],
]);

function parseV2(bytes: Buffer): ProxyHeader | undefined {
  const [versionAndCommand, familyAndTransport = 0] = bytes.subarray(V2_SIGNATURE.length);
  if (versionAndCommand !== undefined && versionAndCommand !== 0x20 && versionAndCommand !== 0x21)
    throw new Error('an unknown version or command in a binary PROXY protocol header');
  const isLocal = versionAndCommand === 0x20;
  const isKnownFamily = familyAndTransport >> 4 <= 3 && (familyAndTransport & 0xf) <= 2;
  if (!isLocal && !isKnownFamily) throw new Error('an unknown address family in a PROXY protocol header of version 2');
  if (bytes.length < V2_FIXED_BYTES) return undefined;
  const length = V2_FIXED_BYTES + bytes.readUInt16BE(14);
  if (length > V2_MAX_BYTES) throw new Error('a PROXY protocol header of version 2 is too long');
  if (bytes.length < length) return undefined;
  const addressBytes = TCP_ADDRESS_BYTES.get(familyAndTransport);
  if (isLocal || addressBytes === undefined) return { bytes: length, client: {} };
  if (length < V2_FIXED_BYTES + 2 * addressBytes + 4)
    throw new Error('a PROXY protocol header of version 2 is too short for its addresses');
  const source = [...bytes.subarray(V2_FIXED_BYTES, V2_FIXED_BYTES + addressBytes)];
  return {
    bytes: length,
    client: {
      address: ipaddr.process(ipaddr.fromByteArray(source).toString()).toString(),
      port: bytes.readUInt16BE(V2_FIXED_BYTES + 2 * addressBytes),
    },
  };
}

export function createProxyProtocol({ trustedProxies, timeoutMs, logger }: ProxyProtocolOptions): ProxyProtocol {
  const clients = new Map<string, ForwardedClient>();

  const remember = (socket: Socket, client: ForwardedClient): void => {
    const key = keyOf(socket);
    clients.set(key, client);
    socket.once('close', () => {
      // The port may be that of a new connection already.
      if (clients.get(key) === client) clients.delete(key);
    });
  };

  return {
    read(socket, next) {
      if (!trustedProxies(plainAddress(socket.remoteAddress ?? '') ?? '')) {
        next(undefined);
        return;
      }
      let head = Buffer.alloc(0);
      const stop = (): void => {
        clearTimeout(timer);
        socket.off('readable', onReadable);
        socket.off('end', onEnd);
        socket.off('close', stop);
      };
      const reject = (): void => {
        stop();
        logger.warn({}, INVALID_HEADER);
        socket.destroy();
      };
      const timer = setTimeout(reject, timeoutMs);
      // Health checks of a load balancer may connect only.
      const onEnd = (): void => (head.length === 0 ? void socket.destroy() : reject());
      const onReadable = (): void => {
        const chunk = socket.read() as Buffer | null;
        if (chunk === null) return;
        head = Buffer.concat([head, chunk]);
        let header: ProxyHeader | undefined;
        try {
          header = parseProxyHeader(head);
        } catch {
          reject();
          return;
        }
        if (header === undefined) return;
        stop();
        remember(socket, header.client);
        socket.unshift(head.subarray(header.bytes));
        next(header.client);
      };
      socket.on('readable', onReadable);
      socket.on('end', onEnd);
      socket.on('close', stop);
    },
    clientOf: (connection) => clients.get(keyOf(connection)),
  };
}

function keyOf({ remoteAddress, remotePort, localAddress }: Endpoints): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
