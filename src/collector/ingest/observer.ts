import type { Protocol } from '../../report/request-origin.ts';
import type { ErrorKind } from '../../runtime/errors.ts';

/** The format of a submission: the schema's own messages, or the JSON of an ancestor. */
export type Dialect = 'report' | 'spartakus' | 'coreos' | 'kubermatic';

/** The events of an ingest, for metrics. */
export interface IngestObserver {
  /** A report or record was answered: stored, a duplicate, or rejected with an error of this kind. */
  onAnswer(protocol: Protocol, dialect: Dialect, outcome: 'stored' | 'duplicate' | ErrorKind): void;
  /** A write of so many items and bytes begins; the returned function is called when it has ended. */
  onWrite(batch: { readonly items: number; readonly bytes: number }): () => void;
  /** So many protobuf fields that the schema does not have were dropped from a report or record. */
  onUnknownFields(count: number): void;
}
