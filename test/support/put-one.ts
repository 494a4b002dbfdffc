import type { Outcome, ReportSink } from '../../src/report/report-sink.ts';
import type { SpartakusError } from '../../src/runtime/errors.ts';
import { makeReport } from './reports.ts';

/** Resolves with the outcome of one report. */
export async function putOne(sink: ReportSink, report = makeReport()): Promise<Outcome> {
  const [outcome] = await sink.put([{ report }]);
  if (outcome === undefined) throw new Error('There is no outcome.');
  return outcome;
}

/** Resolves with the error of one report that is not stored. */
export async function failOne(sink: ReportSink): Promise<SpartakusError> {
  const outcome = await putOne(sink);
  if (outcome.status !== 'failed') throw new Error(`The report is ${outcome.status}.`);
  return outcome.error;
}
