import type { Writable } from 'node:stream';
import { formatHostPort } from '../runtime/addresses.ts';
import type { Clock } from '../runtime/clock.ts';
import { messageOf, SpartakusError } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';
import { createIngest } from './ingest/ingest.ts';
import { OPEN_GATE, openTokenGate } from './serve/admission/authenticator.ts';
import type { Limits } from './serve/admission/limits.ts';
import { createPeerFinder, createSourceFinder, type PeerRecord } from './serve/admission/request-origin.ts';
import { createConnectionCounts } from './serve/connection-counts.ts';
import { type ConsoleConfig, openConsole } from './serve/console/console.ts';
import { createMetrics } from './serve/console/metrics.ts';
import { createQuietLogger } from './serve/console/rate-limited-logger.ts';
import { createRefusals } from './serve/console/rejections.ts';
import { openListener } from './serve/listener.ts';
import { createRoutes } from './serve/routes.ts';
import { createHealthState } from './serve/rpc/health-service.ts';
import { openTls, type TlsConfig } from './serve/tls.ts';
import { monitorAvailability } from './store/availability.ts';
import { openStore } from './store/open.ts';

/** What an administrator sets. */
export interface CollectorConfig {
  /** 0 to 65535; 0 takes any free port. */
  readonly port: number;
  /** The address to listen on; all of them where absent. */
  readonly host?: string;
  /** With it, the port speaks TLS alone. */
  readonly tls?: TlsConfig;
  /** A file of the bearer tokens with which reports are let in; everybody's are where there is none. */
  readonly ingestTokensFile?: string;
  /** Where everything that reads is: see serve/console.ts. Nowhere where absent. */
  readonly console?: ConsoleConfig;
  /** A database spec: see store/open.ts. */
  readonly database: string;
  /** How long clients are asked to wait between two reports, in milliseconds; as long as they wish where absent. */
  readonly reportPeriodMs?: number;
  readonly limits: Limits;
  /** What of a client's address is stored: see serve/peer.ts. */
  readonly recordPeer: PeerRecord;
  /** The addresses and networks of proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  /** Whether the countries that Kubermatic's clients send are kept; nothing else of a location ever is. */
  readonly keepCountry: boolean;
  /** How long the database may take to store reports, in milliseconds. */
  readonly storeTimeoutMs: number;
  /** How long it may take to stop, in milliseconds. */
  readonly shutdownGraceMs: number;
}

export interface CollectorOptions {
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Uint8Array;
  /** A number from 0 to less than 1, for what is only to differ from one connection to the next. */
  readonly random?: () => number;
  readonly logger: Logger;
  /** Whether the log may quote what clients sent. */
  readonly verbose?: boolean;
  readonly stdout: Writable;
  /** Turns --database into a store; ours where absent. */
  readonly openStore?: typeof openStore;
  /** The program's version with its `v`, such as "v2.0.0". */
  readonly version: string;
}

export interface Collector {
  /** Where it listens, such as "http://127.0.0.1:8080"; https:// with TLS. */
  readonly url: string;
  readonly port: number;
  /** Where the console listens, such as "http://127.0.0.1:8081". */
  readonly consoleUrl?: string;
  /** Takes no more, answers what was accepted, closes the database. Idempotent. */
  close(): Promise<void>;
}

/** How long a collector that stops says so before it takes no more, in milliseconds. */
const NOTICE_MS = 100;
/** The part of the grace after which connections are cut. The rest is for the database. */
const CUT_AFTER = 0.8;

/**
 * Opens the database, then the port.
 *
 * @throws SpartakusError where the database or the port cannot be had; nothing stays open then
 */
