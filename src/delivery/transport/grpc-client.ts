import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { type ChannelOptions, Client, credentials, logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import type { Access } from '../client-credentials.ts';
import type { GrpcTarget } from './grpc-url.ts';

/**
 * A connection that is dead without having said so (a NAT that forgot it, a node that is gone) is noticed within half a minute. Not
 * more often: servers in Go take a client that asks much more often for an attacker.
 */
const KEEPALIVE = { 'grpc.keepalive_time_ms': 20_000, 'grpc.keepalive_timeout_ms': 10_000 };
/** Between two reports there are hours: no connection is held for so long. */
const IDLE_MS = 60_000;
/** retry.ts decides when to try again; by then grpc-js, left to itself, would refuse to connect for up to two minutes. */
const RECONNECT_MS = 500;

const OPTIONS: ChannelOptions = {
  ...KEEPALIVE,
  'grpc.client_idle_timeout_ms': IDLE_MS,
  'grpc.initial_reconnect_backoff_ms': RECONNECT_MS,
  'grpc.max_reconnect_backoff_ms': RECONNECT_MS,
  'grpc.enable_retries': 0,
  // What grpc-js would look up as TXT records in the DNS can only surprise.
  'grpc.service_config_disable_resolution': 1,
  // It reads the variables of the process in lower case alone; proxy.ts reads them as everybody else does.
  'grpc.enable_http_proxy': 0,
};

/** A client that connects with its first call, through the proxy where there is one. */
export function openRpcClient(
  { host, authority, tls }: GrpcTarget,
  { ca, cert, key }: Access,
  proxy: URL | undefined,
): Client {
  // It writes to standard error what it tells as a status too, at each attempt.
  setLogVerbosity(logVerbosity.NONE);
  // dns: takes names and addresses alike, where grpc-js would read a bare IPv6 address as a scheme.
  const target = `dns:${authority}`;
  const address = proxy === undefined ? target : `dns:${proxy.hostname}:${proxy.port || '80'}`;
  const options = {
    ...OPTIONS,
    ...(proxy === undefined
      ? {}
      : { 'grpc.http_connect_target': target, ...credentialsOf(proxy), 'grpc.default_authority': authority }),
  };
  if (!tls) return new Client(address, credentials.createInsecure(), options);
  const [roots, privateKey, chain] = [ca ?? null, key ?? null, cert ?? null];
  if (isIP(host) === 0) return new Client(address, credentials.createSsl(roots, privateKey, chain), options);
  // grpc-js sends the host as the TLS server name, and Node.js refuses to send an address as one (RFC 6066 section 3; its deprecation
  // DEP0123 has become an error). So a name that means nothing is sent, and the certificate is checked against the address all the same.
  const identity = {
    checkServerIdentity: (_: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate),
  };
  return new Client(address, credentials.createSsl(roots, privateKey, chain, identity), {
    ...options,
    'grpc.ssl_target_name_override': 'collector.invalid',
  });
}

function credentialsOf({ username, password }: URL): ChannelOptions {
  return username === ''
    ? {}
    : { 'grpc.http_connect_creds': `${decodeURIComponent(username)}:${decodeURIComponent(password)}` };
}
