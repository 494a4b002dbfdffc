import type { Writable } from 'node:stream';
import { type Record as KubermaticRecord, RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { type ClientCredentialsConfig, openClientCredentials } from '../delivery/client-credentials.ts';
import { drain } from '../delivery/drain.ts';
import { write } from '../delivery/transport/stdout.ts';
import { warnIfUnencrypted } from '../delivery/unencrypted.ts';
import { createRecordSelection } from '../report/field-selection.ts';
import { logNewerFields, RECORDS_COMMAND } from '../report/newer-fields.ts';
import type { EnvelopeSink } from '../report/report-sink.ts';
import { listFields } from '../report/schema-fields.ts';
import { DEFAULT_AGREED_VERSION } from '../report/schema-version.ts';
import type { Files } from '../runtime/atomic-file.ts';
import type { Clock } from '../runtime/clock.ts';
import { SpartakusError } from '../runtime/errors.ts';
import { logFailure, type Logger } from '../runtime/logger.ts';
import { envelopeJson } from './http-sink.ts';
import { openRecordDir } from './record-dir.ts';
import { createReportQueue } from './report-queue.ts';

export interface ReporterConfig extends ClientCredentialsConfig {
  readonly transport: 'stdout' | 'http' | 'grpc';
  readonly recordDir: string;
  readonly clientUuid: string;
  /** Not used with stdout. */
  readonly url?: string;
  /** --timeout, in milliseconds: the deadline of all attempts together. */
  readonly timeoutMs: number;
  /** --agree: the newest schema version that the administrator agreed to, whatever agents wrote. */
  readonly agree?: number;
}

export interface ReporterOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly stdout: Writable;
  readonly env: NodeJS.ProcessEnv;
  readonly files?: Files;
}

export type ReporterEnd =
  /** All records are stored or printed. */
  | { readonly status: 'done'; readonly records: number }
  /** Some records stay for the next run; the error is logged. */
  | { readonly status: 'failed'; readonly error: SpartakusError };

interface Reporter {
  /** Resolves when the reporter has ended; never rejects. */
  readonly done: Promise<ReporterEnd>;
  /** Cancels requests in progress; resolves when the reporter has ended. Idempotent. */
  close(): Promise<void>;
}

/**
 * Sends the agents' records, see {@link createReportQueue}, and removes each stored one. With stdout it prints one report of all records and
 * removes none. Rejects with a SpartakusError `invalid` where the URL, its proxy or the client credentials are wrong.
 */
export async function startReporter(config: ReporterConfig, options: ReporterOptions): Promise<Reporter> {
  const { clientUuid, recordDir, timeoutMs } = config;
  const { clock, random, logger, files, stdout } = options;
  logNewerFields(logger, listFields(RecordSchema), config.agree ?? DEFAULT_AGREED_VERSION, RECORDS_COMMAND);
  const stop = new AbortController();
  if (config.url !== undefined) warnIfUnencrypted(config.url, logger);
  const dir = openRecordDir(recordDir, { now: () => clock.now(), files });
  const sink = config.transport === 'stdout' ? undefined : await openSink(config, options, stop.signal);
  const selection = createRecordSelection(config.agree);
  const trim = (record: KubermaticRecord): void => selection.trim(record);
  const queue = createReportQueue({ sink, dir, clientUuid, trim, clock, logger });

  const print = async (): Promise<number> => {
    const { files: printed, envelope } = await queue.aggregate();
    await write(stdout, `${envelopeJson(envelope)}\n`);
    return printed.length;
  };
  const send = async (): Promise<number> => {
    const error = await drain(queue, {
      clock,
      random,
      stop: stop.signal,
      deadlineMs: clock.now().getTime() + timeoutMs,
      onRetry: ({ kind, message }, waitMs) => logger.debug({ kind, waitMs }, message),
    });
    if (error !== undefined) throw error;
    const records = queue.stored();
    if (records > 0) logger.info({ records }, 'The records are stored.');
    const rejection = queue.rejection();
    if (rejection !== undefined) throw rejection;
    if (records === 0) logger.info({ dir: recordDir }, 'There are no records to send.');
    return records;
  };
  const run = async (): Promise<ReporterEnd> => {
    try {
      return { status: 'done', records: await (sink === undefined ? print() : send()) };
    } catch (thrown) {
      const error = SpartakusError.from(thrown);
      const { kind, field, message } = error;
      const summary = `Not all records were stored; the next run sends the rest: ${message}`;
      logFailure(logger, stop.signal, { kind, field }, summary);
      return { status: 'failed', error };
    } finally {
      await sink?.close();
    }
  };
  const done = run();
  return {
    done,
    close: async () => {
      stop.abort();
      await done;
    },
  };
}

async function openSink(config: ReporterConfig, { env }: ReporterOptions, signal: AbortSignal): Promise<EnvelopeSink> {
  const { transport, url = '', timeoutMs } = config;
  const credentials = await openClientCredentials(config, url, '--url');
  const sinkOptions = { timeoutMs, credentials, env, signal };
  // Imported when used: gRPC takes 10 MiB of memory.
  if (transport === 'grpc') return (await import('./grpc-sink.ts')).openKubermaticGrpcSink(url, sinkOptions);
  return (await import('./http-sink.ts')).openKubermaticHttpSink(url, sinkOptions);
}
