import type { Writable } from 'node:stream';
import type { Networks } from '../runtime/addresses.ts';
import type { Clock } from '../runtime/clock.ts';
import { messageOf, SpartakusError } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';
import { createIngest } from './ingest/ingest.ts';
import { createAdmission } from './serve/admission/admission.ts';
import { NO_AUTHENTICATION, openTokenAuthenticator } from './serve/admission/authenticator.ts';
import type { Limits } from './serve/admission/limits.ts';
import { createMemoryLimiter } from './serve/admission/memory-limiter.ts';
import { createOriginFinder, type RecordPeerMode } from './serve/admission/request-origin.ts';
import { createConnectionCounts } from './serve/connection-counts.ts';
import { type ConsoleConfig, openConsole } from './serve/console/console.ts';
import { createMetrics } from './serve/console/metrics.ts';
import { createRateLimitedLogger } from './serve/console/rate-limited-logger.ts';
import { createRejections } from './serve/console/rejections.ts';
import { createLargeDecoder } from './serve/decode/large-decoder.ts';
import { type ListenAddress, openListener } from './serve/listener.ts';
import { createRoutes } from './serve/routes.ts';
import { createHealthState } from './serve/rpc/health-service.ts';
import { openTls, type TlsConfig } from './serve/tls.ts';
import { monitorAvailability } from './store/availability.ts';
import { openStore } from './store/open.ts';

export interface CollectorConfig extends ListenAddress {
  /** Where set, the port accepts TLS only. */
  readonly tls?: TlsConfig;
  /** Bearer tokens of clients; where absent, reports need no authentication. */
  readonly ingestTokensFile?: string;
  readonly console?: ConsoleConfig;
  /** See store/open.ts. */
  readonly database: string;
  /** The period that clients are asked for; absent where they may choose. */
  readonly reportPeriodMs?: number;
  readonly limits: Limits;
  readonly recordPeer: RecordPeerMode;
  /** The networks of proxies whose X-Forwarded-For is trusted. */
  readonly trustedProxies: Networks;
  readonly keepCountry: boolean;
  /** Whether protobuf fields that the schema does not have are stored; default false. */
  readonly keepUnknownFields?: boolean;
  /** Whether to store the values of old dialects only in the forms that new clients send. */
  readonly normaliseLegacy?: boolean;
  /** For one write to the database. */
  readonly storeTimeoutMs: number;
  readonly shutdownGraceMs: number;
}

export interface CollectorOptions {
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Uint8Array;
  /** A number from 0 to less than 1, for jitter. */
  readonly random?: () => number;
  readonly logger: Logger;
  readonly verbose?: boolean;
  readonly stdout: Writable;
  readonly openStore?: typeof openStore;
  /** Such as "v2.0.0". */
  readonly version: string;
}

export interface Collector {
  /** Such as "http://127.0.0.1:8080". */
  readonly url: string;
  readonly port: number;
  readonly consoleUrl?: string;
  /** Stops accepting requests, answers pending ones, closes the database. Idempotent. */
  close(): Promise<void>;
}

/** How long a stopping collector reports NOT_SERVING before it stops accepting requests. */
const NOTICE_MS = 100;
/** The part of the grace period after which connections are destroyed; the rest is for the database. */
const CONNECTIONS_SHARE = 0.8;

/** @throws SpartakusError where the database or a port cannot be opened; nothing stays open then */
export async function startCollector(config: CollectorConfig, options: CollectorOptions): Promise<Collector> {
  const stopping = new AbortController();
  const resources = new AsyncDisposableStack();
  resources.defer(() => stopping.abort());
  let closing: Promise<void> | undefined;
  try {
    const parts = await openParts(config, options, stopping, resources);
    return { ...parts, close: () => (closing ??= resources.disposeAsync()) };
  } catch (error) {
    await resources.disposeAsync();
    throw error;
  }
}

