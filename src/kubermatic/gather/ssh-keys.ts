import { create } from '@bufbuild/protobuf';
import {
  type Record as KubermaticRecord,
  type SSHKey,
  SSHKeySchema,
} from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { listAt, textAt } from '../../kubernetes/json.ts';
import { JSON_TYPE, METADATA_LIST_JSON_TYPE } from '../../kubernetes/response.ts';
import type { UuidMaker } from '../../report/ids.ts';
import { listKubermaticObjects } from './custom-resources.ts';

/**
 * Counts the SSH keys of users, and lists them if there is a `uuidOf`, without key material. To count them, only their metadata is
 * requested.
 *
 * @param withProjects whether listed keys name the projects that own them
 */
export async function gatherSshKeys(
  kube: KubernetesClient,
  uuidOf: UuidMaker | undefined,
  withProjects: boolean,
): Promise<Pick<KubermaticRecord, 'sshKeyCount' | 'projectSshKeyCount' | 'sshKeys'>> {
  const keys = await listKubermaticObjects(
    kube,
    'usersshkeys',
    (object, name) => ({
      hasProject: ownersOf(object).length > 0,
      key: uuidOf === undefined ? undefined : convert(object, name, uuidOf, withProjects),
    }),
    uuidOf === undefined ? METADATA_LIST_JSON_TYPE : JSON_TYPE,
  );
  return {
    sshKeyCount: keys.length,
    projectSshKeyCount: keys.filter(({ hasProject }) => hasProject).length,
    sshKeys: keys.flatMap(({ key }) => key ?? []),
  };
}

function convert(object: unknown, name: string, uuidOf: UuidMaker, withProjects: boolean): SSHKey {
  const owners = ownersOf(object);
  // Kubermatic sets the owner reference some time after `.spec.project`.
  const projects = owners.length > 0 ? owners : [textAt(object, 'spec', 'project') ?? []].flat();
  const clusters = listAt(object, 'spec', 'clusters').filter((cluster) => typeof cluster === 'string');
  return create(SSHKeySchema, {
    uuid: uuidOf('ssh key', name),
    ownerProjectUuid: withProjects ? projects.map((project) => uuidOf('project', project)).toSorted() : [],
    clusterUuids: clusters.flatMap((cluster) => (cluster === '' ? [] : uuidOf('cluster', cluster))).toSorted(),
  });
}

/** The names of the projects in the owner references of a key. */
function ownersOf(object: unknown): readonly string[] {
  return listAt(object, 'metadata', 'ownerReferences').flatMap((owner) =>
    textAt(owner, 'kind') === 'Project' ? (textAt(owner, 'name') ?? []) : [],
  );
}
