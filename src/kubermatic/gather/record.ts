import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Record as KubermaticRecord, RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import {
  createKubermaticUuids,
  createLegacyKubermaticUuid,
  createLegacyNodeId,
  createNodeIdentifier,
  type NodeIdentifier,
  type UuidMaker,
} from '../../report/ids.ts';
import { createCoarseReportId, startOfHour } from '../../report/report-id.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { readKey } from '../../volunteer/gather/id-key.ts';
import { createMissingFields, type MissingFields } from '../../volunteer/gather/missing-fields.ts';

/** The version that Kubermatic's agents send since v0.3.0; this project adds fields to it. */
const RECORD_VERSION = 'v2';

export interface RecordIdConfig {
  /** `hmac` is keyed; `md5` is that of Kubermatic's own agents, which can be guessed. */
  readonly uuid: 'hmac' | 'md5';
  readonly idKeyFile?: string;
  /** --exact-quantities, of nodes (default: two significant digits) */
  readonly exactQuantities?: boolean;
}

export interface RecordOptions {
  readonly kube: KubernetesClient;
  readonly now: Date;
  /** 16 fresh random bytes. */
  readonly random: Uint8Array;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Closes the clients of other clusters. */
  readonly signal: AbortSignal;
}

export interface RecordDraft {
  readonly record: KubermaticRecord;
  readonly missing: MissingFields;
  readonly uuidOf: UuidMaker;
  readonly identify: NodeIdentifier;
}

/** Begins a record. Rejects as {@link readKey}. */
export async function beginRecord(
  kind: 'kubernetes' | 'kubermatic',
  config: RecordIdConfig,
  { kube, logger, now, random }: RecordOptions,
): Promise<RecordDraft> {
  const record = create(RecordSchema, {
    kind,
    version: RECORD_VERSION,
    time: timestampFromDate(startOfHour(now)),
    reportId: createCoarseReportId(now, 1, random),
  });
  const draft = { record, missing: createMissingFields(kube, logger) };
  if (config.uuid === 'md5')
    return { ...draft, uuidOf: (_kind, name) => createLegacyKubermaticUuid(name), identify: createLegacyNodeId };
  const key = await readKey(kube, config);
  return { ...draft, uuidOf: createKubermaticUuids(key), identify: createNodeIdentifier(key) };
}
