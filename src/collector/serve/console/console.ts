import type { IncomingHttpHeaders } from 'node:http';
import { formatHostPort, isLoopback } from '../../../runtime/addresses.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { messageOf, SpartakusError } from '../../../runtime/errors.ts';
import { type Authenticator, openTokenAuthenticator } from '../admission/authenticator.ts';
import type { Limits } from '../admission/limits.ts';
import { createMemoryLimiter } from '../admission/memory-limiter.ts';
import { createHttpHandler, type HttpRoute } from '../http/router.ts';
import { type ListenAddress, openListener } from '../listener.ts';
import { openTls, type TlsConfig, type TlsOptions } from '../tls.ts';
import type { Metrics } from './metrics.ts';
import type { OnRejection } from './rejections.ts';

export interface ConsoleConfig {
  readonly listen: ListenAddress;
  /** Bearer tokens of operators. */
  readonly tokenFile?: string;
}

/** A route that reveals nothing is open to `anyone`. */
interface ConsoleRoute extends HttpRoute {
  readonly access: 'anyone' | 'operator';
}

interface ConsoleOptions extends TlsOptions {
  readonly metrics: Pick<Metrics, 'render'>;
  /** The collector's, for a console that other machines reach. */
  readonly tls?: TlsConfig;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onRejection: OnRejection;
}

interface Console {
  readonly url: string;
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 1024 * 1024;
const CLOSE_GRACE_MS = 500;

/** Describes a configuration that would expose the console; undefined where it is safe. */
export function findConsoleProblem({ listen, tokenFile }: ConsoleConfig): string | undefined {
  if (isLocal(listen) || tokenFile !== undefined) return undefined;
  return (
    `--console-listen ${shown(listen)}: other machines could reach the console without a token. Set --console-token-file, or listen on an ` +
    'address of this machine only, such as 127.0.0.1:8081.'
  );
}

function consoleRoutes({ metrics }: ConsoleOptions): readonly ConsoleRoute[] {
  return [
    { method: 'GET', path: '/healthz', access: 'anyone', handle: () => ({ status: 200 }) },
    {
      method: 'GET',
      path: '/metrics',
      access: 'operator',
      handle: async () => ({ status: 200, ...(await metrics.render()) }),
    },
  ];
}

/**
 * Opens the listener for operators. For other machines it uses TLS where the collector does, without client certificates.
 *
 * @throws SpartakusError: `invalid` for an unsafe configuration or an invalid file, `unavailable` where the port cannot be opened
 */
export async function openConsole(config: ConsoleConfig, options: ConsoleOptions): Promise<Console> {
  const { clock, logger, rateLimitedLogger, limits, random, onRejection, stop } = options;
  const { listen, tokenFile } = config;
  const problem = findConsoleProblem(config);
  if (problem !== undefined) throw new SpartakusError('invalid', problem, { field: '--console-listen' });
  const watch = { clock, logger, rateLimitedLogger, stop };
  const authenticate =
    tokenFile === undefined
      ? undefined
      : await openTokenAuthenticator({ flag: '--console-token-file', file: tokenFile }, watch);
  const withTls = options.tls !== undefined && !isLocal(listen);
  const tls = withTls
    ? await openTls({ certFile: options.tls.certFile, keyFile: options.tls.keyFile }, watch)
    : undefined;
  const guard = createConsoleGuard(config, authenticate);
  const routes = consoleRoutes(options).map((route): HttpRoute => ({
    ...route,
    handle(request) {
      guard(route.access, request.headers);
      return route.handle(request);
    },
  }));
  const answer = createHttpHandler(routes, { memory: createMemoryLimiter(MAX_BODY_BYTES), limits, onRejection });
  const listener = await openListener({
    port: listen.port,
    host: listen.host,
    routes: { request: (req, res) => answer(req, res, { protocol: 'http' }), stream: () => false },
    tls,
    limits,
    addressKeyOf: (remoteAddress) => remoteAddress,
    clock,
    random,
    logger: rateLimitedLogger,
  }).catch((error: unknown) => {
    throw new SpartakusError(
      'unavailable',
      `--console-listen ${shown(listen)} cannot be opened: ${messageOf(error)}. Each collector on a machine needs its own address: choose another, or "off".`,
      { cause: error },
    );
  });
  return { url: listener.url, close: () => listener.close(CLOSE_GRACE_MS) };
}

/** @throws SpartakusError `unauthenticated` or `forbidden` */
type ConsoleGuard = (access: ConsoleRoute['access'], headers: IncomingHttpHeaders) => void;

/**
 * Without tokens, every process on this machine may read everything. The requested host must then be this machine too, against DNS
 * rebinding.
 */
export function createConsoleGuard(
  { listen }: Pick<ConsoleConfig, 'listen'>,
  authenticate: Authenticator | undefined,
): ConsoleGuard {
  const local = isLocal(listen);
  return (access, headers) => {
    if (authenticate === undefined && local && !isLoopback(hostOf(headers))) {
      throw new SpartakusError(
        'forbidden',
        'the requested host is not this machine: use http://127.0.0.1, or start the collector with --console-token-file',
      );
    }
    if (access === 'anyone') return;
    if (authenticate !== undefined) authenticate(headers);
    else if (!local)
      throw new SpartakusError(
        'forbidden',
        'only operators may read this: start the collector with --console-token-file',
      );
  };
}

/** Without port and brackets; empty where absent or malformed. */
function hostOf(headers: IncomingHttpHeaders): string {
  const authority = [headers[':authority'] ?? headers.host ?? ''].flat().join(',').toLowerCase();
  return (
    /^(?:\[([^\]]+)\]|([^:[\]]+))(?::\d+)?$/
      .exec(authority)
      ?.slice(1)
      .find((host) => host !== undefined) ?? ''
  );
}

function isLocal({ host }: ListenAddress): boolean {
  return host !== undefined && isLoopback(host);
}

function shown({ host = '', port }: ListenAddress): string {
  return formatHostPort(host, port);
}
