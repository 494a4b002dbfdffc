import type { KubernetesClient } from '../../kubernetes/client.ts';
import { textAt } from '../../kubernetes/json.ts';
import { versionOf, wordOf } from '../../report/kubermatic-enums.ts';
import { listKubermaticObjects } from './custom-resources.ts';

export interface KubermaticConfiguration {
  readonly edition: string | undefined;
  readonly version: string | undefined;
  /** The default of seeds. */
  readonly exposeStrategy: string | undefined;
}

/** Lists the KubermaticConfigurations. An installation of Kubermatic has exactly one, in the namespace kubermatic. */
export function listConfigurations(kube: KubernetesClient): Promise<readonly KubermaticConfiguration[]> {
  return listKubermaticObjects(kube, 'namespaces/kubermatic/kubermaticconfigurations', (object) => ({
    edition: wordOf('edition', textAt(object, 'status', 'kubermaticEdition')),
    version: versionOf(textAt(object, 'status', 'kubermaticVersion')),
    exposeStrategy: wordOf('exposeStrategy', textAt(object, 'spec', 'exposeStrategy')),
  }));
}
