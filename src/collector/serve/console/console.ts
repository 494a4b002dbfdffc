import type { IncomingHttpHeaders } from 'node:http';
import { formatHostPort, isLoopback } from '../../../runtime/addresses.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { messageOf, SpartakusError } from '../../../runtime/errors.ts';
import type { Logger } from '../../../runtime/logger.ts';
import { type Gate, openTokenGate } from '../admission/authenticator.ts';
import type { Limits } from '../admission/limits.ts';
import { createBodyBudget } from '../admission/memory-limiter.ts';
import { createHttpHandler, type HttpRoute } from '../http/http.ts';
import { openListener } from '../listener.ts';
import { openTls, type TlsConfig } from '../tls.ts';
import type { Metrics } from './metrics.ts';
import type { OnRefusal } from './rejections.ts';

/** Where the console listens. */
export interface ListenAddress {
  /** An IP address, or "localhost"; all addresses where absent. */
  readonly host?: string;
  /** 0 takes any free one. */
  readonly port: number;
}

export interface ConsoleConfig {
  /** --console-listen */
  readonly listen: ListenAddress;
  /** --console-token-file: the bearer tokens of operators. */
  readonly tokenFile?: string;
  /** --console-public: whether the suppressed figures are meant for everybody. */
  readonly isPublic: boolean;
}

/**
 * Whom a route of the console is for: `anyone` says nothing; `public` is of figures that tell of no single cluster, and is everybody's
 * where the operator says so; `operator` is all else.
 */
export type ConsoleAccess = 'anyone' | 'public' | 'operator';

/** One line of the console's table. */
export interface ConsoleRoute extends HttpRoute {
  readonly access: ConsoleAccess;
}

export interface ConsoleOptions {
  readonly metrics: Pick<Metrics, 'render'>;
  /** The certificate of the collector, for a console that is reached from other machines. */
  readonly tls?: TlsConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  /** One that a flood cannot fill. */
  readonly quietLogger: Logger;
  readonly limits: Limits;
  /** A number from 0 to less than 1. */
  readonly random: () => number;
  readonly onRefusal: OnRefusal;
  readonly stop: AbortSignal;
}

export interface Console {
  /** Such as "http://127.0.0.1:8081". */
  readonly url: string;
  close(): Promise<void>;
}

/** Nothing that is asked of the console has a body. */
const MAX_BODY_BYTES = 1024 * 1024;
/** How long an answer may take once the collector is told to stop. */
const CLOSE_GRACE_MS = 500;

/** What is wrong with a console as it is configured; undefined where nothing is. */
export function findConsoleProblem({ listen, tokenFile, isPublic }: ConsoleConfig): string | undefined {
  if (isLocal(listen) || tokenFile !== undefined || isPublic) return undefined;
  return (
    `--console-listen ${shown(listen)}: other machines would reach what only operators may see. Give --console-token-file, or an address ` +
    'of this machine alone such as 127.0.0.1:8081; or give --console-public where the public figures are meant for everybody, and nothing else.'
  );
}

/** The console's table. Statistics join it here. */
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
 * Opens the second listener, on which is everything that reads. From other machines it speaks TLS where the collector does, without
 * client certificates: the token says who may.
 *
 * @throws SpartakusError: `invalid` where the configuration lets too many in, or the tokens cannot be read; `unavailable` where the
 * port cannot be had
 */
export async function openConsole(config: ConsoleConfig, options: ConsoleOptions): Promise<Console> {
  const { clock, logger, quietLogger, limits, random, onRefusal, stop } = options;
  const { listen, tokenFile } = config;
  const problem = findConsoleProblem(config);
  if (problem !== undefined) throw new SpartakusError('invalid', problem, { field: '--console-listen' });
  const watch = { clock, logger, quietLogger, stop };
  const gate =
    tokenFile === undefined ? undefined : await openTokenGate({ flag: '--console-token-file', file: tokenFile }, watch);
  const withTls = options.tls !== undefined && !isLocal(listen);
  const tls = withTls
    ? await openTls({ certFile: options.tls.certFile, keyFile: options.tls.keyFile }, watch)
    : undefined;
  const guard = createConsoleGuard(config, gate);
  const routes = consoleRoutes(options).map((route): HttpRoute => ({
    ...route,
    handle(request) {
      guard(route.access, request.headers);
      return route.handle(request);
    },
  }));
  const answer = createHttpHandler(routes, {
    budget: createBodyBudget(MAX_BODY_BYTES),
    bodyTimeoutMs: limits.bodyTimeoutMs,
    onRefusal,
  });
  const listener = await openListener({
    port: listen.port,
    host: listen.host,
    routes: { request: (req, res) => answer(req, res, {}), stream: () => false },
    tls,
    limits,
    sourceOf: (remoteAddress) => remoteAddress,
    random,
    logger: quietLogger,
  }).catch((error: unknown) => {
    throw new SpartakusError(
      'unavailable',
      `--console-listen ${shown(listen)} cannot be had: ${messageOf(error)}. Each collector of a machine needs one of its own: choose another, or "off".`,
      { cause: error },
    );
  });
  const host =
    listen.host === undefined || listen.host === '0.0.0.0' || listen.host === '::' ? '127.0.0.1' : listen.host;
  return {
    url: `${withTls ? 'https' : 'http'}://${shown({ host, port: listener.address.port })}`,
    close: () => listener.close(CLOSE_GRACE_MS),
  };
}

/** Lets a request to the console in, or throws a SpartakusError `unauthenticated` or `forbidden`. */
export type ConsoleGuard = (access: ConsoleAccess, headers: IncomingHttpHeaders) => void;

/**
 * Without a token, whoever can reach this machine's own addresses may read everything; so a request must also say that it meant this
 * machine. A browser does not, where a page from elsewhere has its name resolved to 127.0.0.1 (DNS rebinding).
 *
 * @param gate asks for a token; absent where there is none
 */
export function createConsoleGuard(
  { listen, isPublic }: Pick<ConsoleConfig, 'listen' | 'isPublic'>,
  gate: Gate | undefined,
): ConsoleGuard {
  const local = isLocal(listen);
  return (access, headers) => {
    if (gate === undefined && local && !isLoopback(hostOf(headers))) {
      throw new SpartakusError(
        'forbidden',
        'the host that is asked for is not this machine: use http://127.0.0.1, or start the collector with --console-token-file',
      );
    }
    if (access === 'anyone' || (access === 'public' && isPublic)) return;
    if (gate !== undefined) gate(headers);
    else if (!local)
      throw new SpartakusError('forbidden', 'this is for operators: start the collector with --console-token-file');
  };
}

/** The host that a request asks for, without port and brackets; empty where it says none. */
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
