import { createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP, isIPv4 } from 'node:net';

import { SpartakusError } from '../report/errors.ts';

/** What of a client's address stands in the database: nothing, a keyed hash, or the address. An address is personal data. */
export const PEER_RECORDS = ['none', 'hash', 'address'] as const;
export type PeerRecord = (typeof PEER_RECORDS)[number];

export interface PeerOptions {
  readonly record: PeerRecord;
  /** Addresses and networks (`10.0.0.0/8`, `::1`) whose X-Forwarded-For is believed; of anybody else's, nothing is read. */
  readonly trustedProxies: readonly string[];
  readonly randomBytes: (count: number) => Uint8Array;
}

/** What of a request the peer is found by. */
export interface PeerRequest {
  readonly headers: IncomingHttpHeaders;
  readonly socket: { readonly remoteAddress?: string | undefined; readonly remotePort?: number | undefined };
}

/** Says of a request what is stored as `receivedFrom`; undefined where nothing is. */
export type PeerNamer = (request: PeerRequest) => string | undefined;

/**
 * Names peers as the operator asks: `address` gives host:port, as CoreOS' collector did (the host alone where a proxy forwards,
 * for it does not tell the port); `hash` gives 16 hexadecimal digits of an HMAC-SHA-256 of the host, with a key that is made when
 * the program starts and never kept: equal for one client until the next start, and not to be computed back.
 *
 * @throws SpartakusError of kind `invalid` that names the trusted proxy which is none
 */
export function createPeerNamer({ record, trustedProxies, randomBytes }: PeerOptions): PeerNamer {
  const isTrusted = createNetworks(trustedProxies);
  if (record === 'none') return () => undefined;
  const key = randomBytes(32);
  return ({ headers, socket: { remoteAddress, remotePort } }) => {
    const nearest = plainAddress(remoteAddress ?? '');
    if (nearest === undefined) return undefined;
    const forwarded = isTrusted(nearest) ? forwardedAddress([headers['x-forwarded-for'] ?? ''].flat().join(','), isTrusted) : undefined;
    const host = forwarded ?? nearest;
    if (record === 'hash') return createHmac('sha256', key).update(host).digest('hex').slice(0, 16);
    if (forwarded !== undefined || remotePort === undefined) return host;
    return isIPv4(host) ? `${host}:${remotePort}` : `[${host}]:${remotePort}`;
  };
}

/** The client's address behind trusted proxies: the last of the list that is no trusted proxy, for each adds whom it saw at the end. */
function forwardedAddress(list: string, isTrusted: (address: string) => boolean): string | undefined {
  const addresses = list.split(',').map((text) => plainAddress(text.trim()));
  let client: string | undefined;
  for (const address of addresses.toReversed()) {
    // What stands before something that is no address was not written by a proxy of ours.
    if (address === undefined) break;
    client = address;
    if (!isTrusted(address)) break;
  }
  return client;
}

/** An IP address without brackets, port, zone, or IPv4 in IPv6's clothes; undefined for anything else. */
function plainAddress(text: string): string | undefined {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? (/^[\d.]+:\d+$/.test(text) ? text.slice(0, text.indexOf(':')) : text);
  const address = bare.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  return isIP(address) === 0 ? undefined : address.toLowerCase();
}

function createNetworks(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix, ...rest] = network.split('/');
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    const bits = prefix === undefined ? (family === 'ipv4' ? 32 : 128) : Number(prefix);
    if (isIP(address) === 0 || rest.length > 0 || !/^\d+$/.test(prefix ?? '0') || bits > (family === 'ipv4' ? 32 : 128)) {
      throw new SpartakusError('invalid', `--trusted-proxies ${JSON.stringify(network)} is no address or network: use one like 10.0.0.0/8`);
    }
    list.addSubnet(address, bits, family);
  }
  return (address) => list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}
