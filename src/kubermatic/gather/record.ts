import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Record as KubermaticRecord, RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { createRecordSelection, type RecordSelection } from '../../report/field-selection.ts';
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
import { createIdKeyReader, type IdKeyConfig } from '../../volunteer/gather/id-key.ts';
import { createMissingFields, type MissingFields } from '../../volunteer/gather/missing-fields.ts';

/** The version that Kubermatic's agents send since v0.3.0; this project adds fields to it. */
const RECORD_VERSION = 'v2';

/** Records are files, so the recipient is not known when ids are made. */
export const RECORD_ID_SCOPE = 'kubermatic';

/** The Secret with the key, in the namespace of the agents. */
export const RECORD_ID_SECRET = 'spartakus-kubermatic';

export interface RecordIdConfig extends Omit<IdKeyConfig, 'spoolDir'> {
  /** --agree: the newest schema version that the administrator agreed to; fields of later versions are not read. */
  readonly agree?: number;
  /** `hmac` is keyed; `md5` is that of Kubermatic's own agents, which can be guessed. */
  readonly uuid: 'hmac' | 'md5';
  /** --id-scope (default: "kubermatic"): ids of one scope cannot be joined with those of another. */
  readonly idScope?: string;
  /** --exact-quantities, of nodes (default: two significant digits) */
  readonly exactQuantities?: boolean;
}

export interface RecordOptions {
  readonly kube: KubernetesClient;
  readonly now: Date;
  readonly randomBytes: (length: number) => Uint8Array;
  /** For the waits before retries. */
  readonly randomNumber?: () => number;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Closes the clients of other clusters. */
  readonly signal: AbortSignal;
}

export interface RecordDraft {
  readonly record: KubermaticRecord;
  readonly selection: RecordSelection;
  readonly missing: MissingFields;
  readonly uuidOf: UuidMaker;
  readonly identify: NodeIdentifier;
}

/** Reads the key of ids, and begins a record. Rejects with a SpartakusError where the key cannot be read. */
export async function beginRecord(
  kind: 'kubernetes' | 'kubermatic',
  config: RecordIdConfig,
  { kube, logger, now, randomBytes }: RecordOptions,
): Promise<RecordDraft> {
  const record = create(RecordSchema, {
    kind,
    version: RECORD_VERSION,
    time: timestampFromDate(startOfHour(now)),
    reportId: createCoarseReportId(now, 1, randomBytes(16)),
  });
  const selection = createRecordSelection(config.agree);
  const draft = { record, selection, missing: createMissingFields(kube, logger) };
  if (config.uuid === 'md5')
    return { ...draft, uuidOf: (_kind, name) => createLegacyKubermaticUuid(name), identify: createLegacyNodeId };
  const secret = await createIdKeyReader(config, { kube, randomBytes, logger })();
  const context = { secret, clusterId: '', scope: config.idScope ?? RECORD_ID_SCOPE };
  return { ...draft, uuidOf: createKubermaticUuids(context), identify: createNodeIdentifier(context, 'agent-node-id') };
}
