import type { KubeClient } from '../../kubernetes/client.ts';
import {
  createKubermaticUuids,
  createLegacyKubermaticUuid,
  createLegacyNodeId,
  createNodeIdentifier,
  type NodeIdentifier,
  type UuidMaker,
} from '../../report/ids.ts';
import { readKey } from '../../volunteer/gather/cluster-key.ts';

/** How the ids in a record are made. */
export interface RecordKeyConfig {
  /** --uuid: `hmac` is keyed, `md5` is that of Kubermatic's own agents, which can be guessed. */
  readonly uuid: 'hmac' | 'md5';
  /** --id-key-file: a file whose content is the key, in place of the uid of kube-system. */
  readonly idKeyFile?: string;
}

/** What makes ids, with a key that is read now and never leaves the cluster. Rejects with a SpartakusError as readKey does. */
export async function createIdentifiers(
  kube: KubeClient,
  config: RecordKeyConfig,
): Promise<{ readonly uuidOf: UuidMaker; readonly nodeIdOf: NodeIdentifier }> {
  if (config.uuid === 'md5')
    return { uuidOf: (_kind, name) => createLegacyKubermaticUuid(name), nodeIdOf: createLegacyNodeId };
  const key = await readKey(kube, { clusterId: '', idKeyFile: config.idKeyFile });
  return { uuidOf: createKubermaticUuids(key), nodeIdOf: createNodeIdentifier(key) };
}
