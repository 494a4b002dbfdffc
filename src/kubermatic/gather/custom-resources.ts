import type { KubeClient } from '../../kubernetes/client.ts';
import { listPages, readJsonPage } from '../../kubernetes/pages.ts';
import { JSON_TYPE } from '../../kubernetes/response.ts';

/** Where Kubermatic's custom resources are; Kubermatic 2.20 and newer serve this version alone. */
export const KUBERMATIC_API = '/apis/kubermatic.k8c.io/v1';

/** A list of metadata only: nothing that stands in a spec travels. */
export const METADATA_JSON_TYPE = `${JSON_TYPE};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`;

/** A user cluster of Kubermatic's is about 7 KB, most of it what is not read. */
const PAGE_SIZE = 200;

/**
 * Lists custom resources, each reduced to what is needed as soon as its page is there. They come as JSON only.
 *
 * @param path such as "/apis/kubermatic.k8c.io/v1/seeds"
 * @param convert undefined leaves the object out
 */
export function listCustomResources<Item>(
  kube: KubeClient,
  path: string,
  convert: (object: unknown) => Item | undefined,
  accept = JSON_TYPE,
): Promise<readonly Item[]> {
  return listPages(
    kube,
    { path, accept, read: readJsonPage, pageSize: PAGE_SIZE },
    (): Item[] => [],
    (items, object) => {
      const item = convert(object);
      if (item !== undefined) items.push(item);
    },
  );
}
