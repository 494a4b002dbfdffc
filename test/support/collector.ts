import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import type { Collection } from 'mongodb';
import {
  type Collector,
  type CollectorConfig,
  type CollectorOptions,
  startCollector,
} from '../../src/collector/collector.ts';
import type { Limits } from '../../src/collector/serve/admission/limits.ts';
import { parseDatabase } from '../../src/collector/store/database-spec.ts';
import type { StoredDocument } from '../../src/report/stored-document.ts';
import { createNetworks } from '../../src/runtime/addresses.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { Logger } from '../../src/runtime/logger.ts';
import { makeTestDatabase } from './database.ts';
import { TEST_LIMITS } from './test-limits.ts';

/** A collector in this process, on a free port of 127.0.0.1. */
export interface LocalCollector extends Collector {
  /** The messages that were logged at level warn or above. */
  readonly complaints: readonly string[];
}

/** A collector with a database of its own. */
export interface TestCollector extends LocalCollector {
  readonly reports: Collection<StoredDocument>;
  readonly kubermaticRecords: Collection<StoredDocument>;
}

type TestConfig = Omit<Partial<CollectorConfig>, 'limits'> & { readonly limits?: Partial<Limits> };

/** Starts a collector on a database that runs elsewhere, given as --database; of no account where a store is given. */
export async function startCollectorOn(
  database: string,
  { limits, ...config }: TestConfig = {},
  options: Partial<Pick<CollectorOptions, 'openStore' | 'clock'>> = {},
): Promise<LocalCollector> {
  const complaints: string[] = [];
  const logger: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (_fields, message) => complaints.push(message),
    error: (_fields, message) => complaints.push(message),
  };
  const collector = await startCollector(
    {
      port: 0,
      host: '127.0.0.1',
      database: options.openStore === undefined ? parseDatabase(database) : { kind: 'stdout' },
      reportPeriodMs: 3_600_000,
      storeTimeoutMs: 10_000,
      shutdownGraceMs: 2_000,
      recordPeer: 'none',
      trustedProxies: createNetworks([]),
      keepCountry: false,
      limits: { ...TEST_LIMITS, ...limits },
      ...config,
    },
    { clock: systemClock, randomBytes, logger, stdout: new PassThrough(), version: 'v9.9.9', ...options },
  );
  return { ...collector, complaints };
}

export async function startTestCollector(config: TestConfig = {}): Promise<TestCollector> {
  const database = await makeTestDatabase();
  const collector = await startCollectorOn(database.spec, config);
  const reports = await database.reports();
  return {
    ...collector,
    reports,
    kubermaticRecords: reports.db.collection<StoredDocument>('kubermaticRecords'),
    close: () => database.remove(() => collector.close()),
  };
}
