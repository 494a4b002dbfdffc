import type { Writable } from 'node:stream';
import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Envelope, EnvelopeSchema } from '../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import type { Record as KubermaticRecord } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { type AccessConfig, openAccess } from '../delivery/client-credentials.ts';
import { createBackoff } from '../delivery/retry.ts';
import { readRecord } from '../report/kubermatic-record.ts';
import type { EnvelopeSink, Outcome } from '../report/report-sink.ts';
import type { Clock } from '../runtime/clock.ts';
import { type ErrorKind, messageOf, SpartakusError } from '../runtime/errors.ts';
import { logFailure, type Logger } from '../runtime/logger.ts';
import { envelopeJson } from './http-sink.ts';
import { type Files, openRecordDir, type PendingReport, type RecordDir } from './record-dir.ts';

/** How a report leaves. */
export type Road = 'stdout' | 'http' | 'grpc';

export interface ReporterConfig extends AccessConfig {
  readonly road: Road;
  /** --record-dir */
  readonly recordDir: string;
  /** --client-uuid */
  readonly clientUuid: string;
  /** --url; of no use with stdout. */
  readonly url?: string;
  /** --timeout, in milliseconds: how long it is tried in all. */
  readonly timeoutMs: number;
}

export interface ReporterOptions {
  readonly clock: Clock;
  /** A number from 0 to less than 1, for what is only to differ from one reporter to the next. */
  readonly random: () => number;
  readonly logger: Logger;
  readonly stdout: Writable;
  readonly env: NodeJS.ProcessEnv;
  /** What reads and writes files, where it is not the machine. */
  readonly files?: Files;
}

/** How a reporter ended. */
export type ReporterEnd =
  /** Everything that was there is stored, or printed. */
  | { readonly status: 'done'; readonly records: number }
  /** Something stays for the next run; the log says the same. */
  | { readonly status: 'failed'; readonly error: SpartakusError };

export interface Reporter {
  /** Resolves when it has ended; never rejects. */
  readonly done: Promise<ReporterEnd>;
  /** Ends what is under way; what has no acknowledgement stays. Resolves when all is closed. Idempotent. */
  close(): Promise<void>;
}

/** The envelope that Kubermatic's reporter has sent since v0.3.0. */
const ENVELOPE_VERSION = 'v2';
/** What goes into one report: a collector takes no more than 1000 records, and a few MiB. What is left makes another one. */
const REPORT_RECORDS = 100;
const REPORT_BYTES = 1024 * 1024;
/** What says that a record itself is to blame. Anything else is of the way to the collector, and the report stays as it is. */
const OF_THE_RECORD: ReadonlySet<ErrorKind> = new Set(['invalid', 'too-large']);

/**
 * The reporter: makes one report of all records that the agents wrote, sends it, and removes what was acknowledged, record by record.
 *
 * A report that was begun is kept beside the records until all that is in it is settled, and is sent again as it was: with the same time,
 * the same records and so the same ids. A collector that has it already says so, and a reporter that was stopped at any moment loses
 * nothing and doubles nothing. What a collector refuses for good goes with the next run, in another report.
 *
 * Rejects with a SpartakusError `invalid` where the URL, the proxy that the environment names for it, or the files of its access cannot be used.
 */
