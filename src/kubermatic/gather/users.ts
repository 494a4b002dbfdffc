import { create } from '@bufbuild/protobuf';
import { type User, UserSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubeClient } from '../../kubernetes/client.ts';
import { flagAt, textAt } from '../../kubernetes/json.ts';
import type { UuidMaker } from '../../report/ids.ts';
import { KUBERMATIC_API, listCustomResources } from './custom-resources.ts';

/** The users, service accounts among them. A user's name is a hash of the e-mail address, and so it is hashed with a key once more. */
export function listUsers(kube: KubeClient, uuidOf: UuidMaker): Promise<readonly User[]> {
  return listCustomResources(kube, `${KUBERMATIC_API}/users`, (object): User | undefined => {
    const name = textAt(object, 'metadata', 'name');
    return name === undefined
      ? undefined
      : create(UserSchema, { uuid: uuidOf('user', name), isAdmin: flagAt(object, 'spec', 'admin') ?? false });
  });
}
