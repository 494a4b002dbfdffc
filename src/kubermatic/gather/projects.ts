import { create } from '@bufbuild/protobuf';
import { ProjectSchema, type Record as KubermaticRecord } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { METADATA_LIST_JSON_TYPE } from '../../kubernetes/response.ts';
import type { UuidMaker } from '../../report/ids.ts';
import { listKubermaticObjects } from './custom-resources.ts';

/** Counts the projects, and lists them if there is a `uuidOf`. Only their metadata is requested. */
export async function gatherProjects(
  kube: KubernetesClient,
  uuidOf: UuidMaker | undefined,
): Promise<Pick<KubermaticRecord, 'projectCount' | 'projects'>> {
  const read = (_object: unknown, name: string): string | undefined => uuidOf?.('project', name);
  const uuids = await listKubermaticObjects(kube, 'projects', read, METADATA_LIST_JSON_TYPE);
  return {
    projectCount: uuids.length,
    projects: uuids.flatMap((uuid) => (uuid === undefined ? [] : [create(ProjectSchema, { uuid })])),
  };
}
