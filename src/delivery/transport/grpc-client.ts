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
import { type GrpcTarget, parseGrpcUrl } from './grpc-url.ts';
import { describeTarget, proxyFor } from './proxy.ts';
import { DEFAULT_TIMEOUT_MS, type TransportOptions } from './sink.ts';

/** The retry interval is that of retry.ts; grpc-js by itself would not reconnect for up to two minutes. */
const RECONNECT_MS = 500;

const OPTIONS: ChannelOptions = {
  // Detects a dead connection (an expired NAT entry, a lost node) within half a minute. Servers in Go reject more frequent pings.
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
  // There are hours between two reports.
  'grpc.client_idle_timeout_ms': 60_000,
  'grpc.initial_reconnect_backoff_ms': RECONNECT_MS,
  'grpc.max_reconnect_backoff_ms': RECONNECT_MS,
  'grpc.enable_retries': 0,
  // No service config from TXT records in the DNS.
  'grpc.service_config_disable_resolution': 1,
  // grpc-js reads the proxy variables of the process in lower case only; proxy.ts reads both spellings.
  'grpc.enable_http_proxy': 0,
};

/** Calls to one collector, with the credentials, the deadline and through the proxy of the environment. */
export interface GrpcClient {
  /** The URL, and the proxy on the way to it, for messages. */
  readonly target: string;
  /** Starts a call. Rejects as `unavailable` where the token cannot be read. */
  start<Call extends ClientUnaryCall | ClientDuplexStream<never, unknown>>(
    open: (client: Client, metadata: Metadata, options: CallOptions) => Call,
  ): Promise<Call>;
  /** Makes a unary call. Rejects with grpc-js' ServiceError. */
  unary<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageShape<Input>,
  ): Promise<MessageShape<Output>>;
  close(): void;
}

/**
 * A client that connects with its first call.
 *
 * @param flag the flag that the URL was given with
 * @throws SpartakusError `invalid` where the URL, or that of a proxy, is wrong
 */
export function openGrpcClient(url: string, options: TransportOptions, flag?: string): GrpcClient {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, credentials = NO_CREDENTIALS, env = {}, signal } = options;
  const target = parseGrpcUrl(url, flag);
  const proxy = proxyFor(target, env);
  const client = createClient(target, credentials, proxy?.url);
  const calls = new Set<{ cancel(): void }>();
  const cancelAll = (): void => {
    for (const call of calls) call.cancel();
  };
  signal?.addEventListener('abort', cancelAll, { once: true });

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
    start,
    unary,
    close: () => {
      signal?.removeEventListener('abort', cancelAll);
      cancelAll();
      client.close();
    },
  };
}

/** The path of a method, such as "/grpc.health.v1.Health/Check". */
export function pathOf({ parent, name }: DescMethod): string {
  return `/${parent.typeName}/${name}`;
}

function createClient(
  { host, authority, tls }: GrpcTarget,
  credentials: ClientCredentials,
  proxy: URL | undefined,
): Client {
  // grpc-js logs to standard error what is reported as a status too.
  setLogVerbosity(logVerbosity.NONE);
  // With "dns:" names and addresses are read alike; grpc-js would read a bare IPv6 address as a scheme.
  const target = `dns:${authority}`;
  const address = proxy === undefined ? target : `dns:${proxy.hostname}:${proxy.port || '80'}`;
  const options: ChannelOptions = {
    ...OPTIONS,
    ...(proxy && { 'grpc.http_connect_target': target, ...loginOf(proxy), 'grpc.default_authority': authority }),
  };
  const {
    ca = null,
    cert = null,
    key = null,
  }: { readonly [Name in 'ca' | 'cert' | 'key']?: Buffer | null } = credentials;
  if (!tls) return new Client(address, channelCredentials.createInsecure(), options);
  if (isIP(host) === 0) return new Client(address, channelCredentials.createSsl(ca, key, cert), options);
  // grpc-js sends the host as TLS server name, and Node.js rejects an address there (RFC 6066 section 3, DEP0123). So a placeholder is
  // sent as server name, and the certificate is checked against the address.
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
