import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { checkServerIdentity, connect } from 'node:tls';
import type { PeerCertificate } from 'node:tls';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Client, ServiceError } from '@grpc/grpc-js';
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
  HealthCheckResponseSchema,
} from '../../gen/grpc/health/v1/health_pb.js';
import type { HealthCheckResponse } from '../../gen/grpc/health/v1/health_pb.js';
import type { Check } from '../report/check.ts';
import { fail, ok, warn } from '../report/check.ts';
import { messageOf } from '../report/errors.ts';
import { maskUrl } from '../report/mask.ts';
import { excerpt } from './excerpt.ts';
import { parseGrpcUrl } from './grpc-url.ts';
import { apiUrl } from './http-url.ts';

export interface CheckCollectorOptions {
  readonly env: NodeJS.ProcessEnv;
  /** The CAs that the collector's certificate is checked against, as PEM; the system's where none are given. */
  readonly ca?: Buffer;
  /** How long each step may take, in milliseconds. */
  readonly timeoutMs?: number;
}

/** A collector, as far as the way to it goes. */
interface Target {
  readonly url: string;
  readonly isGrpc: boolean;
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
}

/** A certificate that expires sooner is worth a warning. */
const SOON_MS = 14 * 24 * 3_600_000;

/** Tries the way to a collector step by step: proxy, DNS, TLS, and its health. Nothing is sent to it but the question. */
export async function* checkCollector(spec: string, options: CheckCollectorOptions): AsyncGenerator<Check> {
  if (spec === 'stdout') {
    yield ok('database', 'stdout: reports are printed, and nothing is sent');
    return;
  }
  const target = targetOf(spec);
  const proxy = target.isGrpc ? proxyOf(target, options.env) : undefined;
  yield ok('proxy', proxy === undefined ? 'none is used' : `${maskUrl(proxy.value)}, from ${proxy.variable}`);
  const isDirect = proxy === undefined;
  const dns = await checkDns(isDirect ? target.host : (URL.parse(proxy.value)?.hostname ?? proxy.value));
  yield dns;
  if (dns.status === 'FAIL') return;
  if (target.isTls && isDirect) {
    const tls = await checkTls(target, options);
    yield tls;
    if (tls.status === 'FAIL') return;
  }
  yield await (target.isGrpc ? checkGrpcHealth(target, options) : checkHttpHealth(target, options));
}

function targetOf(spec: string): Target {
  if (/^grpcs?:/i.test(spec)) {
    const { host, authority, tls } = parseGrpcUrl(spec);
    return { url: spec, isGrpc: true, host, port: Number(authority.slice(authority.lastIndexOf(':') + 1)), isTls: tls };
  }
  const url = apiUrl(spec);
  const isTls = url.protocol === 'https:';
  return { url: url.href, isGrpc: false, host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(url.port) || (isTls ? 443 : 80), isTls };
}

/** The proxy that grpc-js goes through (its http_proxy.js): the first of these variables, unless no_proxy names the host. */
function proxyOf({ host }: Target, env: NodeJS.ProcessEnv): { readonly variable: string; readonly value: string } | undefined {
  const variable = ['grpc_proxy', 'https_proxy', 'http_proxy'].find((name) => (env[name] ?? '') !== '');
  const exempt = (env['no_grpc_proxy'] ?? env['no_proxy'] ?? '').split(',').map((name) => name.trim());
  const isExempt = exempt.some((name) => name !== '' && (host === name || host.endsWith(name.startsWith('.') ? name : `.${name}`)));
  if (variable === undefined || isExempt || isLoopback(host)) return undefined;
  return { variable, value: env[variable] ?? '' };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host);
}

async function checkDns(host: string): Promise<Check> {
  if (isIP(host) !== 0) return ok('DNS', `${host} is an address`);
  try {
    const addresses = await lookup(host, { all: true });
    return ok('DNS', `${host} is ${addresses.map(({ address }) => address).join(', ')}`);
  } catch (error) {
    return fail('DNS', `${host} has no address: ${messageOf(error)}. Is the name right, and does this machine ask the right DNS server?`);
  }
}

