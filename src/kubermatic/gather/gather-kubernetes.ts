import type { Record as KubermaticRecord } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { sortNodes } from '../../report/assemble.ts';
import { listNodes } from '../../volunteer/gather/nodes.ts';
import { readVersion } from '../../volunteer/gather/version.ts';
import { beginRecord, type RecordIdConfig, type RecordOptions } from './record.ts';

/** Makes the record of this cluster, and reads only what was agreed to. Rejects with a SpartakusError where both permissions are missing, and for other errors. */
export async function gatherKubernetesRecord(
  config: RecordIdConfig,
  options: RecordOptions,
): Promise<KubermaticRecord> {
  const { kube } = options;
  const { exactQuantities } = config;
  const { record, selection, missing, identify } = await beginRecord('kubernetes', config, options);
  if (selection.has('kubernetesVersion'))
    record.kubernetesVersion = await missing.attempt('kubernetesVersion', 'forbidden', () => readVersion(kube));
  if (selection.has('nodes[]'))
    record.nodes =
      (await missing.attempt('nodes[]', 'forbidden', () => listNodes(kube, identify, { exactQuantities }))) ?? [];
  sortNodes(record.nodes);
  missing.throwIfAllFailed();
  record.missing = missing.list;
  selection.trim(record);
  return record;
}
