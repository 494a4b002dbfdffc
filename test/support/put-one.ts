import type { Outcome, ReportSink } from '../../src/report/report-sink.ts';
import type { SpartakusError } from '../../src/runtime/errors.ts';
import { makeReport } from '../contract/report-sink.ts';

/** What became of one report. */
export async function putOne(sink: ReportSink, report = makeReport()): Promise<Outcome> {
  const [outcome] = await sink.put([{ report }]);
  if (outcome === undefined) throw new Error('There is no outcome.');
  return outcome;
}

/** The error of one report that was not stored. */
export async function failOne(sink: ReportSink): Promise<SpartakusError> {
  const outcome = await putOne(sink);
  if (outcome.status !== 'failed') throw new Error(`The report is ${outcome.status}.`);
  return outcome.error;
}
