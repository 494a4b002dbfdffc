import { create } from '@bufbuild/protobuf';
import { type SSHKey, SSHKeySchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { listAt, textAt } from '../../kubernetes/json.ts';
import type { UuidMaker } from '../../report/ids.ts';
import { listKubermaticObjects } from './custom-resources.ts';

/** Without key material. */
export function listSshKeys(kube: KubernetesClient, uuidOf: UuidMaker): Promise<SSHKey[]> {
  return listKubermaticObjects(kube, 'usersshkeys', (object, name) =>
    create(SSHKeySchema, {
      uuid: uuidOf('ssh key', name),
      ownerProjectUuid: ownersOf(object).map((project) => uuidOf('project', project)),
      clusterUuids: listAt(object, 'spec', 'clusters').flatMap((cluster) =>
        typeof cluster === 'string' && cluster !== '' ? [uuidOf('cluster', cluster)] : [],
      ),
    }),
  );
}

/** The projects that own a key: its owner references, and `.spec.project` until Kubermatic has set them. */
function ownersOf(object: unknown): readonly string[] {
  const owners = listAt(object, 'metadata', 'ownerReferences').flatMap((owner) =>
    textAt(owner, 'kind') === 'Project' ? (textAt(owner, 'name') ?? []) : [],
  );
  return owners.length > 0 ? owners : [textAt(object, 'spec', 'project') ?? []].flat();
}
