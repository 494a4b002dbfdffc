import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Envelope, EnvelopeSchema } from '../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import type { Record as KubermaticRecord } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { Queue } from '../delivery/drain.ts';
import { readRecord } from '../report/kubermatic-record.ts';
import { startOfHour } from '../report/report-id.ts';
import type { EnvelopeSink } from '../report/report-sink.ts';
import type { Clock } from '../runtime/clock.ts';
import { type ErrorKind, messageOf, SpartakusError } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';
import type { RecordDir } from './record-dir.ts';

interface RecordReport {
  readonly files: readonly string[];
  readonly envelope: Envelope;
}

interface ReportQueue extends Queue<string> {
  /** Makes a report of the first records of the directory, up to the limits. Other files are logged and left out. */
  aggregate(limits?: { readonly records: number; readonly bytes: number }): Promise<RecordReport>;
  stored(): number;
  /** The error of the latest rejected record; undefined where none was rejected. */
  rejection(): SpartakusError | undefined;
}

interface ReportQueueOptions {
  /** Undefined where reports are only printed. */
  readonly sink: EnvelopeSink | undefined;
  readonly dir: RecordDir;
  readonly clientUuid: string;
  /** Clears the fields of a record that the administrator has not agreed to. */
  readonly trim: (record: KubermaticRecord) => void;
  readonly clock: Pick<Clock, 'now'>;
  readonly logger: Logger;
}

/** The version that Kubermatic's reporter sends since v0.3.0. */
const ENVELOPE_VERSION = 'v2';
/** A collector accepts at most 1000 records and a few MiB in one report. */
const REPORT_LIMITS = { records: 100, bytes: 1024 * 1024 };
const NO_LIMITS = { records: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };
/** Errors of a record. After other errors, the report remains pending. */
const RECORD_ERRORS: ReadonlySet<ErrorKind> = new Set(['invalid', 'too-large']);

/**
 * The records of a directory as a queue of file names. A report is written to the directory before it is sent and kept until each of its
 * records is settled. Every attempt, also of a later run, sends the same time, records and ids, by which the collector detects duplicates;
 * so a reporter that is killed loses and duplicates no record. A rejected record stays for another report of the next run.
 */
export function createReportQueue({ sink, dir, clientUuid, trim, clock, logger }: ReportQueueOptions): ReportQueue {
  /** Files that this run does not send again. */
  const skipped = new Set<string>();
  /** Files that are sent in separate reports, to find the rejected one of several records. */
  const alone = new Set<string>();

  const aggregate = async (limits = NO_LIMITS): Promise<RecordReport> => {
    const files: string[] = [];
    const records: KubermaticRecord[] = [];
    let bytes = 0;
    for (const name of await dir.list()) {
      if (skipped.has(name)) continue;
      if (files.length >= limits.records || (files.length > 0 && alone.has(name))) break;
      const text = await dir.read(name);
      if (files.length > 0 && bytes + text.length > limits.bytes) break;
      try {
        const record = readRecord(JSON.parse(text) as JsonValue);
        trim(record);
        records.push(record);
      } catch (error) {
        // Not removed, because the file may belong to another program.
        const reason = error instanceof SpartakusError ? error.message : 'it is not JSON';
        logger.warn({ file: name }, `A file in --record-dir is no record, and stays there: ${reason}.`);
        skipped.add(name);
        continue;
      }
      files.push(name);
      bytes += text.length;
      if (alone.has(name)) break;
    }
    const time = timestampFromDate(startOfHour(clock.now()));
    return { files, envelope: create(EnvelopeSchema, { version: ENVELOPE_VERSION, time, clientUuid, records }) };
  };

  const resume = async (): Promise<RecordReport | undefined> => {
    const pending = await dir.readPending();
    if (pending === undefined) return undefined;
    try {
      const envelope = fromJson(EnvelopeSchema, pending.report as JsonValue, { ignoreUnknownFields: true });
      envelope.records.forEach(trim);
      if (envelope.records.length === pending.files.length && pending.files.length > 0)
        return { files: pending.files, envelope };
    } catch (error) {
      logger.warn({}, `The report that an earlier run began is corrupt, and is made again: ${messageOf(error)}.`);
    }
    return undefined;
  };

  const begin = async (): Promise<RecordReport | undefined> => {
    const report = await aggregate(REPORT_LIMITS);
    if (report.files.length === 0) return undefined;
    const json = toJson(EnvelopeSchema, report.envelope, { useProtoFieldName: true });
    await dir.writePending({ files: report.files, report: json });
    return report;
  };

  const stored = new Set<string>();
  let rejection: SpartakusError | undefined;
  let isFirst = true;
  let current: RecordReport | undefined;
  return {
    aggregate,
    next: async (after) => {
      // The next pass sends the rest of a report in the same report again.
      if (current !== undefined) return after === undefined ? current.files : [];
      if (isFirst) current = await resume();
      isFirst = false;
      current ??= await begin();
      return current?.files ?? [];
    },
    send: async () => (current === undefined ? [] : ((await sink?.put(current.envelope)) ?? [])),
    isFinal: ({ kind }) => RECORD_ERRORS.has(kind),
    settle: async (settled) => {
      const rejected = settled.flatMap(({ item, outcome }) =>
        outcome.status === 'failed' ? [{ item, error: outcome.error }] : [],
      );
      const before = stored.size;
      for (const { item, outcome } of settled) {
        if (outcome.status === 'failed') continue;
        await dir.remove(item);
        stored.add(item);
      }
      if (settled.length !== current?.files.length) return stored.size - before;
      // Where several records are rejected together, the error does not name the cause.
      const isWhole = rejected.length > 1 && rejected.length === settled.length;
      for (const { item } of rejected) (isWhole ? alone : skipped).add(item);
      if (!isWhole) rejection = rejected[0]?.error ?? rejection;
      await dir.removePending();
      current = undefined;
      return settled.length;
    },
    stored: () => stored.size,
    rejection: () => rejection,
  };
}
