import type { Writable } from 'node:stream';
import { type ClientCredentialsConfig, openClientCredentials } from '../delivery/client-credentials.ts';
import { drain } from '../delivery/drain.ts';
import { write } from '../delivery/transport/stdout.ts';
import { warnIfUnencrypted } from '../delivery/unencrypted.ts';
import type { EnvelopeSink } from '../report/report-sink.ts';
import type { Files } from '../runtime/atomic-file.ts';
import type { Clock } from '../runtime/clock.ts';
import { SpartakusError } from '../runtime/errors.ts';
import { logFailure, type Logger } from '../runtime/logger.ts';
import { envelopeJson } from './http-sink.ts';
import { openRecordDir } from './record-dir.ts';
import { createReportQueue } from './report-queue.ts';

export type ReporterTransport = 'stdout' | 'http' | 'grpc';

export interface ReporterConfig extends ClientCredentialsConfig {
  readonly transport: ReporterTransport;
  readonly recordDir: string;
  readonly clientUuid: string;
  /** --url; not used with stdout. */
  readonly url?: string;
  /** --timeout, in milliseconds: the deadline of all attempts together. */
  readonly timeoutMs: number;
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
  /** Every record is stored, or printed. */
  | { readonly status: 'done'; readonly records: number }
  /** Some records stay for the next run; the log has the same error. */
  | { readonly status: 'failed'; readonly error: SpartakusError };

export interface Reporter {
  /** Resolves when the reporter has ended; never rejects. */
  readonly done: Promise<ReporterEnd>;
  /** Cancels what is in progress; records without acknowledgement stay. Resolves when everything is closed. Idempotent. */
  close(): Promise<void>;
}

/**
 * The reporter: sends the records that the agents wrote, see {@link createReportQueue}, and removes each record that is acknowledged. With
 * stdout it prints one report of all records, and removes none.
 *
 * Rejects with a SpartakusError `invalid` where the URL, the proxy of the environment or the client credentials are wrong.
 */
export async function startReporter(config: ReporterConfig, options: ReporterOptions): Promise<Reporter> {
  const { clientUuid, recordDir, timeoutMs } = config;
  const { clock, random, logger, files, stdout } = options;
  const stop = new AbortController();
  if (config.url !== undefined) warnIfUnencrypted(config.url, logger);
  const dir = openRecordDir(recordDir, { now: () => clock.now(), files });
  const sink = config.transport === 'stdout' ? undefined : await openSink(config, options, stop.signal);
  const queue = createReportQueue({ sink, dir, clientUuid, clock, logger });

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
