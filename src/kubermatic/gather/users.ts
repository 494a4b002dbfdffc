import { create } from '@bufbuild/protobuf';
import { type User, UserSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { flagAt } from '../../kubernetes/json.ts';
import type { UuidMaker } from '../../report/ids.ts';
import { listKubermaticObjects } from './custom-resources.ts';

/** Lists the users, including service accounts. Their names are unkeyed hashes of e-mail addresses. */
export function listUsers(kube: KubernetesClient, uuidOf: UuidMaker): Promise<User[]> {
  return listKubermaticObjects(kube, 'users', (object, name) =>
    create(UserSchema, { uuid: uuidOf('user', name), isAdmin: flagAt(object, 'spec', 'admin') ?? false }),
  );
}
