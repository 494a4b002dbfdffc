import type { ErrorKind } from '../../runtime/errors.ts';

/** How something came. */
export const PROTOCOLS = ['connect', 'grpc', 'grpc-web', 'http'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** In whose words: the schema's own messages, or the JSON of an ancestor. */
export type Dialect = 'report' | 'spartakus' | 'coreos' | 'kubermatic';

/** How a report came, and in whose words. */
export interface Via {
  readonly protocol: Protocol;
  readonly dialect: Dialect;
}

/** What became of a report; a kind of error where it was not stored. */
export type ReportOutcome = 'stored' | 'duplicate' | ErrorKind;

/** What the ingest tells whoever counts. */
export interface IngestHooks {
  /** A report, or a record of another kind, has its answer. */
  onReport(via: Via, outcome: ReportOutcome): void;
  /** A write of so many items and bytes begins; what this answers is called when it has ended. */
  onWrite(batch: { readonly items: number; readonly bytes: number }): () => void;
}
