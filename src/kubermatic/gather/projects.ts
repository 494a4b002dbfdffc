import { create } from '@bufbuild/protobuf';
import { type Project, ProjectSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubeClient } from '../../kubernetes/client.ts';
import { textAt } from '../../kubernetes/json.ts';
import type { UuidMaker } from '../../report/ids.ts';
import { KUBERMATIC_API, listCustomResources, METADATA_JSON_TYPE } from './custom-resources.ts';

/** The projects, of which no more is asked for than their metadata. */
export function listProjects(kube: KubeClient, uuidOf: UuidMaker): Promise<readonly Project[]> {
  const convert = (object: unknown): Project | undefined => {
    const name = textAt(object, 'metadata', 'name');
    return name === undefined ? undefined : create(ProjectSchema, { uuid: uuidOf('project', name) });
  };
  return listCustomResources(kube, `${KUBERMATIC_API}/projects`, convert, METADATA_JSON_TYPE);
}
