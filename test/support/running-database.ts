import process from 'node:process';
import { parseDatabase } from '../../src/collector/store/database-spec.ts';
import { openStore } from '../../src/collector/store/open.ts';
import { makeTestDatabase, type TestDatabase } from './database.ts';
import type { StoredReport } from './history.ts';

/** A database that runs beside the collectors, which reach it at its address. */
export interface RunningDatabase extends Pick<TestDatabase, 'reports'> {
  /** What --database takes. */
  readonly uri: string;
  /** The id and the cluster of each stored report. */
  storedReports(): Promise<readonly StoredReport[]>;
  close(): Promise<void>;
}

/** Starts an empty database; see makeTestDatabase. */
export async function startDatabase(make = makeTestDatabase): Promise<RunningDatabase> {
  const database = await make();
  const engine = await openStore(parseDatabase(database.spec), {
    appName: 'spartakus-test',
    storeTimeoutMs: 10_000,
    stdout: process.stdout,
  });
  return {
    uri: await database.uri(),
    reports: () => database.reports(),
    storedReports: async () => await (await database.reports()).find({}, { projection: { clusterID: 1 } }).toArray(),
    close: () => database.remove(() => engine.close()),
  };
}
