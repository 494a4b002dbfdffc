import type { KubernetesClient } from '../../kubernetes/client.ts';
import { textAt } from '../../kubernetes/json.ts';
import { listPages, readJsonPage } from '../../kubernetes/pagination.ts';
import { JSON_TYPE } from '../../kubernetes/response.ts';

/** The only API version of Kubermatic 2.20 and newer. */
const KUBERMATIC_API = '/apis/kubermatic.k8c.io/v1';

/** A user cluster is about 7 KB. */
const PAGE_SIZE = 200;

/** Lists custom resources in the order of the Kubernetes API. Each page is converted before the next request. */
export function listCustomResources<Item>(
  kube: KubernetesClient,
  path: string,
  convert: (object: unknown) => readonly Item[],
  accept = JSON_TYPE,
): Promise<Item[]> {
  return listPages(
    kube,
    { path, accept, read: readJsonPage, pageSize: PAGE_SIZE },
    (): Item[] => [],
    (items, object) => void items.push(...convert(object)),
  );
}

/** Lists a resource of Kubermatic's API, such as "seeds". */
export function listKubermaticObjects<Item>(
  kube: KubernetesClient,
  resource: string,
  convert: (object: unknown, name: string) => Item,
  accept = JSON_TYPE,
): Promise<Item[]> {
  const convertNamed = (object: unknown): readonly Item[] => {
    const name = textAt(object, 'metadata', 'name');
    return name === undefined ? [] : [convert(object, name)];
  };
  return listCustomResources(kube, `${KUBERMATIC_API}/${resource}`, convertNamed, accept);
}
