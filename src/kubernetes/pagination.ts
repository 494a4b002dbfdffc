import type { Message } from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import type { ListMeta } from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import { SpartakusError } from '../runtime/errors.ts';
import type { KubernetesClient } from './client.ts';
import { listAt, textAt } from './json.ts';
import { type KubernetesResponse, readJson, readProtobuf } from './response.ts';

/** A list expires when reading it takes longer than etcd's compaction interval, 5 minutes. */
const MAX_ATTEMPTS = 3;

interface Page<Item> {
  readonly items: readonly Item[];
  /** Empty on the last page. */
  readonly continueToken: string;
}

interface PagedList<Item> {
  readonly path: string;
  readonly accept: string;
  readonly read: (response: KubernetesResponse) => Page<Item>;
  readonly pageSize: number;
}

export function protobufPages<Item>(
  schema: GenMessage<Message & { readonly metadata?: ListMeta | undefined; readonly items: Item[] }>,
): (response: KubernetesResponse) => Page<Item> {
  return (response) => {
    const { items, metadata } = readProtobuf(response, schema);
    return { items, continueToken: metadata?.continueToken ?? '' };
  };
}

export function readJsonPage(response: KubernetesResponse): Page<unknown> {
  const list = readJson(response);
  return { items: listAt(list, 'items'), continueToken: textAt(list, 'metadata', 'continue') ?? '' };
}

/**
 * Adds each item of a list to a result, page by page. A list that expires (410) is read again into a new result, see
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
 */
export async function listPages<Item, Result>(
  kube: KubernetesClient,
  list: PagedList<Item>,
  createResult: () => Result,
  add: (result: Result, item: Item) => void,
): Promise<Result> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const result = createResult();
    if (await readAllPages(kube, list, (item) => add(result, item))) return result;
  }
  const problem = `expired before its last page ${MAX_ATTEMPTS} times in a row`;
  const advice = 'Is the Kubernetes API server under heavy load?';
  throw new SpartakusError('unavailable', `The list ${list.path} ${problem}. ${advice}`);
}

/** Resolves to false where the list expired. */
async function readAllPages<Item>(
  kube: KubernetesClient,
  { path, accept, read, pageSize }: PagedList<Item>,
  add: (item: Item) => void,
): Promise<boolean> {
  let token = '';
  do {
    const query = token === '' ? '' : `&continue=${encodeURIComponent(token)}`;
    const response = await kube.get(`${path}?limit=${pageSize}${query}`, accept);
    if (response.status === 410) return false;
    const { items, continueToken } = read(response);
    for (const item of items) add(item);
    if (continueToken !== '' && continueToken === token)
      throw new SpartakusError('internal', `The Kubernetes API sent the same continue token of ${path} twice.`);
    token = continueToken;
  } while (token !== '');
  return true;
}
