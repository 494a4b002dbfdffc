import type { Protocol } from '../../report/request-origin.ts';
import type { ErrorKind } from '../../runtime/errors.ts';

/** `report` is the schema's own; the others are legacy JSON. */
export type Dialect = 'report' | 'spartakus' | 'coreos' | 'kubermatic';

export interface IngestObserver {
  onAnswer(protocol: Protocol, dialect: Dialect, outcome: 'stored' | 'duplicate' | ErrorKind): void;
  /** The returned function is called when the write has ended. */
  onWrite(batch: { readonly items: number; readonly bytes: number }): () => void;
  /** So many fields that the schema does not have, by their number or by their type, were dropped from a report or record. */
  onUnknownFields(count: number): void;
}
