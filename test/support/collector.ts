import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';

import type { Collection } from 'mongodb';

import { type CollectorConfig, startCollector } from '../../src/collector.ts';
import type { ReportDocument, StoredDocument } from '../../src/report/document.ts';
import type { Logger } from '../../src/report/ports.ts';
import { makeTestDatabase } from './database.ts';

/** A collector in this process, on a free port of 127.0.0.1 and a database of its own. */
export interface TestCollector {
  readonly url: string;
  readonly port: number;
  readonly reports: Collection<ReportDocument>;
  readonly kubermaticRecords: Collection<StoredDocument>;
  /** Everything that was logged at level warn or above. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
}

/** Limits are a hundredth of the defaults, so that tests need not send megabytes. */
export const TEST_LIMITS = { maxProtobufBytes: 40_000, maxJsonBytes: 160_000 };

export async function startTestCollector(config: Partial<CollectorConfig> = {}): Promise<TestCollector> {
  const database = await makeTestDatabase();
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
      database: database.spec,
      reportPeriodMs: 3_600_000,
      shutdownGraceMs: 2_000,
      recordPeer: 'none',
      trustedProxies: [],
      keepCountry: false,
      ...TEST_LIMITS,
      ...config,
    },
    { clock: { now: () => new Date() }, randomBytes, logger, stdout: new PassThrough(), version: 'v9.9.9' },
  );
  const reports = await database.reports();
  return {
    url: collector.url,
    port: collector.port,
    reports,
    kubermaticRecords: reports.db.collection<StoredDocument>('kubermaticRecords'),
    complaints,
    close: () => database.remove(() => collector.close()),
  };
}
