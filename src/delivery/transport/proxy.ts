import { isIP } from 'node:net';
import { createNetworks, isLoopback, stripBrackets } from '../../runtime/addresses.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';

/** Which variables count: those for gRPC are the ones that every gRPC library reads, then those for HTTPS and HTTP. */
export type ProxyKind = 'grpc' | 'https' | 'http';

/** Who is to be reached. */
export interface ProxyTarget {
  readonly kind: ProxyKind;
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** What the URL of an HTTP server names. */
export function httpTarget({ protocol, hostname, port }: URL): ProxyTarget {
  const kind = protocol === 'http:' ? 'http' : 'https';
  return { kind, host: stripBrackets(hostname), port: Number(port) || (kind === 'http' ? 80 : 443) };
}

/** A proxy to go through. */
export interface Proxy {
  /** The whole URL; it may hold a password. */
  readonly url: URL;
  /** The variable that names it. */
  readonly variable: string;
}

const VARIABLES: Readonly<Record<ProxyKind, readonly string[]>> = {
  grpc: ['grpc_proxy', 'https_proxy', 'http_proxy'],
  https: ['https_proxy'],
  http: ['http_proxy'],
};
const NO_PROXY_VARIABLES: Readonly<Record<ProxyKind, readonly string[]>> = {
  grpc: ['no_grpc_proxy', 'no_proxy'],
  https: ['no_proxy'],
  http: ['no_proxy'],
};

/**
 * The proxy that the environment names for a target; each variable in lower or in upper case. None for this machine itself, which a
 * proxy elsewhere cannot reach, and none for what NO_PROXY lists, in the words of Go and curl: `*`, a domain with all below it,
 * `.example.com` or `*.example.com` for what is below it alone, an address, a CIDR block; a name or an address may have a port.
 *
 * A variable that is no proxy's URL is a SpartakusError `invalid` that names it.
 */
export function proxyFor(target: ProxyTarget, env: NodeJS.ProcessEnv): Proxy | undefined {
  const found = lookUp(VARIABLES[target.kind], env);
  if (found === undefined || isLoopback(target.host)) return undefined;
  const exceptions = (lookUp(NO_PROXY_VARIABLES[target.kind], env)?.value ?? '')
    .split(/[\s,]+/)
    .filter((entry) => entry !== '');
  if (exceptions.some((entry) => covers(entry.toLowerCase(), target))) return undefined;
  return { url: parseProxyUrl(found, target.kind), variable: found.variable };
}

/** A place for a message, with the proxy on the way to it. */
export function placeBehind(proxy: Proxy | undefined, place: string): string {
  return proxy === undefined
    ? place
    : `${place} (through the proxy ${maskUrl(proxy.url.origin)} of $${proxy.variable})`;
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
