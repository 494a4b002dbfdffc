import type { KubeClient } from '../../kubernetes/client.ts';
import { JSON_TYPE, readJson } from '../../kubernetes/response.ts';
import { SpartakusError } from '../../runtime/errors.ts';

/**
 * The version of the control plane, such as "v1.31.4": `gitVersion` of GET /version. Empty where it says none.
 *
 * Every account may read it, unless the cluster took the role system:public-info-viewer away.
 */
export async function readVersion(kube: KubeClient): Promise<string> {
  const version = readJson(await kube.get('/version', JSON_TYPE));
  if (typeof version !== 'object' || version === null) {
    throw new SpartakusError('internal', 'The answer of the Kubernetes API to GET /version is not a JSON object.');
  }
  return 'gitVersion' in version && typeof version.gitVersion === 'string' ? version.gitVersion : '';
}
