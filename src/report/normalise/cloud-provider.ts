import clouds from '../known-values/clouds.json' with { type: 'json' };

const KNOWN: ReadonlySet<string> = new Set(Object.keys(clouds));

/**
 * Clouds whose controllers write ids without a scheme, by the shape of the whole id.
 *
 * - Alibaba Cloud: `<region>.<instance>`, such as "cn-zhangjiakou.i-8vb2...", or "eci-..." for a virtual node
 *   (kubernetes/cloud-provider-alibaba-cloud, pkg/util, NodeFromProviderID)
 * - Oracle Cloud: `ocid1.instance.<realm>.<region>.<unique>` (docs.oracle.com, "Resource Identifiers"; the controller of oci-cloud-
 *   controller-manager takes it with and without "oci://")
 */
const SHAPES: readonly (readonly [cloud: string, shape: RegExp])[] = [
  ['alicloud', /^[a-z]{2}-[a-z0-9-]{2,32}\.(?:i|eci|hbm)-[a-z0-9]{8,40}$/],
  ['oci', /^ocid1\.instance\.oc\d{1,3}\.[a-z0-9-]{0,32}\.[a-z0-9.]{8,128}$/],
];

/**
 * The cloud of a node, from its `.spec.providerID`. No part of the id is returned: only a scheme that is in clouds.json and is followed
 * by the only "://", or the name of the cloud whose shape the id has. Otherwise "unknown".
 */
export function normaliseCloudProvider(providerId: string): string {
  const [scheme = '', ...rest] = providerId.split('://', 3);
  if (rest.length === 0) return SHAPES.find(([, shape]) => shape.test(providerId))?.[0] ?? 'unknown';
  return rest.length === 1 && KNOWN.has(scheme) ? scheme : 'unknown';
}