export async function startReporter(config: ReporterConfig, options: ReporterOptions): Promise<Reporter> {
  const { clock, logger, files } = options;
  const stop = new AbortController();
  const dir = openRecordDir(config.recordDir, { now: () => clock.now(), files });
  const sink = config.road === 'stdout' ? undefined : await openSink(config, options, stop.signal);

  const run = async (): Promise<ReporterEnd> => {
    try {
      const job: Job = { config, options, dir, stop: stop.signal, refused: new Set(), alone: new Set() };
      return sink === undefined ? await print(job) : await report(job, sink);
    } catch (thrown) {
      return fail(SpartakusError.from(thrown), logger, stop.signal);
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
  const { road, url = '', timeoutMs } = config;
  const sinkOptions = { timeoutMs, access: await openAccess(config, url, '--url'), env, signal };
  // Only what is needed comes into memory: gRPC is 10 MiB.
  if (road === 'grpc') return (await import('./grpc-sink.ts')).openKubermaticRpcSink({ url }, sinkOptions);
  return (await import('./http-sink.ts')).openKubermaticHttpSink({ url }, sinkOptions);
}

/** A run of the reporter. */
interface Job {
  readonly config: ReporterConfig;
  readonly options: ReporterOptions;
  readonly dir: RecordDir;
  readonly stop: AbortSignal;
  /** Files that are not tried again in this run. */
  readonly refused: Set<string>;
  /** Files that go in a report of their own, for one among several was refused and it was not said which. */
  readonly alone: Set<string>;
}

/** A report on its way, and the file of each of its records. */
interface Shipment {
  readonly files: readonly string[];
  readonly envelope: Envelope;
}

async function report(job: Job, sink: EnvelopeSink): Promise<ReporterEnd> {
  const { dir, options, stop, config } = job;
  const { clock, logger } = options;
  const deadlineMs = clock.now().getTime() + config.timeoutMs;
  let stored = 0;
  let refusal: SpartakusError | undefined;
  for (let shipment = await resume(job); ; shipment = undefined) {
    shipment ??= await begin(job);
    if (shipment === undefined) break;
    const outcomes = await send(job, sink, shipment, deadlineMs);
    const { acknowledged, refusal: refused, failure } = await settle(job, shipment, outcomes);
    stored += acknowledged;
    if (failure !== undefined) return fail(failure, logger, stop);
    refusal = refused ?? refusal;
    await dir.removePending();
  }
  if (stored > 0) logger.info({ records: stored }, 'The records are stored.');
  if (refusal !== undefined) return fail(refusal, logger, stop);
  if (stored === 0) logger.info({ dir: config.recordDir }, 'There are no records to send.');
  return { status: 'done', records: stored };
}

/** The report that an earlier run began, as it was. */
async function resume({ dir, options: { logger } }: Job): Promise<Shipment | undefined> {
  const pending = await dir.readPending();
  if (pending === undefined) return undefined;
  try {
    const envelope = fromJson(EnvelopeSchema, pending.report as JsonValue, { ignoreUnknownFields: true });
    if (envelope.records.length === pending.files.length && pending.files.length > 0)
      return { files: pending.files, envelope };
  } catch (error) {
    logger.warn({}, `The report that an earlier run began cannot be read, and is made anew: ${messageOf(error)}.`);
  }
  return undefined;
}

/** A new report of the records that are there, kept before it is sent. Undefined where nothing is left to report. */
async function begin(job: Job): Promise<Shipment | undefined> {
  const { dir } = job;
  const shipment = await aggregate(job, { records: REPORT_RECORDS, bytes: REPORT_BYTES });
  if (shipment.files.length === 0) return undefined;
  const pending: PendingReport = {
    files: shipment.files,
    report: toJson(EnvelopeSchema, shipment.envelope, { useProtoFieldName: true }),
  };
  await dir.writePending(pending);
  return shipment;
}

async function aggregate(
  { dir, options, config, refused, alone }: Job,
  most: { readonly records: number; readonly bytes: number },
): Promise<Shipment> {
  const { clock, logger } = options;
  const files: string[] = [];
  const records: KubermaticRecord[] = [];
  let bytes = 0;
  for (const name of await dir.list()) {
    if (refused.has(name)) continue;
    if (files.length >= most.records || (files.length > 0 && alone.has(name))) break;
    const text = await dir.read(name);
    if (files.length > 0 && bytes + text.length > most.bytes) break;
    try {
      records.push(readRecord(JSON.parse(text) as JsonValue));
    } catch (error) {
      // It may be somebody else's, so it is not ours to remove.
      logger.warn(
        { file: name },
        `A file in --record-dir is no record, and stays there: ${error instanceof SpartakusError ? error.message : 'it is not JSON'}.`,
      );
      refused.add(name);
      continue;
    }
    files.push(name);
    bytes += text.length;
    if (alone.has(name)) break;
  }
  const envelope = create(EnvelopeSchema, {
    version: ENVELOPE_VERSION,
    time: timestampFromDate(clock.now()),
    clientUuid: config.clientUuid,
    records,
  });
  return { files, envelope };
}

/** Sends a report until every record of it is settled, or the time is up. */
async function send(
  { options, stop }: Job,
  sink: EnvelopeSink,
  { envelope }: Shipment,
  deadlineMs: number,
): Promise<readonly Outcome[]> {
  const { clock, random, logger } = options;
  const backoff = createBackoff({ random });
  for (;;) {
    const outcomes = await sink.put(envelope);
    const retryable = outcomes.flatMap((outcome) =>
      outcome.status === 'failed' && outcome.error.retryable ? [outcome.error] : [],
    );
    const [error] = retryable;
    if (error === undefined || stop.aborted) return outcomes;
    const waitMs = backoff.next(Math.max(...retryable.map(({ retryAfterMs }) => retryAfterMs ?? 0)));
    if (clock.now().getTime() + waitMs >= deadlineMs) return outcomes;
    logger.debug({ kind: error.kind, waitMs }, error.message);
    await clock.sleep(waitMs, stop);
    if (stop.aborted) return outcomes;
  }
}

interface Settled {
  readonly acknowledged: number;
  /** Why a record was refused for good. */
  readonly refusal: SpartakusError | undefined;
  /** Why a record was not taken now. */
  readonly failure: SpartakusError | undefined;
}

/** Removes the files of what was acknowledged; and decides of what was refused for good how it is tried next. */
async function settle(
  { dir, refused, alone }: Job,
  { files }: Shipment,
  outcomes: readonly Outcome[],
): Promise<Settled> {
  const failed = files.flatMap((name, index) => {
    const outcome = outcomes[index];
    return outcome === undefined || outcome.status !== 'failed' ? [] : [{ name, error: outcome.error }];
  });
  const names = new Set(failed.map(({ name }) => name));
  for (const name of files) if (!names.has(name)) await dir.remove(name);
  const acknowledged = files.length - failed.length;
  const failure = failed.find(({ error }) => !OF_THE_RECORD.has(error.kind))?.error;
  if (failure !== undefined) return { acknowledged, refusal: undefined, failure };
  // All of several: the collector does not say which is to blame, so each is tried by itself.
  const isWhole = failed.length > 1 && failed.length === files.length;
  for (const { name } of failed) (isWhole ? alone : refused).add(name);
  return { acknowledged, refusal: isWhole ? undefined : failed[0]?.error, failure: undefined };
}

/** Prints what would be sent, all in one report. Nobody has it then, so nothing is removed. */
async function print(job: Job): Promise<ReporterEnd> {
  const { files, envelope } = await aggregate(job, {
    records: Number.POSITIVE_INFINITY,
    bytes: Number.POSITIVE_INFINITY,
  });
  await new Promise<void>((resolve, reject) => {
    job.options.stdout.write(`${envelopeJson(envelope)}\n`, (error) => (error ? reject(error) : resolve()));
  });
  return { status: 'done', records: files.length };
}

function fail(error: SpartakusError, logger: Logger, stop: AbortSignal): ReporterEnd {
  logFailure(
    logger,
    stop,
    { kind: error.kind, field: error.field },
    `Not all records were stored; what is left goes with the next run: ${error.message}`,
  );
  return { status: 'failed', error };
}
