import { createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP, isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Protocol, RequestOrigin } from '../../../report/request-origin.ts';
import { formatHostPort, type Networks } from '../../../runtime/addresses.ts';

/** The values of --record-peer: whether nothing, a keyed hash, or the address of a client is stored. An address is personal data. */
export const RECORD_PEER_MODES = ['none', 'hash', 'address'] as const;
export type RecordPeerMode = (typeof RECORD_PEER_MODES)[number];

export interface OriginOptions {
  readonly recordPeer: RecordPeerMode;
  /** The networks whose X-Forwarded-For is trusted. */
  readonly trustedProxies: Networks;
  readonly randomBytes: (count: number) => Uint8Array;
}

export interface OriginRequest {
  readonly headers: IncomingHttpHeaders;
  readonly socket: { readonly remoteAddress?: string | undefined; readonly remotePort?: number | undefined };
}

export interface OriginFinder {
  originOf(request: OriginRequest, protocol: Protocol): RequestOrigin;
  /** The address key of a connection; undefined for a trusted proxy's, and for one that is closed already. */
  addressKeyOf(remoteAddress: string | undefined): string | undefined;
}

/**
 * Determines origins. The recorded address of mode `address` is host:port, as CoreOS' collector stored it (behind a proxy the host
 * alone: X-Forwarded-For has no port). That of mode `hash` is 16 hexadecimal digits of an HMAC-SHA-256 of the host, with a key made at
 * start and never stored: equal for one client until the next start, and not reversible.
 */
export function createOriginFinder({
  recordPeer,
  trustedProxies: isTrusted,
  randomBytes,
}: OriginOptions): OriginFinder {
  const key = randomBytes(32);
  const record = (host: string, port?: number): string | undefined => {
    if (recordPeer === 'none') return undefined;
    if (recordPeer === 'hash') return createHmac('sha256', key).update(host).digest('hex').slice(0, 16);
    return port === undefined ? host : formatHostPort(host, port);
  };
  const keyOf = (address: string): string | undefined => (isTrusted(address) ? undefined : networkOf(address));
  return {
    originOf({ headers, socket: { remoteAddress, remotePort } }, protocol) {
      const nearest = plainAddress(remoteAddress ?? '');
      if (nearest === undefined) return { protocol };
      const forwarded = isTrusted(nearest)
        ? forwardedAddress([headers['x-forwarded-for'] ?? ''].flat().join(','), isTrusted)
        : undefined;
      const recordedAddress = forwarded === undefined ? record(nearest, remotePort) : record(forwarded);
      return { protocol, recordedAddress, addressKey: keyOf(forwarded ?? nearest) };
    },
    addressKeyOf(remoteAddress) {
      const address = plainAddress(remoteAddress ?? '');
      return address === undefined ? undefined : keyOf(address);
    },
  };
}

/** An IPv4 address itself, or the /64 network of an IPv6 address, which is what one customer has. */
function networkOf(address: string): string {
  return isIPv4(address) ? address : ipaddr.IPv6.networkAddressFromCIDR(`${address}/64`).toString() + '/64';
}

/** The client's address behind trusted proxies: the last untrusted one of the list, since each proxy appends the address that it saw. */
function forwardedAddress(list: string, isTrusted: Networks): string | undefined {
  const addresses = list.split(',').map((text) => plainAddress(text.trim()));
  let client: string | undefined;
  for (const address of addresses.toReversed()) {
    // Left of a part that is no address, the client may have written anything.
    if (address === undefined) break;
    client = address;
    if (!isTrusted(address)) break;
  }
  return client;
}

/** An IP address without brackets, port and zone, IPv4-mapped IPv6 as IPv4; undefined for anything else. */
function plainAddress(text: string): string | undefined {
  const bare =
    /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? (/^[\d.]+:\d+$/.test(text) ? text.slice(0, text.indexOf(':')) : text);
  const address = bare.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  return isIP(address) === 0 ? undefined : address.toLowerCase();
}