/** Opens the parts in order; they are closed in reverse order. */
async function openParts(
  config: CollectorConfig,
  options: CollectorOptions,
  stopping: AbortController,
  resources: AsyncDisposableStack,
): Promise<Omit<Collector, 'close'>> {
  const { clock, randomBytes, random = Math.random, logger, verbose = false, stdout, version } = options;
  const { port, host, limits } = config;
  const origins = createOriginFinder({ ...config, randomBytes });
  const rateLimitedLogger = createRateLimitedLogger({ logger, clock, verbose, stop: stopping.signal });
  const watch = { clock, logger, rateLimitedLogger, stop: stopping.signal };
  const tls = config.tls && (await openTls(config.tls, watch));
  const authenticate =
    config.ingestTokensFile === undefined
      ? NO_AUTHENTICATION
      : await openTokenAuthenticator({ flag: '--ingest-tokens-file', file: config.ingestTokensFile }, watch);
  const store = await (options.openStore ?? openStore)(config.database, {
    appName: `spartakus-collector/${version}`,
    storeTimeoutMs: config.storeTimeoutMs,
    stdout,
  });
  const health = createHealthState();
  const watched = monitorAvailability(store, {
    clock,
    logger,
    onChange: (isAvailable) => health.setServing(isAvailable),
  });
  const connections = createConnectionCounts();
  const memory = createMemoryLimiter(limits.maxBodyBytes);
  const metrics = createMetrics({
    version,
    memory,
    pending: () => ingest.pending(),
    connections: () => connections.read(),
    isDatabaseAvailable: () => watched.isAvailable(),
  });
  const onRejection = createRejections({ metrics, logger: rateLimitedLogger, verbose });
  const { keepUnknownFields, normaliseLegacy } = config;
  const observer = metrics.ingestObserver;
  const storing = { keepUnknownFields, normaliseLegacy };
  const ingest = createIngest({ sink: watched, clock, randomBytes, limits, ...storing, observer });
  let endsAtMs: number | undefined;
  const leftMs = (): number =>
    endsAtMs === undefined ? config.shutdownGraceMs : Math.max(endsAtMs - clock.now().getTime(), 0);
  resources.defer(async () => {
    watched.stop();
    const stored = ingest.drain().then(() => store.close());
    const late = await Promise.race([stored, clock.sleep(leftMs()).then(() => true)]);
    if (late === true) logger.warn({}, 'stopped before the database closed: it did not respond in time');
  });
  const admission = createAdmission({ limits, authenticate, ingest, clock });
  const { keepCountry } = config;
  const decoder = createLargeDecoder({
    admission,
    keepCountry,
    keepUnknownFields: keepUnknownFields === true,
    normaliseLegacy: normaliseLegacy === true,
  });
  resources.defer(() => decoder.close());
  const routes = createRoutes(origins, {
    ingest,
    admission,
    memory,
    decoder,
    health,
    version,
    nextReportAfterMs: config.reportPeriodMs,
    limits,
    keepCountry,
    stopping: stopping.signal,
    onRejection,
    logger: rateLimitedLogger,
  });
  const openedConsole =
    config.console &&
    (await openConsole(config.console, { metrics, ...watch, limits, random, onRejection, tls: config.tls }));
  resources.defer(() => openedConsole?.close());
  const listener = await openListener({
    port,
    host,
    tls,
    routes,
    limits,
    addressKeyOf: (remoteAddress) => origins.addressKeyOf(remoteAddress),
    random,
    connections,
    logger: rateLimitedLogger,
  }).catch((error: unknown) => {
    throw new SpartakusError(
      'unavailable',
      `--port ${port} cannot be opened: ${messageOf(error)}. Stop the program that uses it, or choose another port.`,
      { cause: error },
    );
  });
  resources.defer(() => listener.close(CONNECTIONS_SHARE * leftMs()));
  resources.defer(async () => {
    endsAtMs = clock.now().getTime() + config.shutdownGraceMs;
    // Load balancers see the health first; requests are still accepted.
    watched.stop();
    health.setServing(false);
    await clock.sleep(Math.min(NOTICE_MS, config.shutdownGraceMs / 2));
    stopping.abort();
  });
  return { url: listener.url, port: listener.port, consoleUrl: openedConsole?.url };
}
