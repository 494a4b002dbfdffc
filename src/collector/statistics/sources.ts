import type { DescMessage } from '@bufbuild/protobuf';
import type { Document } from 'mongodb';
import { RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { ClusterId } from './cluster-document.ts';

/** A collection of raw documents that statistics count. */
export interface Source {
  readonly collection: string;
  readonly schema: DescMessage;
  /** Of the cluster id or client UUID; those that count have one. */
  readonly idField: string;
  /** Those that count: neither in quarantine nor without an id, which old clients may omit. */
  readonly counted: Document;
  /** The expression of the id in `clusters`. */
  readonly clusterId: unknown;
  /** The filter of the raw documents of a cluster id or client UUID, and its id in `clusters`. */
  readonly filterOf: (id: string) => Document;
  readonly clusterIdOf: (id: string) => ClusterId;
}

export const SOURCES: readonly Source[] = [
  {
    collection: 'reports',
    schema: ReportSchema,
    idField: 'clusterID',
    counted: countedIn('clusterID'),
    clusterId: '$clusterID',
    filterOf: (id) => ({ clusterID: id }),
    clusterIdOf: (id) => id,
  },
  {
    collection: 'kubermaticRecords',
    schema: RecordSchema,
    idField: 'clientUUID',
    counted: countedIn('clientUUID'),
    clusterId: { kubermatic: '$clientUUID' },
    filterOf: (id) => ({ clientUUID: id }),
    clusterIdOf: (id) => ({ kubermatic: id }),
  },
];

function countedIn(idField: string): Document {
  return { quarantined: { $exists: false }, [idField]: { $gt: '' }, facts: { $exists: true } };
}
