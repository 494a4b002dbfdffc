import { StatusSchema } from '../../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import type { KubeClient } from '../../kubernetes/client.ts';
import { JSON_TYPE, type KubeAnswer, PROTOBUF_TYPE, readJson, readProtobuf } from '../../kubernetes/response.ts';
import type { PolicyRule } from '../../report/collected.ts';
import { messageOf } from '../../runtime/errors.ts';
import { KEY_PATH, KEY_TYPE } from '../gather/cluster-key.ts';
import { type GatherConfig, selectFields } from '../gather/gather.ts';
import { listRights } from '../gather/rights.ts';
import { METADATA_LIST_TYPE } from '../gather/summaries.ts';
import { type Check, fail, ok, warn } from './check.ts';

/** The request by which a right is tried. */
interface Probe {
  readonly name: string;
  readonly target: string;
  readonly accept: string;
  /** Whether there is no report without it. */
  readonly isVital: boolean;
}

/**
 * Tries the credentials to Kubernetes, and each right that these flags take, by the very requests that a report makes, with a limit of one
 * object. (A SelfSubjectAccessReview would ask for a right of its own, and say nothing of what stands in between.)
 */
export async function* checkKubernetes(kube: KubeClient, config: GatherConfig): AsyncGenerator<Check> {
  const probes = listRights(config, selectFields(config)).map(probeOf);
  const isAllowed: boolean[] = [];
  let isReached = false;
  for (const probe of probes) {
    let answer: KubeAnswer;
    try {
      answer = await kube.get(probe.target, probe.accept);
    } catch (error) {
      yield fail('Kubernetes API', messageOf(error));
      return;
    }
    if (answer.status === 401) {
      yield fail('Kubernetes API', refusalOf(answer));
      return;
    }
    if (!isReached) yield ok('Kubernetes API', 'it answers, and knows who asks');
    isReached = true;
    isAllowed.push(answer.status === 200);
    if (answer.status === 200) yield ok(probe.name, 'permitted');
    else if (probe.isVital || answer.status !== 403) yield (probe.isVital ? fail : warn)(probe.name, refusalOf(answer));
    else yield warn(probe.name, `${refusalOf(answer)} Without it the report says "not permitted" there.`);
  }
  if (probes.length > 0 && !isAllowed.includes(true))
    yield fail('Kubernetes rights', 'nothing can be read of the cluster, so there is no report');
}

function probeOf(rule: PolicyRule): Probe {
  if ('nonResourceURLs' in rule) {
    const path = rule.nonResourceURLs.join();
    return { name: `get ${path}`, target: path, accept: JSON_TYPE, isVital: false };
  }
  const [group] = rule.apiGroups;
  const resource = rule.resources.join();
  if (rule.resourceNames !== undefined)
    return { name: `get ${resource} ${rule.resourceNames.join()}`, target: KEY_PATH, accept: KEY_TYPE, isVital: true };
  return {
    name: `list ${resource}`,
    target: `${group === '' ? '/api/v1' : `/apis/${group}/v1`}/${resource}?limit=1`,
    accept: resource === 'nodes' ? PROTOBUF_TYPE : METADATA_LIST_TYPE,
    isVital: false,
  };
}

/** What a gatherer would say of this answer. */
function refusalOf(answer: KubeAnswer): string {
  try {
    if (answer.contentType.startsWith(JSON_TYPE)) readJson(answer);
    else readProtobuf(answer, StatusSchema);
    return 'permitted';
  } catch (error) {
    return messageOf(error);
  }
}
