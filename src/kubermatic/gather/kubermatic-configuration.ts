import type { KubeClient } from '../../kubernetes/client.ts';
import { textAt } from '../../kubernetes/json.ts';
import { wordOf, versionOf } from '../../report/kubermatic-enums.ts';
import { KUBERMATIC_API, listCustomResources } from './custom-resources.ts';

/** The namespace in which Kubermatic keeps its one configuration. */
const NAMESPACE = 'kubermatic';

/** What is read of a KubermaticConfiguration. */
export interface KubermaticConfiguration {
  /** Such as "EE". */
  readonly edition: string | undefined;
  /** Such as "v2.25.0". */
  readonly version: string | undefined;
  /** What seeds have that say nothing themselves. */
  readonly exposeStrategy: string | undefined;
}

/** Every configuration; Kubermatic has exactly one. */
export function listConfigurations(kube: KubeClient): Promise<readonly KubermaticConfiguration[]> {
  return listCustomResources(kube, `${KUBERMATIC_API}/namespaces/${NAMESPACE}/kubermaticconfigurations`, (object) => ({
    edition: wordOf('edition', textAt(object, 'status', 'kubermaticEdition')),
    version: versionOf(textAt(object, 'status', 'kubermaticVersion')),
    exposeStrategy: wordOf('exposeStrategy', textAt(object, 'spec', 'exposeStrategy')),
  }));
}
