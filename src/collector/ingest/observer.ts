import type { Protocol, RequestOrigin } from '../../report/request-origin.ts';
import type { ErrorKind } from '../../runtime/errors.ts';

/** `report` is the schema's own; the others are legacy JSON. */
export type Dialect = 'report' | 'spartakus' | 'coreos' | 'kubermatic';

/** What was found about a cluster that is not in the cache; `quarantined` is a new one beyond the limit of its address. */
export const CLUSTER_LOOKUPS = ['known', 'new', 'quarantined'] as const;
export type ClusterLookup = (typeof CLUSTER_LOOKUPS)[number];

export type AcceptedStatus = 'stored' | 'duplicate';

export interface IngestObserver {
  onAnswer(protocol: Protocol, dialect: Dialect, outcome: AcceptedStatus | 'validated' | ErrorKind): void;
  /** The returned function is called when the write has ended. */
  onWrite(batch: { readonly items: number; readonly bytes: number }): () => void;
  /** So many fields that the schema does not have, by their number or by their type, were dropped from a report or record. */
  onUnknownFields(count: number): void;
  /** A valid report or record that names its cluster. `clusterKey` is a hash of the cluster id. */
  onCluster?(clusterKey: string, origin: RequestOrigin): void;
  onClusterLookup?(result: ClusterLookup): void;
  /** A report or record was stored in quarantine. */
  onQuarantined?(dialect: Dialect, origin: RequestOrigin): void;
}
