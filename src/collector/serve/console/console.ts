import type { IncomingHttpHeaders } from 'node:http';
import type { RequestOrigin } from '../../../report/request-origin.ts';
import { formatHostPort, isLoopback } from '../../../runtime/addresses.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { messageOf, SpartakusError } from '../../../runtime/errors.ts';
import { parseRequestTarget } from '../../../runtime/request-target.ts';
import { createRateLimiter } from '../../ingest/rate-limiter.ts';
import type { Answers } from '../../statistics/answers.ts';
import { type Authenticator, openTokenAuthenticator } from '../admission/authenticator.ts';
import type { Limits } from '../admission/limits.ts';
import { createMemoryLimiter } from '../admission/memory-limiter.ts';
import type { OriginFinder } from '../admission/request-origin.ts';
import { createHttpHandler, type HttpRoute, type ServerReply, type ServerRequest } from '../http/router.ts';
import { type ListenAddress, openListener } from '../listener.ts';
import { protocolOf } from '../routes.ts';
import { answerError } from '../rpc/unknown-method.ts';
import { openTls, type TlsConfig, type TlsOptions } from '../tls.ts';
import { createDashboardRoutes } from './dashboard-routes.ts';
import type { Metrics } from './metrics.ts';
import type { OnRejection } from './rejections.ts';
import { createStatisticsCalls, createStatisticsRoute } from './statistics-routes.ts';

export interface ConsoleConfig {
  readonly listen: ListenAddress;
  /** Bearer tokens of operators. */
  readonly tokenFile?: string;
  /** Whether anyone may read the statistics, in their public form. */
  readonly isPublic?: boolean;
  /** Groups of fewer clusters are hidden; by default 5, and 10 where statistics are public. */
  readonly smallestGroup?: number;
}

/** A route that reveals nothing is open to `anyone`; that of statistics too where they are public. */
type Access = 'anyone' | 'statistics' | 'operator';

interface ConsoleRoute extends HttpRoute {
  readonly access: Access;
}

interface ConsoleOptions extends Omit<TlsOptions, 'handshakeTimeoutMs'> {
  readonly metrics: Pick<Metrics, 'render'>;
  /** Absent for a store without statistics. */
  readonly answers?: Answers | undefined;
  readonly originOf: OriginFinder['originOf'];
  /** The collector's, for a console that other machines reach. */
  readonly tls?: TlsConfig;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onRejection: OnRejection;
}

const MAX_BODY_BYTES = 1024 * 1024;
const CLOSE_GRACE_MS = 500;
/** Of one address, where statistics are public: a page sends about ten, and one for each switch. */
const PUBLIC_REQUESTS = 120;
const PUBLIC_REQUESTS_MS = 60_000;

/** Describes a configuration that would expose the console; undefined where it is safe. */
export function findConsoleProblem({ listen, tokenFile, isPublic = false }: ConsoleConfig): string | undefined {
  if (isLocal(listen) || tokenFile !== undefined || isPublic) return undefined;
  return (
    `--console-listen ${shown(listen)}: other machines could reach the console without a token. Set --console-token-file, or listen on an ` +
    'address of this machine only, such as 127.0.0.1:8081, or make the statistics public with --console-public.'
  );
}

function consoleRoutes({ metrics, answers }: ConsoleOptions): readonly ConsoleRoute[] {
  return [
    ...(answers === undefined ? [] : [{ ...createStatisticsRoute(answers), access: 'statistics' as const }]),
    ...createDashboardRoutes().map((route) => ({ ...route, access: 'anyone' as const })),
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
export async function openConsole(config: ConsoleConfig, options: ConsoleOptions) {
  const { clock, logger, rateLimitedLogger, limits, random, onRejection, stop } = options;
  const { listen, tokenFile } = config;
  const problem = findConsoleProblem(config);
  if (problem !== undefined) throw new SpartakusError('invalid', problem, { field: '--console-listen' });
  const watch = { clock, logger, rateLimitedLogger, stop };
  const authenticate =
    tokenFile === undefined
      ? undefined
      : await openTokenAuthenticator({ flag: '--console-token-file', file: tokenFile }, watch);
  const tlsConfig =
    isLocal(listen) || options.tls === undefined ? undefined : { ...options.tls, clientCaFile: undefined };
  const tls = tlsConfig && (await openTls(tlsConfig, { ...watch, handshakeTimeoutMs: limits.headerTimeoutMs }));
  const guard = createConsoleGuard(config, authenticate);
  const rateLimiter = createRateLimiter({ count: PUBLIC_REQUESTS, perMs: PUBLIC_REQUESTS_MS, clock });
  const admit = (access: Access, headers: IncomingHttpHeaders, { addressKey }: RequestOrigin): void => {
    guard(access, headers);
    if (access !== 'statistics' || config.isPublic !== true || addressKey === undefined) return;
    const retryAfterMs = rateLimiter.take(addressKey);
    if (retryAfterMs > 0)
      throw new SpartakusError('rate-limited', 'too many requests: send it again later', { retryAfterMs });
  };
  const routes = consoleRoutes(options).map((route): HttpRoute => ({
    ...route,
    handle(request) {
      admit(route.access, request.headers, request.origin);
      return route.handle(request);
    },
  }));
  const answer = createHttpHandler(routes, { memory: createMemoryLimiter(MAX_BODY_BYTES), limits, onRejection });
  const calls = options.answers && createStatisticsCalls(options.answers);
  const request = (req: ServerRequest, res: ServerReply): void => {
    const { path, authority } = parseRequestTarget(req.url);
    const isCall = calls?.serves(path) === true;
    const origin = options.originOf(req, protocolOf(req, path, isCall));
    if (!isCall) {
      answer(req, res, origin);
      return;
    }
    try {
      admit('statistics', authority === undefined ? req.headers : { ...req.headers, host: authority }, origin);
      calls.handle(req, res);
    } catch (error) {
      const rejection = SpartakusError.from(error);
      onRejection(origin.protocol, rejection);
      answerError(req, res, origin, rejection);
    }
  };
  const listener = await openListener({
    port: listen.port,
    host: listen.host,
    routes: { request, stream: () => false },
    tls: tls?.server,
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

/**
 * Without tokens, every process on this machine may read everything. The requested host must then be this machine too, against DNS
 * rebinding. The guard throws a SpartakusError `unauthenticated` or `forbidden`.
 */
export function createConsoleGuard(
  { listen, isPublic = false }: Pick<ConsoleConfig, 'listen' | 'isPublic'>,
  authenticate: Authenticator | undefined,
): (access: Access, headers: IncomingHttpHeaders) => void {
  const local = isLocal(listen);
  return (access, headers) => {
    if (isPublic && access !== 'operator') return;
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
  const [, ipv6, host = ''] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::\d+)?$/.exec(authority) ?? [];
  return ipv6 ?? host;
}

function isLocal({ host }: ListenAddress): boolean {
  return host !== undefined && isLoopback(host);
}

function shown({ host = '', port }: ListenAddress): string {
  return formatHostPort(host, port);
}
