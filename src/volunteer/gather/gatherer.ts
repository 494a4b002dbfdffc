import type { Report } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import type { NodeIdentifier } from '../../report/ids.ts';
import type { Tolerance } from './missing-fields.ts';
import type { ResourceSummaries } from './resource-summaries.ts';

export interface GatherContext {
  readonly kube: KubernetesClient;
  readonly summarize: ResourceSummaries;
  readonly identify: NodeIdentifier;
  readonly pageSize?: number;
  /** --exact-quantities */
  readonly exactQuantities?: boolean;
}

/** Reads one field of a report from the Kubernetes API. */
export interface Gatherer {
  readonly path: string;
  readonly tolerance: Tolerance;
  /** Sets the field, or rejects with a SpartakusError and leaves the report unchanged. */
  readonly gather: (report: Report, context: GatherContext) => Promise<void>;
}
