import type { Writable } from 'node:stream';
import type { ReportSink } from '../report/report-sink.ts';
import { SpartakusError } from '../runtime/errors.ts';
import { maskUrl } from '../runtime/mask.ts';
import { type GrpcTarget, parseGrpcUrl } from './transport/grpc-url.ts';
import { apiUrl } from './transport/http-url.ts';
import { httpTarget, proxyFor, type ProxyTarget } from './transport/proxy.ts';
import type { TransportOptions } from './transport/sink.ts';
import { openStdoutSink } from './transport/stdout.ts';

/** The forms of --database, for help and --print-databases. */
export const DATABASE_FORMS: readonly { readonly example: string; readonly description: string }[] = [
  { example: 'stdout', description: 'prints each report, and sends nothing' },
  {
    example: 'grpc://collector.example.com:8080',
    description: 'a collector, over gRPC without TLS; default port 8080',
  },
  { example: 'grpcs://collector.example.com:443', description: 'a collector, over gRPC with TLS; default port 443' },
  { example: 'http://collector.example.com', description: 'a collector, as legacy JSON to /api/v1, without TLS' },
  { example: 'https://collector.example.com', description: 'a collector, as legacy JSON to /api/v1, with TLS' },
];

/** The destination of reports: the parsed value of a volunteer's --database. */
export type Database = { /** As it was given; may contain a password. */ readonly spec: string } & (
  | { readonly transport: 'stdout' }
  | { readonly transport: 'grpc'; readonly target: GrpcTarget }
  | { readonly transport: 'http'; readonly url: URL; readonly target: ProxyTarget }
);

/** Throws a SpartakusError `invalid` where the value of --database is wrong. */
export function parseDatabase(spec: string): Database {
  if (spec === 'stdout') return { spec, transport: 'stdout' };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(spec)?.[1]?.toLowerCase();
  if (scheme === 'grpc' || scheme === 'grpcs') return { spec, transport: 'grpc', target: parseGrpcUrl(spec) };
  if (scheme === 'http' || scheme === 'https') {
    const url = apiUrl(spec);
    return { spec, transport: 'http', url, target: httpTarget(url) };
  }
  const known = DATABASE_FORMS.map(({ example }) => example).join(', ');
  throw new SpartakusError('invalid', `--database ${maskUrl(spec)}: is none of the known forms: ${known}.`, {
    field: '--database',
  });
}

/** Throws a SpartakusError `invalid` where the proxy of the environment is wrong. */
export function checkProxy(database: Database, env: NodeJS.ProcessEnv): void {
  if (database.transport !== 'stdout') proxyFor(database.target, env);
}

/**
 * Opens a sink that connects with its first put. Rejects as {@link checkProxy} throws.
 *
 * @param options `schemaVersion`: the newest version whose fields are printed; transports to a collector have one of their own
 */
export async function openDatabase(
  { spec, transport }: Database,
  {
    stdout,
    schemaVersion,
    ...options
  }: TransportOptions & { readonly stdout: Writable; readonly schemaVersion?: number },
): Promise<ReportSink> {
  if (transport === 'stdout') return openStdoutSink(stdout, schemaVersion);
  // Imported when used: gRPC takes 10 MiB of memory, and node:http 8 MiB.
  if (transport === 'http') return (await import('./transport/http.ts')).openHttpSink(spec, options);
  return (await import('./transport/grpc.ts')).openGrpcSink(spec, options);
}
