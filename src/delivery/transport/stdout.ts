import type { Writable } from 'node:stream';
import { toJsonString } from '@bufbuild/protobuf';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { Outcome, ReportEntry, ReportSink } from '../../report/report-sink.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import { createPending } from '../../runtime/pending.ts';

/** As the original printed it. */
const INDENT_SPACES = 4;

/**
 * Prints each report instead of sending it: its protobuf JSON, every field that would be sent and no other. A report counts as stored
 * once the stream has taken it. The stream is not closed.
 */
export function openStdoutSink(stream: Writable): ReportSink {
  const pending = createPending();
  // A closed pipe is told to who writes, and once more as an event: without a listener that ends the program.
  stream.on('error', () => undefined);
  const print = async (entry: ReportEntry): Promise<Outcome> => {
    try {
      await write(stream, `${toJsonString(ReportSchema, entry.report, { prettySpaces: INDENT_SPACES })}\n`);
      return { status: 'stored' };
    } catch (error) {
      return {
        status: 'failed',
        error: new SpartakusError('unavailable', `The report cannot be printed: ${messageOf(error)}.`),
      };
    }
  };
  return { put: (entries) => pending.add(Promise.all(entries.map(print))), close: () => pending.settled() };
}

/** Resolves once the text is written, so that a slow reader slows the writer. */
function write(stream: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
