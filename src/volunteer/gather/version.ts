import type { KubernetesClient } from '../../kubernetes/client.ts';
import { textAt } from '../../kubernetes/json.ts';
import { JSON_TYPE, readJson } from '../../kubernetes/response.ts';
import { normaliseKubernetesVersion } from '../../report/normalise/kubernetes-version.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import type { Gatherer } from './gatherer.ts';

export const versionGatherer: Gatherer = {
  path: 'masterVersion',
  tolerance: 'forbidden',
  gather: async (report, { kube }) => {
    report.masterVersion = await readVersion(kube);
  },
};

/** The version of the control plane in a known form, such as "v1.31.4". */
export async function readVersion(kube: KubernetesClient): Promise<string | undefined> {
  const version = readJson(await kube.get('/version', JSON_TYPE));
  if (typeof version !== 'object' || version === null) {
    throw new SpartakusError('internal', 'The response of the Kubernetes API to GET /version is not a JSON object.');
  }
  const gitVersion = textAt(version, 'gitVersion');
  return gitVersion === undefined ? undefined : normaliseKubernetesVersion(gitVersion);
}
