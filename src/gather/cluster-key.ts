import { PartialObjectMetadataSchema } from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import { SpartakusError } from '../report/errors.ts';
import { PROTOBUF_TYPE, readProtobuf, ruleFor } from './kube-answer.ts';
import type { KubeClient } from './kube.ts';

const NAMESPACE_PATH = '/api/v1/namespaces/kube-system';

/**
 * The key that node ids are made with: the uid of the kube-system namespace, which lives as long as the cluster does. It never
 * leaves the cluster.
 *
 * Without it there is no report: an id without a key can be guessed by whoever receives it. The error names the rule to grant.
 */
export async function readClusterKey(kube: KubeClient): Promise<string> {
  // Only the metadata travels.
  const answer = await kube.get(NAMESPACE_PATH, `${PROTOBUF_TYPE};as=PartialObjectMetadata;g=meta.k8s.io;v=v1`);
  if (answer.status === 403 || answer.status === 404) {
    throw new SpartakusError(
      answer.status === 403 ? 'forbidden' : 'not-found',
      `The uid of the kube-system namespace, the key that makes node ids anonymous, cannot be read: the Kubernetes API answered GET` +
        ` ${NAMESPACE_PATH} with ${answer.status}. Grant the rule ${ruleFor(NAMESPACE_PATH)} to the account that the volunteer uses, in a` +
        ` ClusterRole.`,
    );
  }
  const uid = readProtobuf(answer, PartialObjectMetadataSchema).metadata?.uid ?? '';
  if (uid === '') throw new SpartakusError('internal', `The answer of the Kubernetes API to GET ${NAMESPACE_PATH} holds no uid.`);
  return uid;
}
