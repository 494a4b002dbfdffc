import type { Writable } from 'node:stream';
import { toJsonString } from '@bufbuild/protobuf';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { Outcome, ReportEntry, ReportSink } from '../../report/report-sink.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import { createSink } from './sink.ts';

/** Prints each report as protobuf JSON with the fields that would be sent, indented as in the original. Does not close the stream. */
export function openStdoutSink(stream: Writable): ReportSink {
  // A closed pipe fails the write and emits 'error', which without a listener would end the program.
  stream.on('error', () => undefined);
  const print = async (entry: ReportEntry): Promise<Outcome> => {
    try {
      await write(stream, `${toJsonString(ReportSchema, entry.report, { prettySpaces: 4 })}\n`);
      return { status: 'stored' };
    } catch (error) {
      const message = `The report cannot be printed: ${messageOf(error)}.`;
      return { status: 'failed', error: new SpartakusError('unavailable', message) };
    }
  };
  return createSink({
    send: (entries) => Promise.all(entries.map(print)),
    count: (entries) => entries.length,
    close: () => undefined,
  });
}

/** Resolves once the text is written, so that a slow reader slows down the writer. */
export function write(stream: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
