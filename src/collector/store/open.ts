import type { Writable } from 'node:stream';
import type { ReportStore } from '../../report/report-sink.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Database } from './database-spec.ts';
import { openEmbeddedStore } from './embedded.ts';
import { type DatabaseStore, openMongoStore } from './mongo-store.ts';
import { createStdoutStore } from './stdout.ts';

interface OpenStoreOptions {
  readonly appName: string;
  readonly storeTimeoutMs: number;
  readonly stdout: Writable;
  /** For the embedded engine; by default the system's clock and random numbers, and no log. */
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly logger?: Logger;
  readonly diskReserveBytes?: number | undefined;
}

const CONNECT_TIMEOUT_MS = 5_000;

/** The database is absent for a store without one, such as stdout. */
export type OpenedStore = ReportStore & Partial<DatabaseStore>;

export async function openStore(database: Database, options: OpenStoreOptions): Promise<OpenedStore> {
  switch (database.kind) {
    case 'embedded':
      return openEmbeddedStore({ ...options, connectTimeoutMs: CONNECT_TIMEOUT_MS, directory: database.directory });
    case 'server':
      return openMongoStore({ ...options, connectTimeoutMs: CONNECT_TIMEOUT_MS, uri: database.uri });
    case 'stdout':
      return createStdoutStore(options.stdout);
  }
}
