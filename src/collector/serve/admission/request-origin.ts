import { createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Protocol, RequestOrigin } from '../../../report/request-origin.ts';
import { formatHostPort, type Networks, plainAddress } from '../../../runtime/addresses.ts';
import { rememberResults } from '../../../runtime/remember.ts';
import type { ProxyProtocol } from './proxy-protocol.ts';

/** What is stored of a client's address, which is personal data. */
export const RECORD_PEER_MODES = ['none', 'hash', 'address'] as const;
export type RecordPeerMode = (typeof RECORD_PEER_MODES)[number];

export interface OriginOptions {
  readonly recordPeer: RecordPeerMode;
  /** The networks whose X-Forwarded-For is trusted, and whose PROXY protocol is read. */
  readonly trustedProxies: Networks;
  /** Where set, it tells the clients of the connections of trusted proxies. */
  readonly clientOf?: ProxyProtocol['clientOf'] | undefined;
  readonly randomBytes: (count: number) => Uint8Array;
}

export interface OriginRequest {
  readonly headers: IncomingHttpHeaders;
  readonly socket: Parameters<ProxyProtocol['clientOf']>[0];
}

export interface OriginFinder {
  originOf(request: OriginRequest, protocol: Protocol): RequestOrigin;
  /** The address key of a connection; undefined for a trusted proxy's, and for a closed one. */
  addressKeyOf(remoteAddress: string | undefined): string | undefined;
}

/**
 * Mode `address` records host:port, as CoreOS' collector did, or the host alone behind a proxy. Mode `hash` records 16 hexadecimal digits
 * of an HMAC-SHA-256 of the host, with a key that is created at start and never stored.
 */
export function createOriginFinder({
  recordPeer,
  trustedProxies: isTrusted,
  clientOf,
  randomBytes,
}: OriginOptions): OriginFinder {
  const key = randomBytes(32);
  const record = (host: string, port?: number): string | undefined => {
    if (recordPeer === 'none') return undefined;
    if (recordPeer === 'hash') return createHmac('sha256', key).update(host).digest('hex').slice(0, 16);
    return port === undefined ? host : formatHostPort(host, port);
  };
  // Each client sends many requests.
  const addressOf = rememberResults(plainAddress);
  const keyOf = rememberResults((address) => (isTrusted(address) ? undefined : networkOf(address)));
  return {
    originOf({ headers, socket }, protocol) {
      const client = clientOf?.(socket);
      // A proxy that does not name its client does not vouch for headers either.
      if (client !== undefined && client.address === undefined) return { protocol };
      const { address: remoteAddress, port: remotePort } = client ?? {
        address: socket.remoteAddress,
        port: socket.remotePort,
      };
      const nearest = addressOf(remoteAddress ?? '');
      if (nearest === undefined) return { protocol };
      const forwarded = isTrusted(nearest)
        ? forwardedAddress([headers['x-forwarded-for'] ?? ''].flat().join(','), isTrusted)
        : undefined;
      const recordedAddress = forwarded === undefined ? record(nearest, remotePort) : record(forwarded);
      return { protocol, recordedAddress, addressKey: keyOf(forwarded ?? nearest) };
    },
    addressKeyOf(remoteAddress) {
      const address = addressOf(remoteAddress ?? '');
      return address === undefined ? undefined : keyOf(address);
    },
  };
}

/** An IPv4 address itself, or the /64 network of an IPv6 address, which one customer has. */
function networkOf(address: string): string {
  return isIPv4(address) ? address : ipaddr.IPv6.networkAddressFromCIDR(`${address}/64`).toString() + '/64';
}

/** The last untrusted address of the list, since each proxy appends the address of its client. */
function forwardedAddress(list: string, isTrusted: Networks): string | undefined {
  const addresses = list.split(',').map((text) => plainAddress(text.trim()));
  let client: string | undefined;
  for (const address of addresses.toReversed()) {
    // The rest may be forged.
    if (address === undefined) break;
    client = address;
    if (!isTrusted(address)) break;
  }
  return client;
}
