import type { Writable } from 'node:stream';
import type { ReportSink } from '../report/report-sink.ts';
import { SpartakusError } from '../runtime/errors.ts';
import { maskUrl } from '../runtime/mask.ts';
import type { Access } from './client-credentials.ts';
import { parseGrpcUrl, portOf } from './transport/grpc-url.ts';
import { apiUrl } from './transport/http-url.ts';
import { httpTarget, proxyFor } from './transport/proxy.ts';
import { openStdoutSink } from './transport/stdout.ts';

/** A form that --database takes, for help and --print-databases. */
export interface DatabaseForm {
  readonly example: string;
  readonly description: string;
}

/** Every form of --database that a volunteer takes. */
export const DATABASE_FORMS: readonly DatabaseForm[] = [
  { example: 'stdout', description: 'prints each report, and sends nothing' },
  {
    example: 'grpc://collector.example.com:8080',
    description: 'a collector, over gRPC without TLS; port 8080 where none is given',
  },
  {
    example: 'grpcs://collector.example.com:443',
    description: 'a collector, over gRPC with TLS; port 443 where none is given',
  },
  { example: 'http://collector.example.com', description: 'a collector, as legacy JSON to /api/v1, without TLS' },
  { example: 'https://collector.example.com', description: 'a collector, as legacy JSON to /api/v1, with TLS' },
];

export interface OpenOptions {
  /** Where `stdout` prints. */
  readonly stdout: Writable;
  /** How long a delivery may take, in milliseconds; the transport's own default where none is given. */
  readonly timeoutMs?: number;
  /** Certificates and token; see access.ts. */
  readonly access?: Access;
  /** Where proxies are named; see proxy.ts. */
  readonly env?: NodeJS.ProcessEnv;
  /** Gives up what is under way. */
  readonly signal?: AbortSignal;
}

type Transport = 'stdout' | 'rpc' | 'http';

/** Checks a value of --database without opening anything. What is wrong with it is thrown as a SpartakusError `invalid`. */
export function checkDatabase(spec: string): void {
  transportOf(spec);
}

/** Checks the way to the database: the proxy that the environment names for it. A wrong one is thrown as a SpartakusError `invalid`. */
export function checkProxy(spec: string, env: NodeJS.ProcessEnv): void {
  const transport = transportOf(spec);
  if (transport === 'rpc') {
    const { host, authority } = parseGrpcUrl(spec);
    proxyFor({ kind: 'grpc', host, port: portOf(authority) }, env);
  } else if (transport === 'http') proxyFor(httpTarget(apiUrl(spec)), env);
}

/** Opens what --database names. Nothing connects before the first put; a wrong value is thrown as by {@link checkDatabase}, and so is a wrong proxy. */
export async function openDatabase(spec: string, { stdout, ...options }: OpenOptions): Promise<ReportSink> {
  const transport = transportOf(spec);
  if (transport === 'stdout') return openStdoutSink(stdout);
  // Only what is needed comes into memory: gRPC is 10 MiB, and even node:http is 8, for as a module it brings Node's WebSocket along.
  if (transport === 'http') {
    const { openHttpSink } = await import('./transport/http.ts');
    return openHttpSink({ url: spec }, options);
  }
  const { openRpcSink } = await import('./transport/grpc.ts');
  return openRpcSink({ url: spec }, options);
}

function transportOf(spec: string): Transport {
  if (spec === 'stdout') return 'stdout';
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(spec)?.[1]?.toLowerCase();
  if (scheme === 'grpc' || scheme === 'grpcs') {
    parseGrpcUrl(spec);
    return 'rpc';
  }
  if (scheme === 'http' || scheme === 'https') {
    apiUrl(spec);
    return 'http';
  }
  const known = DATABASE_FORMS.map(({ example }) => example).join(', ');
  throw new SpartakusError('invalid', `--database ${maskUrl(spec)}: is none of the known forms: ${known}.`, {
    field: '--database',
  });
}
