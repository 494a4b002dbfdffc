import { createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP, isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { createNetworks } from '../../../runtime/addresses.ts';
import { messageOf, SpartakusError } from '../../../runtime/errors.ts';

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

/** Who sends something. */
export interface Peer {
  /** What is stored of it; absent where nothing is. */
  readonly receivedFrom?: string | undefined;
  /**
   * What limits know it by: its address, of IPv6 the network of 64 bits that one customer has. It is never stored. Absent where a
   * trusted proxy does not say whom it forwards, for then one limit would count for everybody.
   */
  readonly source?: string | undefined;
}

/** Says of a request whom it is from. */
export type PeerFinder = (request: PeerRequest) => Peer;

/**
 * Finds peers, and names them as the operator asks: `address` gives host:port, as CoreOS' collector did (the host alone where a proxy forwards,
 * for it does not tell the port); `hash` gives 16 hexadecimal digits of an HMAC-SHA-256 of the host, with a key that is made when
 * the program starts and never kept: equal for one client until the next start, and not to be computed back.
 *
 * @throws SpartakusError of kind `invalid` that names the trusted proxy which is none
 */
export function createPeerFinder({ record, trustedProxies, randomBytes }: PeerOptions): PeerFinder {
  const isTrusted = parseTrustedProxies(trustedProxies);
  const key = randomBytes(32);
  const nameOf = (host: string, port: number | undefined): string | undefined => {
    if (record === 'none') return undefined;
    if (record === 'hash') return createHmac('sha256', key).update(host).digest('hex').slice(0, 16);
    if (port === undefined) return host;
    return isIPv4(host) ? `${host}:${port}` : `[${host}]:${port}`;
  };
  return ({ headers, socket: { remoteAddress, remotePort } }) => {
    const nearest = plainAddress(remoteAddress ?? '');
    if (nearest === undefined) return {};
    if (!isTrusted(nearest)) return { receivedFrom: nameOf(nearest, remotePort), source: sourceOf(nearest) };
    const forwarded = forwardedAddress([headers['x-forwarded-for'] ?? ''].flat().join(','), isTrusted);
    if (forwarded === undefined) return { receivedFrom: nameOf(nearest, remotePort) };
    return {
      receivedFrom: nameOf(forwarded, undefined),
      source: isTrusted(forwarded) ? undefined : sourceOf(forwarded),
    };
  };
}

/** The source of a connection by its address alone; undefined where it is a trusted proxy's, or has gone already. */
export function createSourceFinder(
  trustedProxies: readonly string[],
): (remoteAddress: string | undefined) => string | undefined {
  const isTrusted = parseTrustedProxies(trustedProxies);
  return (remoteAddress) => {
    const address = plainAddress(remoteAddress ?? '');
    return address === undefined || isTrusted(address) ? undefined : sourceOf(address);
  };
}

/** An IPv4 address, or the /64 network of an IPv6 address. */
function sourceOf(address: string): string {
  return isIPv4(address) ? address : ipaddr.IPv6.networkAddressFromCIDR(`${address}/64`).toString() + '/64';
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
  const bare =
    /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? (/^[\d.]+:\d+$/.test(text) ? text.slice(0, text.indexOf(':')) : text);
  const address = bare.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  return isIP(address) === 0 ? undefined : address.toLowerCase();
}

function parseTrustedProxies(networks: readonly string[]): (address: string) => boolean {
  try {
    return createNetworks(networks);
  } catch (error) {
    throw new SpartakusError('invalid', `--trusted-proxies ${messageOf(error)}`);
  }
}
