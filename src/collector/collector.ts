import type { Writable } from 'node:stream';
import type { Networks } from '../runtime/addresses.ts';
import type { Clock } from '../runtime/clock.ts';
import { messageOf, SpartakusError } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';
import { createRandomBlocks } from '../runtime/random-blocks.ts';
import { createIngest } from './ingest/ingest.ts';
import type { IngestObserver } from './ingest/observer.ts';
import { createAdmission } from './serve/admission/admission.ts';
import { NO_AUTHENTICATION, openTokenAuthenticator } from './serve/admission/authenticator.ts';
import type { Limits } from './serve/admission/limits.ts';
import { createMemoryLimiter } from './serve/admission/memory-limiter.ts';
import { createProxyProtocol } from './serve/admission/proxy-protocol.ts';
import { createOriginFinder, type RecordPeerMode } from './serve/admission/request-origin.ts';
import { createConnectionCounts } from './serve/connection-counts.ts';
import { createClusterWarnings } from './serve/console/cluster-warnings.ts';
import { type ConsoleConfig, openConsole } from './serve/console/console.ts';
import { createMetrics } from './serve/console/metrics.ts';
import { createRateLimitedLogger } from './serve/console/rate-limited-logger.ts';
import { createRejections } from './serve/console/rejections.ts';
import { createLargeDecoder } from './serve/decode/large-decoder.ts';
import { startDescriptorCheck } from './serve/descriptor-check.ts';
import { type ListenAddress, openListener } from './serve/listener.ts';
import { createRoutes } from './serve/routes.ts';
import { createHealthState } from './serve/rpc/health-service.ts';
import { openTls, type TlsConfig } from './serve/tls.ts';
import { limitStart } from './start-deadline.ts';
import { createFactMaker } from './statistics/facts.ts';
import { openAnswers } from './statistics/open-answers.ts';
import { startStatistics, type StatisticsSettings } from './statistics/statistics.ts';
import { monitorAvailability } from './store/availability.ts';
import { type Database, describeDatabase } from './store/database-spec.ts';
import { openStore } from './store/open.ts';

export interface CollectorConfig extends ListenAddress {
  /** Where set, the port accepts TLS only. */
  readonly tls?: TlsConfig;
  /** Bearer tokens of clients; where absent, reports need no authentication. */
  readonly ingestTokensFile?: string;
  readonly console?: ConsoleConfig;
  readonly database: Database;
  /** The period that clients are asked for; absent where they may choose. */
  readonly reportPeriodMs?: number;
  readonly limits: Limits;
  readonly recordPeer: RecordPeerMode;
  /** The networks of proxies whose X-Forwarded-For is trusted. */
  readonly trustedProxies: Networks;
  /** Whether the connections of trusted proxies start with a header of the PROXY protocol. */
  readonly proxyProtocol?: boolean;
  readonly keepCountry: boolean;
  /** Whether protobuf fields that the schema does not have are stored; default false. */
  readonly keepUnknownFields?: boolean;
  /** Whether to store the values of old dialects only in the forms that new clients send. */
  readonly normaliseLegacy?: boolean;
  /** Absent: the collector computes no statistics, and deletes nothing. */
  readonly statistics?: StatisticsSettings;
  /** For one write to the database. */
  readonly storeTimeoutMs: number;
  /** For the embedded engine: see store/disk-reserve.ts. */
  readonly diskReserveBytes?: number;
  readonly shutdownGraceMs: number;
  /** For everything until the collector listens; absent: unlimited. */
  readonly startTimeoutMs?: number;
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
  /** Interrupts the start. */
  readonly stop?: AbortSignal;
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

/**
 * @throws SpartakusError where the database or a port cannot be opened, or the start is interrupted or takes too long. Nothing stays open
 * then; what an interrupted start still opens is closed as soon as it is open
 */
export async function startCollector(config: CollectorConfig, options: CollectorOptions): Promise<Collector> {
  const stopping = new AbortController();
  const resources = new AsyncDisposableStack();
  resources.defer(() => stopping.abort());
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= resources.disposeAsync());
  let step = 'the configuration';
  let failed = false;
  const opened = openParts(config, options, stopping, resources, (next) => (step = next)).catch(
    async (error: unknown) => {
      failed = true;
      await close();
      throw error;
    },
  );
  const { clock, stop } = options;
  try {
    const parts = await limitStart(opened, { clock, timeoutMs: config.startTimeoutMs, stop, waitsFor: () => step });
    return { ...parts, close };
  } catch (error) {
    stopping.abort();
    if (!failed) void opened.then(close, () => undefined);
    throw error;
  }
}

