import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import {
  type DescMessage,
  type DescMethod,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import {
  type CallOptions,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  type ClientUnaryCall,
  credentials as channelCredentials,
  logVerbosity,
  Metadata,
  setLogVerbosity,
} from '@grpc/grpc-js';
import { type ClientCredentials, NO_CREDENTIALS } from '../client-credentials.ts';
import type { ConnectionFacts } from './connection-problem.ts';
import { type GrpcTarget, parseGrpcUrl } from './grpc-url.ts';
import { describeTarget, proxyFor } from './proxy.ts';
import { DEFAULT_TIMEOUT_MS, type TransportOptions } from './sink.ts';

/** Short, because retry.ts waits between attempts; the default of grpc-js is up to two minutes. */
const RECONNECT_MS = 500;

const OPTIONS: ChannelOptions = {
  // Detects a dead connection within half a minute. Servers in Go reject more frequent pings.
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.client_idle_timeout_ms': 60_000,
  'grpc.initial_reconnect_backoff_ms': RECONNECT_MS,
  'grpc.max_reconnect_backoff_ms': RECONNECT_MS,
  'grpc.enable_retries': 0,
  // No service config from TXT records in the DNS.
  'grpc.service_config_disable_resolution': 1,
  // grpc-js reads the proxy variables in lower case only; proxy.ts reads both spellings.
  'grpc.enable_http_proxy': 0,
  // A connection of another client that waits for its next attempt has no error to show.
  'grpc.use_local_subchannel_pool': 1,
};

export interface GrpcClient {
  /** The URL and its proxy, for messages. */
  readonly target: string;
  readonly facts: ConnectionFacts;
  /** Rejects as `unavailable` where the token cannot be read. */
  start<Call extends ClientUnaryCall | ClientDuplexStream<never, unknown>>(
    open: (client: Client, metadata: Metadata, options: CallOptions) => Call,
  ): Promise<Call>;
  /** Rejects with grpc-js' ServiceError. */
  unary<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageShape<Input>,
  ): Promise<MessageShape<Output>>;
  close(): void;
}

/** A client that connects with its first call. Throws a SpartakusError `invalid` where the URL (of `flag`) or its proxy is wrong. */
export function openGrpcClient(url: string, options: TransportOptions, flag = '--database'): GrpcClient {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, credentials = NO_CREDENTIALS, env = {}, signal } = options;
  const target = parseGrpcUrl(url, flag);
  const proxy = proxyFor(target, env);
  const client = createClient(target, credentials, proxy?.url);
  const calls = new Set<{ cancel(): void }>();
  const cancelAll = (): void => {
    for (const call of calls) call.cancel();
  };
  signal?.addEventListener('abort', cancelAll);

  const start: GrpcClient['start'] = async (open) => {
    const metadata = new Metadata();
    const authorization = await credentials.authorization();
    if (authorization !== undefined) metadata.set('authorization', authorization);
    const call = open(client, metadata, { deadline: Date.now() + timeoutMs });
    calls.add(call);
    call.once('status', () => calls.delete(call));
    if (signal?.aborted === true) call.cancel();
    return call;
  };

  const unary: GrpcClient['unary'] = async (method, request) => {
    const { promise, resolve, reject } = Promise.withResolvers<MessageShape<typeof method.output>>();
    await start((caller, metadata, callOptions) =>
      caller.makeUnaryRequest(
        pathOf(method),
        (message: typeof request) => Buffer.from(toBinary(method.input, message)),
        (bytes) => fromBinary(method.output, bytes),
        request,
        metadata,
        callOptions,
        (error, response) => (response === undefined ? reject(error ?? new Error('no response')) : resolve(response)),
      ),
    );
    return await promise;
  };

  return {
    target: describeTarget(url, proxy),
    facts: { target, tls: target.tls, flag, credentials, proxy },
    start,
    unary,
    close: () => {
      signal?.removeEventListener('abort', cancelAll);
      cancelAll();
      client.close();
    },
  };
}

/** Such as "/grpc.health.v1.Health/Check". */
export function pathOf({ parent, name }: DescMethod): string {
  return `/${parent.typeName}/${name}`;
}

function createClient(
  { host, authority, tls }: GrpcTarget,
  credentials: ClientCredentials,
  proxy: URL | undefined,
): Client {
  // grpc-js would log errors to standard error, which the status contains too.
  setLogVerbosity(logVerbosity.NONE);
  // Without "dns:", grpc-js would parse an IPv6 address as a scheme.
  const target = `dns:${authority}`;
  const address = proxy === undefined ? target : `dns:${proxy.hostname}:${proxy.port || '80'}`;
  const options: ChannelOptions = {
    ...OPTIONS,
    ...(proxy && { 'grpc.http_connect_target': target, ...loginOf(proxy), 'grpc.default_authority': authority }),
  };
  const [ca, cert, key] = [credentials.ca ?? null, credentials.cert ?? null, credentials.key ?? null];
  if (!tls) return new Client(address, channelCredentials.createInsecure(), options);
  if (isIP(host) === 0) return new Client(address, channelCredentials.createSsl(ca, key, cert), options);
  // grpc-js sends the host as TLS server name, where Node.js rejects an address (RFC 6066 section 3, DEP0123). A placeholder is sent
  // instead, and the certificate is checked against the address.
  const verification = {
    checkServerIdentity: (_: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate),
  };
  return new Client(address, channelCredentials.createSsl(ca, key, cert, verification), {
    ...options,
    'grpc.ssl_target_name_override': 'collector.invalid',
  });
}

function loginOf({ username, password }: URL): ChannelOptions {
  return username === ''
    ? {}
    : { 'grpc.http_connect_creds': `${decodeURIComponent(username)}:${decodeURIComponent(password)}` };
}
