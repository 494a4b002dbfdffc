import { stripBrackets } from '../../runtime/addresses.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';

/** Where a collector listens for gRPC. */
export interface GrpcTarget {
  /** A name, or an address without brackets. */
  readonly host: string;
  /** Host and port, an IPv6 address in brackets, such as "[::1]:8080". */
  readonly authority: string;
  readonly tls: boolean;
}

/** The collector's own default, and that of TLS. */
const DEFAULT_PORT = { 'grpc:': '8080', 'grpcs:': '443' } as const;

/**
 * Reads grpc://HOST[:PORT] (without TLS, port 8080 where none is given) or grpcs://HOST[:PORT] (TLS, port 443). Anything else is a
 * SpartakusError `invalid`.
 *
 * @param flag what named it
 */
export function parseGrpcUrl(text: string, flag = '--database'): GrpcTarget {
  const fail = (problem: string): never => {
    throw new SpartakusError(
      'invalid',
      `${flag} ${maskUrl(text)}: ${problem}, such as grpc://collector.example.com:8080.`,
      { field: flag },
    );
  };
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'grpc:' && url.protocol !== 'grpcs:'))
    return fail('is not grpc:// or grpcs:// with a host and port');
  if (url.hostname === '') return fail('has no host');
  if (url.username !== '' || url.password !== '')
    return fail('has a user or password, which gRPC does not take: write a host and port only');
  if (!['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '')
    return fail('has more than a host and port');
  const host = stripBrackets(url.hostname);
  return {
    host,
    authority: `${url.hostname}:${url.port || DEFAULT_PORT[url.protocol]}`,
    tls: url.protocol === 'grpcs:',
  };
}

/** The port of an authority as a target has it. */
export function portOf(authority: string): number {
  return Number(/:(\d+)$/.exec(authority)?.[1]);
}
