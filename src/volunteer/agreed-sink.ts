import type { FieldSelection } from '../report/field-selection.ts';
import type { Outcome, ReportEntry, ReportSink } from '../report/report-sink.ts';
import { dropUnknownFields } from '../report/unknown-fields.ts';
import { messageOf, SpartakusError } from '../runtime/errors.ts';

/**
 * Trims reports that an earlier run left in the spool to the fields that are selected now: an administrator who lowers --agree, or omits a
 * field, does not want it sent. Reports of this run are trimmed when they are gathered, and are passed on without decoding them.
 *
 * @param made the ids of the reports of this run; those that are stored are removed
 */
export function createAgreedSink(sink: ReportSink, selection: FieldSelection, made: Set<string>): ReportSink {
  const prepare = (entry: ReportEntry): ReportEntry => {
    if (entry.encoded !== undefined && made.has(entry.encoded.reportId)) return entry;
    const { report } = entry;
    dropUnknownFields(report);
    selection.trim(report);
    return { report };
  };

  return {
    put: async (entries) => {
      const outcomes: Outcome[] = [];
      const prepared: { readonly index: number; readonly entry: ReportEntry }[] = [];
      for (const [index, entry] of entries.entries()) {
        try {
          prepared.push({ index, entry: prepare(entry) });
        } catch (error) {
          const message = `The report in the spool cannot be decoded: ${messageOf(error)}.`;
          outcomes[index] = { status: 'failed', error: new SpartakusError('invalid', message) };
        }
      }
      const results = await sink.put(prepared.map(({ entry }) => entry));
      for (const [position, { index, entry }] of prepared.entries()) {
        const outcome = results[position] as Outcome;
        outcomes[index] = outcome;
        if (outcome.status !== 'failed') made.delete(entry.encoded?.reportId ?? '');
      }
      return outcomes;
    },
    close: () => sink.close(),
  };
}
