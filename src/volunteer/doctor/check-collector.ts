import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Client, ServiceError } from '@grpc/grpc-js';
import {
  Health,
  HealthCheckRequestSchema,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
  HealthCheckResponseSchema,
} from '../../../gen/grpc/health/v1/health_pb.js';
import type { Access } from '../../delivery/client-credentials.ts';
import { excerpt } from '../../delivery/transport/excerpt.ts';
import { parseGrpcUrl } from '../../delivery/transport/grpc-url.ts';
import { apiUrl } from '../../delivery/transport/http-url.ts';
import { httpTarget, type Proxy, proxyFor } from '../../delivery/transport/proxy.ts';
import { stripBrackets } from '../../runtime/addresses.ts';
import { messageOf } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';
import { type Check, fail, ok, warn } from './check.ts';

export interface CheckCollectorOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Certificates and token; see access.ts. */
  readonly access: Access;
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
  let proxy: Proxy | undefined;
  try {
    const { host, port, isGrpc, isTls } = target;
    proxy = proxyFor({ kind: isGrpc ? 'grpc' : isTls ? 'https' : 'http', host, port }, options.env);
  } catch (error) {
    yield fail('proxy', messageOf(error));
    return;
  }
  yield ok('proxy', proxy === undefined ? 'none is used' : `${maskUrl(proxy.url.origin)}, from $${proxy.variable}`);
  const dns = await checkDns(proxy === undefined ? target.host : httpTarget(proxy.url).host);
  yield dns;
  if (dns.status === 'FAIL') return;
  if (target.isTls && proxy === undefined) {
    const tls = await checkTls(target, options);
    yield tls;
    if (tls.status === 'FAIL') return;
  }
  yield await (target.isGrpc ? checkGrpcHealth(target, proxy, options) : checkHttpHealth(target, proxy, options));
}

function targetOf(spec: string): Target {
  if (/^grpcs?:/i.test(spec)) {
    const { host, authority, tls } = parseGrpcUrl(spec);
    return { url: spec, isGrpc: true, host, port: Number(authority.slice(authority.lastIndexOf(':') + 1)), isTls: tls };
  }
  const url = apiUrl(spec);
  const isTls = url.protocol === 'https:';
  return {
    url: url.href,
    isGrpc: false,
    host: stripBrackets(url.hostname),
    port: Number(url.port) || (isTls ? 443 : 80),
    isTls,
  };
}

async function checkDns(host: string): Promise<Check> {
  if (isIP(host) !== 0) return ok('DNS', `${host} is an address`);
  try {
    const addresses = await lookup(host, { all: true });
    return ok('DNS', `${host} is ${addresses.map(({ address }) => address).join(', ')}`);
  } catch (error) {
    return fail(
      'DNS',
      `${host} has no address: ${messageOf(error)}. Is the name right, and does this machine ask the right DNS server?`,
    );
  }
}

function checkTls(
  { host, port, isGrpc }: Target,
  { access: { ca, cert, key }, timeoutMs = 10_000 }: CheckCollectorOptions,
): Promise<Check> {
  const { promise, resolve } = Promise.withResolvers<Check>();
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connect({ host, port, ...name, ca, cert, key, ALPNProtocols: [isGrpc ? 'h2' : 'http/1.1'] });
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
  socket.once('error', (error) => {
    resolve(
      fail(
        'TLS',
        `${host}:${port}: ${messageOf(error)}. Is this the collector's address, and its certificate signed by a CA that is known here?`,
      ),
    );
  });
  socket.once('secureConnect', () => {
    const { valid_to: validTo } = socket.getPeerCertificate();
    const leftMs = Date.parse(validTo) - Date.now();
    resolve(
      (leftMs < SOON_MS ? warn : ok)(
        'TLS',
        `${socket.getProtocol() ?? 'TLS'}; the certificate is good until ${validTo}`,
      ),
    );
    socket.destroy();
  });
  return promise;
}

async function checkGrpcHealth(
  target: Target,
  proxy: Proxy | undefined,
  { access, timeoutMs = 10_000 }: CheckCollectorOptions,
): Promise<Check> {
  // As in open.ts: gRPC only comes into memory where it is used.
  const [{ openRpcClient }, { status: Code }] = await Promise.all([
    import('../../delivery/transport/grpc-client.ts'),
    import('@grpc/grpc-js'),
  ]);
  const client = openRpcClient(parseGrpcUrl(target.url), access, proxy?.url);
  try {
    const { status } = await askHealth(client, timeoutMs);
    if (status === ServingStatus.SERVING) return ok('collector', `${target.url} serves`);
    return fail('collector', `${target.url} says that it does not serve now: is its database reachable?`);
  } catch (error) {
    const { code = Code.UNKNOWN, details = messageOf(error) } = error as Partial<ServiceError>;
    if (code === Code.UNIMPLEMENTED)
      return warn('collector', `${target.url} answers, but does not tell its health: is it a collector?`);
    return fail(
      'collector',
      `${target.url}: ${excerpt(details)} (gRPC code ${code}). Is a collector running there, and does nothing stand in between?`,
    );
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
      (error, response) =>
        error === null && response !== undefined ? resolve(response) : reject(error ?? new Error('no answer')),
    );
  });
}

/** Of the whole server. */
const question = create(HealthCheckRequestSchema);

async function checkHttpHealth(
  { url, isTls }: Target,
  proxy: Proxy | undefined,
  { access, timeoutMs = 10_000 }: CheckCollectorOptions,
): Promise<Check> {
  const [{ request }, { openAgent }] = await Promise.all([
    isTls ? import('node:https') : import('node:http'),
    import('../../delivery/transport/http.ts'),
  ]);
  const health = new URL(url.replace(/\/api\/v1$/, '/healthz'));
  const shown = maskUrl(health.href);
  const { promise, resolve } = Promise.withResolvers<Check>();
  const agent = openAgent(health, access, proxy?.url.href);
  const outgoing = request(health, { agent, signal: AbortSignal.timeout(timeoutMs) });
  outgoing.once('response', (answer) => {
    answer.resume();
    const { statusCode = 0 } = answer;
    resolve(
      statusCode === 200
        ? ok('collector', `${shown} answers 200`)
        : fail(
            'collector',
            `${shown} answers ${statusCode} where only 200 is healthy: is this a collector, and its database reachable?`,
          ),
    );
  });
  outgoing.on('error', (error) =>
    resolve(fail('collector', `${shown}: ${excerpt(messageOf(error))}. Is a collector running there?`)),
  );
  outgoing.end();
  return await promise.finally(() => agent.destroy());
}
