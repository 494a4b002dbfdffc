import { isIP } from 'node:net';
import { createNetworks, isLoopback, stripBrackets } from '../../runtime/addresses.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';

/** The protocol, which selects the variables. */
export type ProxyKind = 'grpc' | 'https' | 'http';

export interface ProxyTarget {
  readonly kind: ProxyKind;
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** The server of an http:// or https:// URL. */
export function httpTarget({ protocol, hostname, port }: URL): ProxyTarget {
  const kind = protocol === 'http:' ? 'http' : 'https';
  return { kind, host: stripBrackets(hostname), port: Number(port) || (kind === 'http' ? 80 : 443) };
}

export interface Proxy {
  /** The whole URL, which may hold a password. */
  readonly url: URL;
  readonly variable: string;
}

/** The variables of gRPC are those that every gRPC library reads, before those of HTTPS and HTTP. */
const VARIABLES = {
  grpc: { proxy: ['grpc_proxy', 'https_proxy', 'http_proxy'], noProxy: ['no_grpc_proxy', 'no_proxy'] },
  https: { proxy: ['https_proxy'], noProxy: ['no_proxy'] },
  http: { proxy: ['http_proxy'], noProxy: ['no_proxy'] },
};

/**
 * The proxy that the environment names for a server; each variable in lower or upper case. None for a loopback address, and none for the
 * entries of NO_PROXY, in the syntax of Go and curl: `*`, a domain with its subdomains, `.example.com` or `*.example.com` for the
 * subdomains alone, an address, a CIDR block; a name or an address may have a port.
 *
 * Throws a SpartakusError `invalid` with the name of the variable where its value is not the URL of a proxy.
 */
export function proxyFor(target: ProxyTarget, env: NodeJS.ProcessEnv): Proxy | undefined {
  const { proxy, noProxy } = VARIABLES[target.kind];
  const found = lookUp(proxy, env);
  if (found === undefined || isLoopback(target.host)) return undefined;
  const exceptions =
    lookUp(noProxy, env)
      ?.value.toLowerCase()
      .match(/[^\s,]+/g) ?? [];
  if (exceptions.some((entry) => covers(entry, target))) return undefined;
  return { url: parseProxyUrl(found, target.kind), variable: found.variable };
}

/** A server for messages, with the proxy on the way to it. */
export function describeTarget(target: string, proxy: Proxy | undefined): string {
  return proxy === undefined
    ? target
    : `${target} (through the proxy ${maskUrl(proxy.url.origin)} of $${proxy.variable})`;
}

interface Variable {
  readonly variable: string;
  readonly value: string;
}

function lookUp(names: readonly string[], env: NodeJS.ProcessEnv): Variable | undefined {
  const variable = names.flatMap((name) => [name, name.toUpperCase()]).find((name) => (env[name] ?? '') !== '');
  return variable === undefined ? undefined : { variable, value: env[variable] ?? '' };
}

function parseProxyUrl({ variable, value }: Variable, kind: ProxyKind): URL {
  const url = URL.parse(value.includes('://') ? value : `http://${value}`);
  const schemes = kind === 'grpc' ? ['http:'] : ['http:', 'https:'];
  if (url !== null && schemes.includes(url.protocol) && url.hostname !== '') return url;
  throw new SpartakusError(
    'invalid',
    `$${variable} ${maskUrl(value)}: is not the URL of a proxy, such as http://proxy.example.com:3128.`,
    { field: variable },
  );
}

function covers(entry: string, { host, port }: ProxyTarget): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return isInBlock(entry, host);
  const [, pattern = '', entryPort] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(isIP(entry) === 6 ? `[${entry}]` : entry) ?? [];
  if (entryPort !== undefined && Number(entryPort) !== port) return false;
  const name = host.toLowerCase();
  const domain = pattern.replace(/^\*\./, '.');
  if (isIP(name) !== 0 || domain === '') return name === domain;
  return domain.startsWith('.') ? name.endsWith(domain) : name === domain || name.endsWith(`.${domain}`);
}

function isInBlock(block: string, host: string): boolean {
  try {
    return createNetworks([block])(host);
  } catch {
    return false;
  }
}