/** Opens the parts in order; they are closed in reverse order. */
async function openParts(
  config: CollectorConfig,
  options: CollectorOptions,
  stopping: AbortController,
  resources: AsyncDisposableStack,
  onStep: (step: string) => void,
): Promise<Omit<Collector, 'close'>> {
  const { clock, randomBytes, random = Math.random, logger, verbose = false, stdout, version } = options;
  const { port, host, reusePort, limits } = config;
  const rateLimitedLogger = createRateLimitedLogger({ logger, clock, verbose, stop: stopping.signal });
  const proxyProtocol =
    config.proxyProtocol === true
      ? createProxyProtocol({ ...config, timeoutMs: limits.headerTimeoutMs, logger: rateLimitedLogger })
      : undefined;
  const origins = createOriginFinder({ ...config, clientOf: proxyProtocol?.clientOf, randomBytes });
  const watch = { clock, logger, rateLimitedLogger, stop: stopping.signal };
  onStep('the files of certificates and tokens');
  const tls = config.tls && (await openTls(config.tls, { ...watch, handshakeTimeoutMs: limits.headerTimeoutMs }));
  const authenticate =
    config.ingestTokensFile === undefined
      ? NO_AUTHENTICATION
      : await openTokenAuthenticator({ flag: '--ingest-tokens-file', file: config.ingestTokensFile }, watch);
  onStep(`--database ${describeDatabase(config.database)}`);
  const store = await (options.openStore ?? openStore)(config.database, {
    appName: `spartakus-collector/${version}`,
    storeTimeoutMs: config.storeTimeoutMs,
    stdout,
    clock,
    random,
    logger,
    diskReserveBytes: config.diskReserveBytes,
  });
  onStep('its ports');
  const health = createHealthState();
  const watched = monitorAvailability(store, {
    clock,
    logger,
    onChange: (isAvailable, reason) => health.setServing(isAvailable, reason),
  });
  const connections = createConnectionCounts();
  const clusterWarnings = createClusterWarnings({ clock, logger, verbose });
  const descriptors = startDescriptorCheck({ clock, logger, stop: stopping.signal });
  const memory = createMemoryLimiter(limits.maxBodyBytes);
  const metrics = createMetrics({
    version,
    memory,
    pending: () => ingest.pending(),
    connections: () => connections.read(),
    descriptorExhaustions: () => descriptors.exhaustions,
    isDatabaseAvailable: () => watched.isAvailable(),
    busiestAddressRatio: () => clusterWarnings.busiestAddressRatio(),
    disk: store.disk?.bind(store),
    certificateExpiry: tls?.expiresAt,
  });
  const onRejection = createRejections({ metrics, logger: rateLimitedLogger, verbose });
  const { keepUnknownFields, normaliseLegacy } = config;
  const observer: IngestObserver = {
    ...metrics.ingestObserver,
    onCluster: (clusterKey, origin) => clusterWarnings.onCluster(clusterKey, origin),
    onQuarantined: (dialect, origin) => {
      metrics.ingestObserver.onQuarantined(dialect, origin);
      clusterWarnings.onQuarantined(dialect, origin);
    },
  };
  // Nothing reads facts that are printed.
  const database = store.database?.bind(store);
  const figuresDatabase = store.figuresDatabase?.bind(store);
  const makeFacts =
    config.statistics !== undefined && database !== undefined
      ? createFactMaker({ countedKeys: config.statistics.countedExtensions ?? [] })
      : undefined;
  const storing = { keepUnknownFields, normaliseLegacy, makeFacts };
  const idBytes = createRandomBlocks(randomBytes);
  const ingest = createIngest({ sink: watched, clock, randomBytes: idBytes, limits, ...storing, observer });
  let endsAtMs: number | undefined;
  const leftMs = (): number =>
    endsAtMs === undefined ? config.shutdownGraceMs : Math.max(endsAtMs - clock.now().getTime(), 0);
  /** Whether the promise has not settled in time. */
  const isLate = async (settled: Promise<unknown>, ms: number): Promise<boolean> => {
    const inTime = new AbortController();
    const late = clock.sleep(ms, inTime.signal).then(() => true);
    return await Promise.race([settled.then(() => false), late]).finally(() => inTime.abort());
  };
  resources.defer(async () => {
    watched.stop();
    const stored = ingest.drain().then(() => store.close());
    if (await isLate(stored, leftMs()))
      logger.warn({}, 'stopped before the database closed: it did not respond in time');
  });
  if (config.statistics !== undefined && database !== undefined) {
    const newId = (): string => Buffer.from(randomBytes(16)).toString('hex');
    const statistics = startStatistics({ database, clock, logger, newId, settings: config.statistics, makeFacts });
    metrics.observeStatistics(() => statistics.status());
    resources.defer(async () => void (await isLate(statistics.close(), leftMs() / 2)));
  }
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
    (await openConsole(config.console, {
      metrics,
      answers: database && openAnswers({ database, figuresDatabase, clock, randomBytes, ...config.console }),
      originOf: (request, protocol) => origins.originOf(request, protocol),
      ...watch,
      limits,
      random,
      onRejection,
      tls: config.tls,
    }));
  resources.defer(() => openedConsole?.close());
  const listener = await openListener({
    port,
    host,
    reusePort,
    proxyProtocol,
    tls: tls?.server,
    routes,
    limits,
    addressKeyOf: (remoteAddress) => origins.addressKeyOf(remoteAddress),
    clock,
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
