import type http from 'node:http';
import type http2 from 'node:http2';
import { RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.js';
import { type CollectorProgram, startCollectorProgram, UNLIMITED_CLIENTS } from './collector-program.ts';
import { makeEmbeddedDatabase } from './database.ts';
import { openDbProxy } from './db-proxy.ts';
import { postLegacy, submit } from './raw-grpc.ts';
import { type RunningDatabase, startDatabase } from './running-database.ts';

/** How long a round trip to the database takes, and how many reports may wait for it: together they are the capacity. */
const ROUND_TRIP_MS = 400;
export const MAX_PENDING = 80;

/** A collector's program whose database responds slowly. */
export interface SlowCollector {
  readonly program: CollectorProgram;
  readonly database: RunningDatabase;
  /** Removes the delay. */
  speedUp(): Promise<void>;
  close(): Promise<void>;
}

export async function startSlowCollector(): Promise<SlowCollector> {
  const database = await startDatabase(makeEmbeddedDatabase);
  const proxy = await openDbProxy(database.uri);
  const program = await startCollectorProgram([
    `--database=${proxy.uri}`,
    `--max-pending-reports=${MAX_PENDING}`,
    ...UNLIMITED_CLIENTS,
  ]);
  proxy.delay(ROUND_TRIP_MS / 2);
  return {
    program,
    database,
    speedUp: () => proxy.heal(),
    close: async () => {
      await proxy.heal();
      await program.stop();
      await proxy.close();
      await database.close();
    },
  };
}

export type Outcome = 'stored' | 'rejected';

/** Submits a report by gRPC. Rejects where the status is neither OK nor RESOURCE_EXHAUSTED with a RetryInfo. */
export async function submitOrReject(session: http2.ClientHttp2Session): Promise<Outcome> {
  const trailers = await submit(session);
  const status = trailers['grpc-status'];
  if (status === '0') return 'stored';
  // In the bytes of the google.rpc.Status the detail is found by the name of its type.
  const details = Buffer.from(String(trailers['grpc-status-details-bin'] ?? ''), 'base64').toString('latin1');
  if (status === '8' && details.includes(RetryInfoSchema.typeName)) return 'rejected';
  throw new Error(`grpc-status ${String(status)}: ${String(trailers['grpc-message'])} ${details}`);
}

/** Posts a report as legacy JSON. Rejects where the status is neither 204 nor 429 with a Retry-After. */
export async function postOrReject(url: string, agent: http.Agent): Promise<Outcome> {
  const { statusCode, headers } = await postLegacy(url, agent);
  if (statusCode === 204) return 'stored';
  if (statusCode === 429 && Number(headers['retry-after']) >= 1) return 'rejected';
  throw new Error(`HTTP ${statusCode} with Retry-After ${headers['retry-after']}`);
}
