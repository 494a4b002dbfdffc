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
  /** Whether no report is made without the right. */
  readonly isRequired: boolean;
}

/**
 * Checks the connection to the Kubernetes API, and each right that the configuration needs, with the requests of a report and a limit of
 * one object. (A SelfSubjectAccessReview would need a right of its own, and would not check what is between it and the API server.)
 */
export async function* checkKubernetes(kube: KubernetesClient, config: GatherConfig): AsyncGenerator<Check> {
  const probes = listRequiredRules(config, selectFields(config)).map(probeOf);
  const isAllowed: boolean[] = [];
  let isReached = false;
  for (const probe of probes) {
    let answer: KubernetesResponse;
    try {
      answer = await kube.get(probe.target, probe.accept);
    } catch (error) {
      yield fail('Kubernetes API', messageOf(error));
      return;
    }
    if (answer.status === 401) {
      yield fail('Kubernetes API', problemOf(answer));
      return;
    }
    if (!isReached) yield ok('Kubernetes API', 'it answers, and the credentials are valid');
    isReached = true;
    isAllowed.push(answer.status === 200);
    if (answer.status === 200) yield ok(probe.name, 'permitted');
    else if (probe.isRequired || answer.status !== 403)
      yield (probe.isRequired ? fail : warn)(probe.name, problemOf(answer));
    else yield warn(probe.name, `${problemOf(answer)} Without it the report has "not permitted" there.`);
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
  if (rule.resourceNames !== undefined)
    return {
      name: `get ${resource} ${rule.resourceNames.join()}`,
      target: KUBE_SYSTEM_PATH,
      accept: METADATA_TYPE,
      isRequired: true,
    };
  return {
    name: `list ${resource}`,
    target: `${group === '' ? '/api/v1' : `/apis/${group}/v1`}/${resource}?limit=1`,
    accept: resource === 'nodes' ? PROTOBUF_TYPE : METADATA_LIST_TYPE,
    isRequired: false,
  };
}

/** The error of a gatherer for this response. */
function problemOf(answer: KubernetesResponse): string {
  try {
    if (answer.contentType.startsWith(JSON_TYPE)) readJson(answer);
    else readProtobuf(answer, StatusSchema);
    return 'permitted';
  } catch (error) {
    return messageOf(error);
  }
}
