import { create } from '@bufbuild/protobuf';
import { type Project, ProjectSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { METADATA_LIST_JSON_TYPE } from '../../kubernetes/response.ts';
import type { UuidMaker } from '../../report/ids.ts';
import { listKubermaticObjects } from './custom-resources.ts';

/** Lists the projects. Only their metadata is requested. */
export function listProjects(kube: KubernetesClient, uuidOf: UuidMaker): Promise<Project[]> {
  const convert = (_object: unknown, name: string): Project => create(ProjectSchema, { uuid: uuidOf('project', name) });
  return listKubermaticObjects(kube, 'projects', convert, METADATA_LIST_JSON_TYPE);
}
