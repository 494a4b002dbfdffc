import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Removes the brackets that an IPv6 address has in a URL. */
export function stripBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

export function formatHostPort(host: string, port: number | string): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Whether a host name, or an address without brackets, is a loopback address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || (isIP(host) !== 0 && ipaddr.process(host).range() === 'loopback');
}

/** Whether an address is in one of several networks. */
export type Networks = (address: string) => boolean;

/** What `createNetworks` returns for an empty list. */
export const NO_NETWORKS: Networks = () => false;

/** Parses addresses and CIDR blocks, such as `192.0.2.7` and `10.0.0.0/8`. Throws an Error that quotes the first invalid one. */
export function createNetworks(networks: readonly string[]): Networks {
  const blocks = networks.map((network) => {
    const [address = '', ...prefix] = network.split('/');
    if (isIP(address) === 0 || !ipaddr.isValidCIDR(prefix.length === 0 ? `${address}/0` : network)) {
      throw new Error(`${JSON.stringify(network)} is not an IP address or a network such as 10.0.0.0/8`);
    }
    if (prefix.length > 0) return ipaddr.parseCIDR(network);
    const parsed = ipaddr.parse(address);
    return [parsed, parsed.toByteArray().length * 8] as const;
  });
  if (blocks.length === 0) return NO_NETWORKS;
  return (address) => {
    if (isIP(address) === 0) return false;
    const parsed = ipaddr.parse(address);
    return blocks.some(([network, bits]) => network.kind() === parsed.kind() && parsed.match(network, bits));
  };
}

/** An IP address without brackets, port and zone, IPv4-mapped IPv6 as IPv4. */
export function plainAddress(text: string): string | undefined {
  const bare =
    /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? (/^[\d.]+:\d+$/.test(text) ? text.slice(0, text.indexOf(':')) : text);
  const address = bare.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  return isIP(address) === 0 ? undefined : address.toLowerCase();
}
