import { StatusSchema } from '../../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import {
  JSON_TYPE,
  type KubernetesResponse,
  METADATA_LIST_TYPE,
  METADATA_TYPE,
  PROTOBUF_TYPE,
  readJson,
  readProtobuf,
} from '../../kubernetes/response.ts';
import type { PolicyRule } from '../../report/cluster-role.ts';
import { messageOf } from '../../runtime/errors.ts';
import { type GatherConfig, selectFields } from '../gather/gather.ts';
import { KUBE_SYSTEM_PATH } from '../gather/id-key-secret.ts';
import { listRequiredRules } from '../gather/rbac-rules.ts';
import { type Check, fail, ok, warn } from './check.ts';

interface Probe {
  readonly name: string;
  readonly target: string;
  readonly accept: string;
  /** Whether no report is made without the permission. */
  readonly isRequired: boolean;
}

/**
 * Checks the connection to the Kubernetes API, and each permission that the configuration needs, with the requests of a report, limited to
 * one object. A SelfSubjectAccessReview would need a permission itself, and would not detect a proxy that rejects the requests.
 */
export async function* checkKubernetes(kube: KubernetesClient, config: GatherConfig): AsyncGenerator<Check> {
  const probes = listRequiredRules(config, selectFields(config)).map(probeOf);
  const isAllowed: boolean[] = [];
  for (const probe of probes) {
    let response: KubernetesResponse;
    try {
      response = await kube.get(probe.target, probe.accept);
    } catch (error) {
      yield fail('Kubernetes API', messageOf(error));
      return;
    }
    if (response.status === 401) {
      yield fail('Kubernetes API', problemOf(response));
      return;
    }
    if (isAllowed.length === 0) yield ok('Kubernetes API', 'it responds, and the credentials are valid');
    isAllowed.push(response.status === 200);
    if (response.status === 200) yield ok(probe.name, 'permitted');
    else if (probe.isRequired || response.status !== 403)
      yield (probe.isRequired ? fail : warn)(probe.name, problemOf(response));
    else yield warn(probe.name, `${problemOf(response)} Without it the report has "not permitted" there.`);
  }
  if (probes.length > 0 && !isAllowed.includes(true))
    yield fail('Kubernetes rights', 'nothing of the cluster can be read, so no report is made');
}

function probeOf(rule: PolicyRule): Probe {
  if ('nonResourceURLs' in rule) {
    const path = rule.nonResourceURLs.join();
    return { name: `get ${path}`, target: path, accept: JSON_TYPE, isRequired: false };
  }
  const [group] = rule.apiGroups;
  const resource = rule.resources.join();
  if (rule.resourceNames !== undefined) {
    const name = `get ${resource} ${rule.resourceNames.join()}`;
    return { name, target: KUBE_SYSTEM_PATH, accept: METADATA_TYPE, isRequired: true };
  }
  return {
    name: `list ${resource}`,
    target: `${group === '' ? '/api/v1' : `/apis/${group}/v1`}/${resource}?limit=1`,
    accept: resource === 'nodes' ? PROTOBUF_TYPE : METADATA_LIST_TYPE,
    isRequired: false,
  };
}

/** The error of a gatherer for this response. */
function problemOf(response: KubernetesResponse): string {
  try {
    if (response.contentType.startsWith(JSON_TYPE)) readJson(response);
    else readProtobuf(response, StatusSchema);
    return 'permitted';
  } catch (error) {
    return messageOf(error);
  }
}