function checkTls({ host, port, isGrpc }: Target, { ca, timeoutMs = 10_000 }: CheckCollectorOptions): Promise<Check> {
  const { promise, resolve } = Promise.withResolvers<Check>();
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connect({ host, port, ...name, ...(ca === undefined ? {} : { ca }), ALPNProtocols: [isGrpc ? 'h2' : 'http/1.1'] });
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
  socket.once('error', (error) => {
    resolve(fail('TLS', `${host}:${port}: ${messageOf(error)}. Is this the collector's address, and its certificate signed by a CA that is known here?`));
  });
  socket.once('secureConnect', () => {
    const { valid_to: validTo } = socket.getPeerCertificate();
    const leftMs = Date.parse(validTo) - Date.now();
    resolve((leftMs < SOON_MS ? warn : ok)('TLS', `${socket.getProtocol() ?? 'TLS'}; the certificate is good until ${validTo}`));
    socket.destroy();
  });
  return promise;
}

async function checkGrpcHealth(target: Target, { ca, timeoutMs = 10_000 }: CheckCollectorOptions): Promise<Check> {
  // As in open.ts: gRPC only comes into memory where it is used.
  const { Client, credentials, status: Code } = await import('@grpc/grpc-js');
  const { host, authority, tls } = parseGrpcUrl(target.url);
  // grpc-js cannot check the certificate of an address by itself: see rpc.ts.
  const identity = { checkServerIdentity: (_: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate) };
  const security = tls ? credentials.createSsl(ca, null, null, isIP(host) === 0 ? {} : identity) : credentials.createInsecure();
  const client = new Client(`dns:${authority}`, security, {
    'grpc.enable_http_proxy': isLoopback(host) ? 0 : 1,
    ...(tls && isIP(host) !== 0 ? { 'grpc.ssl_target_name_override': 'collector.invalid' } : {}),
  });
  try {
    const { status } = await askHealth(client, timeoutMs);
    if (status === ServingStatus.SERVING) return ok('collector', `${target.url} serves`);
    return fail('collector', `${target.url} says that it does not serve now: is its database reachable?`);
  } catch (error) {
    const { code = Code.UNKNOWN, details = messageOf(error) } = error as Partial<ServiceError>;
    if (code === Code.UNIMPLEMENTED) return warn('collector', `${target.url} answers, but does not tell its health: is it a collector?`);
    return fail('collector', `${target.url}: ${excerpt(details)} (gRPC code ${code}). Is a collector running there, and does nothing stand in between?`);
  } finally {
    client.close();
  }
}

function askHealth(client: Client, timeoutMs: number): Promise<HealthCheckResponse> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      `/${Health.typeName}/${Health.method.check.name}`,
      (request: typeof question) => Buffer.from(toBinary(HealthCheckRequestSchema, request)),
      (bytes) => fromBinary(HealthCheckResponseSchema, bytes),
      question,
      { deadline: Date.now() + timeoutMs },
      (error, response) => (error === null && response !== undefined ? resolve(response) : reject(error ?? new Error('no answer'))),
    );
  });
}

/** Of the whole server. */
const question = create(HealthCheckRequestSchema);

async function checkHttpHealth({ url, isTls }: Target, { ca, timeoutMs = 10_000 }: CheckCollectorOptions): Promise<Check> {
  const { request } = isTls ? await import('node:https') : await import('node:http');
  const health = new URL(url.replace(/\/api\/v1$/, '/healthz'));
  const shown = maskUrl(health.href);
  const { promise, resolve } = Promise.withResolvers<Check>();
  const outgoing = request(health, { signal: AbortSignal.timeout(timeoutMs), ...(ca === undefined ? {} : { ca }) });
  outgoing.once('response', (answer) => {
    answer.resume();
    const { statusCode = 0 } = answer;
    resolve(
      statusCode === 200
        ? ok('collector', `${shown} answers 200`)
        : fail('collector', `${shown} answers ${statusCode} where only 200 is healthy: is this a collector, and its database reachable?`),
    );
  });
  outgoing.on('error', (error) => resolve(fail('collector', `${shown}: ${excerpt(messageOf(error))}. Is a collector running there?`)));
  outgoing.end();
  return promise;
}
