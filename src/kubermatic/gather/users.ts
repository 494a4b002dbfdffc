import { create } from '@bufbuild/protobuf';
import { type Record as KubermaticRecord, UserSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { flagAt } from '../../kubernetes/json.ts';
import type { UuidMaker } from '../../report/ids.ts';
import { listKubermaticObjects } from './custom-resources.ts';

/**
 * Counts the users, including service accounts, and lists them if there is a `uuidOf`. Whole objects are requested, because their metadata
 * does not say who is an administrator; only `.spec.admin` is read of them, and the name if they are listed. Names are unkeyed hashes of
 * e-mail addresses.
 */
export async function gatherUsers(
  kube: KubernetesClient,
  uuidOf: UuidMaker | undefined,
): Promise<Pick<KubermaticRecord, 'userCount' | 'administratorCount' | 'users'>> {
  const users = await listKubermaticObjects(kube, 'users', (object, name) => ({
    isAdmin: flagAt(object, 'spec', 'admin') ?? false,
    uuid: uuidOf?.('user', name),
  }));
  return {
    userCount: users.length,
    administratorCount: users.filter(({ isAdmin }) => isAdmin).length,
    users: users.flatMap(({ uuid, isAdmin }) => (uuid === undefined ? [] : [create(UserSchema, { uuid, isAdmin })])),
  };
}
