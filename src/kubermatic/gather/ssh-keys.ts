import { create } from '@bufbuild/protobuf';
import { type SSHKey, SSHKeySchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubeClient } from '../../kubernetes/client.ts';
import { listAt, textAt } from '../../kubernetes/json.ts';
import type { UuidMaker } from '../../report/ids.ts';
import { KUBERMATIC_API, listCustomResources } from './custom-resources.ts';

/** The SSH keys of users: whose they are and what they open, and nothing of the keys themselves. */
export function listSshKeys(kube: KubeClient, uuidOf: UuidMaker): Promise<readonly SSHKey[]> {
  return listCustomResources(kube, `${KUBERMATIC_API}/usersshkeys`, (object): SSHKey | undefined => {
    const name = textAt(object, 'metadata', 'name');
    if (name === undefined) return undefined;
    return create(SSHKeySchema, {
      uuid: uuidOf('ssh key', name),
      ownerProjectUuid: ownersOf(object).map((project) => uuidOf('project', project)),
      clusterUuids: listAt(object, 'spec', 'clusters').flatMap((cluster) =>
        typeof cluster === 'string' && cluster !== '' ? [uuidOf('cluster', cluster)] : [],
      ),
    });
  });
}

/** The projects that own a key. Its owner references come a moment after it, and until then its own word for it counts. */
function ownersOf(object: unknown): readonly string[] {
  const owners = listAt(object, 'metadata', 'ownerReferences').flatMap((owner) =>
    textAt(owner, 'kind') === 'Project' ? (textAt(owner, 'name') ?? []) : [],
  );
  return owners.length > 0 ? owners : [textAt(object, 'spec', 'project') ?? []].flat();
}
