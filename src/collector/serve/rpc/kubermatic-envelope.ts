import type { Envelope } from '../../../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { Protocol } from '../../ingest/hooks.ts';
import type { Accepted, Ingest } from '../../ingest/ingest.ts';
import { readEnvelope } from '../../legacy/kubermatic.ts';
import type { Peer } from '../admission/request-origin.ts';

export interface EnvelopeOptions {
  readonly ingest: Ingest;
  /** See KubermaticOptions in legacy/kubermatic.ts. */
  readonly keepCountry: boolean;
  readonly caller: Peer & { readonly protocol: Protocol };
}

/** What became of one record. */
export type RecordOutcome = Accepted | { readonly reportId: string; readonly error: SpartakusError };

/**
 * Stores the records of an envelope of Kubermatic's, and answers what became of each, in their order.
 *
 * @throws SpartakusError of kind `invalid` with the field that is wrong; nothing is stored then
 */
export async function acceptEnvelope(
  envelope: Envelope | undefined,
  options: EnvelopeOptions,
): Promise<readonly RecordOutcome[]> {
  const { ingest, keepCountry, caller } = options;
  if (envelope === undefined) throw new SpartakusError('invalid', 'envelope is required', { field: 'envelope' });
  if (envelope.clientUuid.trim() === '') {
    throw new SpartakusError(
      'invalid',
      'envelope.clientUUID is required: a text that tells this installation from others, such as a random UUID',
      { field: 'envelope.clientUUID' },
    );
  }
  const { reports, records, country } = readEnvelope(
    envelope,
    { keepCountry },
    (index) => `envelope.records[${index}].`,
  );
  const [nextReport, nextRecord] = [reports.values(), records.values()];
  const { protocol, ...peer } = caller;
  const sender = { ...peer, country, via: { protocol, dialect: 'kubermatic' } as const };
  const settle = async (
    holder: { readonly reportId: string },
    accepting: Promise<Accepted>,
  ): Promise<RecordOutcome> => {
    try {
      return await accepting;
    } catch (error) {
      return { reportId: holder.reportId, error: SpartakusError.from(error) };
    }
  };
  return await Promise.all(
    envelope.records.map(({ kind }) => {
      if (kind === 'kubernetes') {
        const report = nextReport.next().value;
        if (report !== undefined) return settle(report, ingest.accept(report, { requireClusterId: true, ...sender }));
      }
      const record = nextRecord.next().value;
      if (record === undefined) throw new TypeError('Every record of an envelope becomes a report or a record.');
      return settle(record, ingest.acceptKubermatic(record, sender));
    }),
  );
}