export async function startCollector(config: CollectorConfig, options: CollectorOptions): Promise<Collector> {
  const stopping = new AbortController();
  const closers: (() => Promise<void>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.toReversed()) await close();
    stopping.abort();
  };
  try {
    const parts = await openParts(config, options, stopping, (close) => closers.push(close));
    let closing: Promise<void> | undefined;
    return { ...parts, close: () => (closing ??= closeAll()) };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** Opens one thing after the other, and says of each how it is closed; they are closed the other way round. */
async function openParts(
  config: CollectorConfig,
  options: CollectorOptions,
  stopping: AbortController,
  onClose: (close: () => Promise<void>) => void,
): Promise<Omit<Collector, 'close'>> {
  const { clock, randomBytes, random = Math.random, logger, verbose = false, stdout, version } = options;
  const { limits } = config;
  const findPeer = createPeerFinder({ record: config.recordPeer, trustedProxies: config.trustedProxies, randomBytes });
  const quietLogger = createQuietLogger({ logger, clock, verbose, stop: stopping.signal });
  const watch = { clock, logger, quietLogger, stop: stopping.signal };
  const tls = config.tls === undefined ? undefined : await openTls(config.tls, watch);
  const gate =
    config.ingestTokensFile === undefined
      ? OPEN_GATE
      : await openTokenGate({ flag: '--ingest-tokens-file', file: config.ingestTokensFile }, watch);
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
  const metrics = createMetrics({
    version,
    pending: () => ingest.pending(),
    connections: () => connections.read(),
    isDatabaseThere: () => watched.isAvailable(),
  });
  const onRefusal = createRefusals({
    count: (protocol, kind) => metrics.countRefusal(protocol, kind),
    logger: quietLogger,
    verbose,
  });
  const ingest = createIngest({ sink: watched, clock, randomBytes, limits, hooks: metrics.ingestHooks });
  let endsAtMs: number | undefined;
  const leftMs = (): number =>
    endsAtMs === undefined ? config.shutdownGraceMs : Math.max(endsAtMs - clock.now().getTime(), 0);
  onClose(async () => {
    watched.stop();
    const stored = ingest.drain().then(() => store.close());
    const late = await Promise.race([stored, clock.sleep(leftMs()).then(() => true)]);
    // What it has not confirmed was not answered either: the connections are gone.
    if (late === true) logger.warn({}, 'stopped without the database: it did not answer in time');
  });
  const routes = createRoutes({
    ingest,
    health,
    version,
    nextReportAfterMs: config.reportPeriodMs,
    limits,
    keepCountry: config.keepCountry,
    findPeer,
    gate,
    stopping: stopping.signal,
    clock,
    onRefusal,
    logger: quietLogger,
  });
  const openedConsole =
    config.console === undefined
      ? undefined
      : await openConsole(config.console, { metrics, ...watch, limits, random, onRefusal, tls: config.tls });
  onClose(() => openedConsole?.close() ?? Promise.resolve());
  const { port, host } = config;
  const listener = await openListener({
    port,
    host,
    tls,
    routes,
    limits,
    sourceOf: createSourceFinder(config.trustedProxies),
    random,
    connections,
    logger: quietLogger,
  }).catch((error: unknown) => {
    throw new SpartakusError(
      'unavailable',
      `--port ${port} cannot be had: ${messageOf(error)}. Stop what listens there, or choose another one.`,
      { cause: error },
    );
  });
  onClose(() => listener.close(CUT_AFTER * leftMs()));
  onClose(async () => {
    endsAtMs = clock.now().getTime() + config.shutdownGraceMs;
    // Whoever watches the health, or asks for it, is told first, and has a moment to send elsewhere. What comes is still taken.
    watched.stop();
    health.setServing(false);
    await clock.sleep(Math.min(NOTICE_MS, config.shutdownGraceMs / 2));
    stopping.abort();
  });
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${formatHostPort(reachableHost(host), listener.address.port)}`,
    port: listener.address.port,
    ...(openedConsole === undefined ? {} : { consoleUrl: openedConsole.url }),
  };
}

/** An address that a client on this machine can use. */
function reachableHost(host: string | undefined): string {
  if (host === undefined || host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host;
}
