import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Removes the brackets of an IPv6 address, as URLs have them. */
export function stripBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

/** `host:port`, with brackets around an IPv6 address. */
export function formatHostPort(host: string, port: number | string): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Whether a host name, or an address without brackets, is this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || (isIP(host) !== 0 && ipaddr.process(host).range() === 'loopback');
}

/**
 * Returns a function that tells whether an address is in any of these networks.
 *
 * @param networks addresses and CIDR blocks, such as `192.0.2.7` and `10.0.0.0/8`
 * @throws Error that quotes the first one that is neither
 */
export function createNetworks(networks: readonly string[]): (address: string) => boolean {
  const blocks = networks.map((network) => {
    const [address = '', ...prefix] = network.split('/');
    if (isIP(address) === 0 || !ipaddr.isValidCIDR(prefix.length === 0 ? `${address}/0` : network)) {
      throw new Error(`${JSON.stringify(network)} is not an IP address or a network such as 10.0.0.0/8`);
    }
    if (prefix.length > 0) return ipaddr.parseCIDR(network);
    const parsed = ipaddr.parse(address);
    return [parsed, parsed.toByteArray().length * 8] as const;
  });
  return (address) => {
    if (isIP(address) === 0) return false;
    const parsed = ipaddr.parse(address);
    return blocks.some(([network, bits]) => network.kind() === parsed.kind() && parsed.match(network, bits));
  };
}
