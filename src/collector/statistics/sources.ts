import type { DescMessage } from '@bufbuild/protobuf';
import type { Document } from 'mongodb';
import { RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { ClusterId } from './cluster-document.ts';

export interface Source {
  readonly collection: string;
  readonly schema: DescMessage;
  /** Of the cluster id or client UUID; those that count have one. */
  readonly idField: string;
  /** Those that count: neither in quarantine nor without an id, which old clients may omit. */
  readonly counted: Document;
  /** The expression of the id in `clusters`. */
  readonly clusterId: unknown;
  /** The id in `clusters` of a cluster id or client UUID. */
  readonly clusterIdOf: (id: string) => ClusterId;
}

export const SOURCES: readonly Source[] = [
  sourceOf('reports', ReportSchema, 'clusterID', (id) => id),
  sourceOf('kubermaticRecords', RecordSchema, 'clientUUID', (id) => ({ kubermatic: id })),
];

function sourceOf(
  collection: string,
  schema: DescMessage,
  idField: string,
  clusterIdOf: Source['clusterIdOf'],
): Source {
  const counted = { quarantined: { $exists: false }, [idField]: { $gt: '' }, facts: { $exists: true } };
  return { collection, schema, idField, counted, clusterId: clusterIdOf(`$${idField}`), clusterIdOf };
}
