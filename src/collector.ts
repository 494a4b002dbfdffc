import type { Writable } from 'node:stream';

import { createIngest } from './ingest/ingest.ts';
import { messageOf, SpartakusError } from './report/errors.ts';
import type { Clock, Logger } from './report/ports.ts';
import { createHealthState } from './serve/health-service.ts';
import { type Listener, openListener } from './serve/listener.ts';
import type { Limits } from './serve/limits.ts';
import { createPeerFinder, type PeerRecord } from './serve/peer.ts';
import { createRoutes } from './serve/routes.ts';
import { openStore } from './store/open.ts';

/** What an administrator sets. */
export interface CollectorConfig {
  /** 0 to 65535; 0 takes any free port. */
  readonly port: number;
  /** The address to listen on; all of them where absent. */
  readonly host?: string;
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
  /** How long requests may take to end once the collector is told to stop, in milliseconds. */
  readonly shutdownGraceMs: number;
}

export interface CollectorOptions {
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly logger: Logger;
  readonly stdout: Writable;
  /** The program's version with its `v`, such as "v2.0.0". */
  readonly version: string;
}

export interface Collector {
  /** Where it listens, such as "http://127.0.0.1:8080". */
  readonly url: string;
  readonly port: number;
  /** Takes no more, answers what was accepted, closes the database. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens the database, then the port.
 *
 * @throws SpartakusError where the database or the port cannot be had; nothing stays open then
 */
export async function startCollector(config: CollectorConfig, options: CollectorOptions): Promise<Collector> {
  const { clock, randomBytes, logger, stdout, version } = options;
  const findPeer = createPeerFinder({ record: config.recordPeer, trustedProxies: config.trustedProxies, randomBytes });
  const store = await openStore(config.database, { appName: `spartakus-collector/${version}`, stdout });
  const ingest = createIngest({ sink: store, clock, randomBytes, limits: config.limits });
  const health = createHealthState();
  const stopping = new AbortController();
  const routes = createRoutes({
    ingest,
    health,
    version,
    ...(config.reportPeriodMs === undefined ? {} : { nextReportAfterMs: config.reportPeriodMs }),
    limits: config.limits,
    keepCountry: config.keepCountry,
    isStoreReady: () => store.isReady(),
    findPeer,
    stopping: stopping.signal,
    clock,
    logger,
  });
  let listener: Listener;
  try {
    listener = await openListener({
      port: config.port,
      routes,
      logger,
      ...(config.host === undefined ? {} : { host: config.host }),
    });
  } catch (error) {
    await store.close();
    throw new SpartakusError(
      'unavailable',
      `--port ${config.port} cannot be had: ${messageOf(error)}. Stop what listens there, or choose another one.`,
      { cause: error },
    );
  }
  const closeAll = async (): Promise<void> => {
    health.setServing(false);
    stopping.abort();
    await listener.close(config.shutdownGraceMs);
    await ingest.drain();
    await store.close();
  };
  let closing: Promise<void> | undefined;
  const { port } = listener.address;
  return { url: `http://${urlHost(config.host)}:${port}`, port, close: () => (closing ??= closeAll()) };
}

/** An address that a client on this machine can use. */
function urlHost(host: string | undefined): string {
  if (host === undefined || host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
