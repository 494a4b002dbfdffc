import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Record as KubermaticRecord, RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubeClient } from '../../kubernetes/client.ts';
import { createReportId } from '../../report/report-id.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { createMissingRecord } from '../../volunteer/gather/missing.ts';
import { listNodes } from '../../volunteer/gather/nodes.ts';
import { readVersion } from '../../volunteer/gather/version.ts';
import { createIdentifiers, type RecordKeyConfig } from './record-identifiers.ts';

/** The record that Kubermatic's agents have made since v0.3.0, to which this project's add fields. */
const RECORD_VERSION = 'v2';

export interface RecordOptions {
  /** Reads this cluster. */
  readonly kube: KubeClient;
  /** The moment that the record is of. */
  readonly now: Date;
  /** 16 fresh random bytes for its id. */
  readonly random: Uint8Array;
  readonly logger: Logger;
  /** Counts what requests to other clusters wait for. */
  readonly clock?: Clock;
  /** Ends what is under way in other clusters. */
  readonly signal: AbortSignal;
}

/** A record of one kind without its content. */
export function beginRecord(
  kind: 'kubernetes' | 'kubermatic',
  { now, random }: Pick<RecordOptions, 'now' | 'random'>,
): KubermaticRecord {
  return create(RecordSchema, {
    kind,
    version: RECORD_VERSION,
    time: timestampFromDate(now),
    reportId: createReportId(now, random),
  });
}

/**
 * The record of this cluster itself: its version and its nodes.
 *
 * What may not be read is recorded. Rejects with a SpartakusError where ids cannot be made anonymous, where anything else goes wrong, and
 * where nothing may be read.
 */
export async function gatherKubernetesRecord(
  config: RecordKeyConfig,
  options: RecordOptions,
): Promise<KubermaticRecord> {
  const { kube, logger } = options;
  const record = beginRecord('kubernetes', options);
  const missing = createMissingRecord(kube, logger);
  const { nodeIdOf } = await createIdentifiers(kube, config);
  const version = await missing.attempt('kubernetesVersion', 'anything', () => readVersion(kube));
  const nodes = await missing.attempt('nodes[]', 'anything', () => listNodes(kube, { identify: nodeIdOf }));
  const failure = missing.totalFailure();
  if (failure !== undefined) throw failure;
  if (version !== undefined && version !== '') record.kubernetesVersion = version;
  record.nodes = [...(nodes ?? [])];
  record.missing = [...missing.missing];
  return record;
}
