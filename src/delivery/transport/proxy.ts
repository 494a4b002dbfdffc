import { isIP } from 'node:net';
import { createNetworks, isLoopback, stripBrackets } from '../../runtime/addresses.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';

export interface ProxyTarget {
  readonly kind: 'grpc' | 'https' | 'http';
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
}

export function httpTarget({ protocol, hostname, port }: URL): ProxyTarget {
  const kind = protocol === 'http:' ? 'http' : 'https';
  return { kind, host: stripBrackets(hostname), port: Number(port) || (kind === 'http' ? 80 : 443) };
}

export interface Proxy {
  /** May contain a password. */
  readonly url: URL;
  readonly variable: string;
}

/** As in other gRPC libraries, the variables of gRPC precede those of HTTPS and HTTP. */
const VARIABLES = {
  grpc: { proxy: ['grpc_proxy', 'https_proxy', 'http_proxy'], noProxy: ['no_grpc_proxy', 'no_proxy'] },
  https: { proxy: ['https_proxy'], noProxy: ['no_proxy'] },
  http: { proxy: ['http_proxy'], noProxy: ['no_proxy'] },
};

/**
 * The proxy of the environment for a server; variables are in lower or upper case. None for a loopback address, and for an entry of
 * NO_PROXY: `*`, a domain with its subdomains, `.example.com` or `*.example.com` for the subdomains alone, an address, a CIDR block; a name
 * or an address may have a port. Throws a SpartakusError `invalid` with the name of the variable where its value is not the URL of a proxy.
 */
export function proxyFor(target: ProxyTarget, env: NodeJS.ProcessEnv): Proxy | undefined {
  const { proxy, noProxy } = VARIABLES[target.kind];
  const found = lookUp(proxy, env);
  if (found === undefined || isLoopback(target.host)) return undefined;
  const exceptions = lookUp(noProxy, env)
    ?.value.toLowerCase()
    .match(/[^\s,]+/g);
  if (exceptions?.some((entry) => covers(entry, target))) return undefined;
  return { url: parseProxyUrl(found, target.kind), variable: found.variable };
}

/** A server and its proxy, for messages. */
export function describeTarget(target: string, proxy: Proxy | undefined): string {
  if (proxy === undefined) return target;
  return `${target} (through the proxy ${maskUrl(proxy.url.origin)} of $${proxy.variable})`;
}

type Variable = Readonly<Record<'variable' | 'value', string>>;

function lookUp(names: readonly string[], env: NodeJS.ProcessEnv): Variable | undefined {
  for (const variable of names.flatMap((name) => [name, name.toUpperCase()])) {
    const value = env[variable];
    if (value !== undefined && value !== '') return { variable, value };
  }
  return undefined;
}

function parseProxyUrl({ variable, value }: Variable, kind: ProxyTarget['kind']): URL {
  const url = URL.parse(value.includes('://') ? value : `http://${value}`);
  const schemes = kind === 'grpc' ? ['http:'] : ['http:', 'https:'];
  const fail = (problem: string): never => {
    throw new SpartakusError('invalid', `$${variable} ${maskUrl(value)}: ${problem}.`, { field: variable });
  };
  if (url === null || !schemes.includes(url.protocol))
    return fail('is not the URL of a proxy, such as http://proxy.example.com:3128');
  if (!isDecodable(url.username + url.password))
    return fail('its user or password has a "%" that is not written as %25');
  return url;
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
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
