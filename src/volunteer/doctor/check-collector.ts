import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { create } from '@bufbuild/protobuf';
import type { ServiceError } from '@grpc/grpc-js';
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../../../gen/grpc/health/v1/health_pb.js';
import { type ClientCredentials, NO_CREDENTIALS } from '../../delivery/client-credentials.ts';
import type { Database } from '../../delivery/open-sink.ts';
import { excerpt } from '../../delivery/transport/excerpt.ts';
import { httpTarget, type Proxy, proxyFor, type ProxyTarget } from '../../delivery/transport/proxy.ts';
import type { TransportOptions } from '../../delivery/transport/sink.ts';
import { isUnencrypted, UNENCRYPTED_WARNING } from '../../delivery/unencrypted.ts';
import { messageOf } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';
import { checkSubmission } from './check-submission.ts';
import { type Check, fail, ok, warn } from './check.ts';

interface CheckCollectorOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly credentials: ClientCredentials;
  /** --token-file, for messages. */
  readonly tokenFile?: string | undefined;
  /** The deadline of each step. */
  readonly timeoutMs?: number;
}

const EXPIRES_SOON_MS = 14 * 24 * 3_600_000;

/**
 * Checks proxy, DNS, TLS and health of a collector, and whether it accepts reports of this client. Sends a health check without the token,
 * and then a request with the token that no collector can store.
 */
export async function* checkCollector(database: Database, options: CheckCollectorOptions): AsyncGenerator<Check> {
  const { env, credentials, tokenFile, timeoutMs = 10_000 } = options;
  if (database.transport === 'stdout') {
    yield ok('database', 'stdout: reports are printed, and nothing is sent');
    return;
  }
  const { target } = database;
  let proxy: Proxy | undefined;
  try {
    proxy = proxyFor(target, env);
  } catch (error) {
    yield fail('proxy', messageOf(error));
    return;
  }
  yield ok('proxy', proxy === undefined ? 'none is used' : `${maskUrl(proxy.url.origin)}, from $${proxy.variable}`);
  if (isUnencrypted(database.spec)) yield warn('TLS', UNENCRYPTED_WARNING);
  const dns = await checkDns(proxy === undefined ? target.host : httpTarget(proxy.url).host);
  yield dns;
  if (dns.status === 'FAIL') return;
  const isTls = database.transport === 'grpc' ? database.target.tls : target.kind === 'https';
  if (isTls && proxy === undefined) {
    const tls = await checkTls(target, credentials, timeoutMs);
    yield tls;
    if (tls.status === 'FAIL') return;
  }
  const transport = { env, timeoutMs, credentials: { ...credentials, ...NO_CREDENTIALS } };
  const health = await (database.transport === 'grpc'
    ? checkGrpcHealth(database.spec, transport)
    : checkHttpHealth(database.url, transport));
  yield health;
  if (health.status !== 'FAIL') yield await checkSubmission(database, tokenFile, { ...transport, credentials });
}

async function checkDns(host: string): Promise<Check> {
  if (isIP(host) !== 0) return ok('DNS', `${host} is an address`);
  try {
    const addresses = await lookup(host, { all: true });
    return ok('DNS', `${host} is ${addresses.map(({ address }) => address).join(', ')}`);
  } catch (error) {
    const advice = 'Is the name right, and does this machine use the right DNS server?';
    return fail('DNS', `${host} has no address: ${messageOf(error)}. ${advice}`);
  }
}

function checkTls(target: ProxyTarget, { ca, cert, key }: ClientCredentials, timeoutMs: number): Promise<Check> {
  const { kind, host, port } = target;
  const { promise, resolve } = Promise.withResolvers<Check>();
  const servername = isIP(host) === 0 ? host : undefined;
  const ALPNProtocols = [kind === 'grpc' ? 'h2' : 'http/1.1'];
  const socket = connect({ host, port, servername, ca, cert, key, ALPNProtocols });
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no response within ${timeoutMs / 1000} s`)));
  socket.once('error', (error) => {
    const advice = "Is this the collector's address, and its certificate signed by a trusted CA (--ca-file)?";
    resolve(fail('TLS', `${host}:${port}: ${messageOf(error)}. ${advice}`));
  });
  socket.once('secureConnect', () => {
    const { valid_to: validTo } = socket.getPeerCertificate();
    const report = Date.parse(validTo) - Date.now() < EXPIRES_SOON_MS ? warn : ok;
    resolve(report('TLS', `${socket.getProtocol() ?? 'TLS'}; the certificate is valid until ${validTo}`));
    socket.destroy();
  });
  return promise;
}

async function checkGrpcHealth(url: string, options: TransportOptions): Promise<Check> {
  // Imported when used, as in open-sink.ts.
  const [{ openGrpcClient }, { status: Code }] = await Promise.all([
    import('../../delivery/transport/grpc-client.ts'),
    import('@grpc/grpc-js'),
  ]);
  const client = openGrpcClient(url, options);
  try {
    // Without a service name: the health of the whole server.
    const { status } = await client.unary(Health.method.check, create(HealthCheckRequestSchema));
    if (status === ServingStatus.SERVING) return ok('collector', `${url} is serving`);
    return fail('collector', `${url} is not serving: is its database reachable?`);
  } catch (error) {
    const { code = Code.UNKNOWN, details = messageOf(error) } = error as Partial<ServiceError>;
    if (code === Code.UNIMPLEMENTED)
      return warn('collector', `${url} responds, but has no health service: is it a collector?`);
    if (code === Code.RESOURCE_EXHAUSTED) return warn('collector', `${url} responds, but has too many requests now`);
    const advice = 'Is a collector running there, and does no firewall or proxy block the connection?';
    return fail('collector', `${url}: ${excerpt(details)} (gRPC code ${code}). ${advice}`);
  } finally {
    client.close();
  }
}

async function checkHttpHealth(api: URL, options: TransportOptions): Promise<Check> {
  const { openHttpClient } = await import('../../delivery/transport/http-client.ts');
  const url = new URL(api.href.replace(/\/api\/v1$/, '/healthz'));
  const shown = maskUrl(url.href);
  const client = openHttpClient(url, options);
  try {
    const response = await client.request('GET');
    response.resume();
    const { statusCode = 0 } = response;
    if (statusCode === 200) return ok('collector', `${shown} responds with 200`);
    const advice = 'is this a collector, and its database reachable?';
    return fail('collector', `${shown} responds with ${statusCode} where 200 is healthy: ${advice}`);
  } catch (error) {
    return fail('collector', `${shown}: ${excerpt(messageOf(error))}. Is a collector running there?`);
  } finally {
    client.close();
  }
}
