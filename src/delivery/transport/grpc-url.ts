import { stripBrackets } from '../../runtime/addresses.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';
import type { ProxyTarget } from './proxy.ts';

export interface GrpcTarget extends ProxyTarget {
  /** Host and port, an IPv6 address in brackets, such as "[::1]:8080". */
  readonly authority: string;
  readonly tls: boolean;
}

const DEFAULT_PORT = { 'grpc:': '8080', 'grpcs:': '443' } as const;

/** Parses grpc://HOST[:PORT], or grpcs://HOST[:PORT] for TLS. Throws a SpartakusError `invalid` with the flag otherwise. */
export function parseGrpcUrl(text: string, flag = '--database'): GrpcTarget {
  const fail = (problem: string): never => {
    const message = `${flag} ${maskUrl(text)}: ${problem}, such as grpc://collector.example.com:8080.`;
    throw new SpartakusError('invalid', message, { field: flag });
  };
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'grpc:' && url.protocol !== 'grpcs:'))
    return fail('is not grpc:// or grpcs:// with a host and port');
  if (url.hostname === '') return fail('has no host');
  if (url.username !== '' || url.password !== '')
    return fail('has a user or password, which gRPC does not support: write a host and port only');
  if (!['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '')
    return fail('has more than a host and port');
  const port = url.port || DEFAULT_PORT[url.protocol];
  return {
    kind: 'grpc',
    host: stripBrackets(url.hostname),
    port: Number(port),
    authority: `${url.hostname}:${port}`,
    tls: url.protocol === 'grpcs:',
  };
}
