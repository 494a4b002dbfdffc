import type { Message } from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import type { ListMeta } from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import { SpartakusError } from '../runtime/errors.ts';
import type { KubeClient } from './client.ts';
import { pick, textAt } from './json.ts';
import { type KubeAnswer, readJson, readProtobuf } from './response.ts';

/** How often a list is begun anew before it is given up; a list expires when it takes longer than etcd's compaction, 5 minutes. */
const MAX_STARTS = 3;

/** A page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** What asks for the next page; empty on the last one. */
  readonly continueToken: string;
}

/** A list to read in pages. */
export interface PagedList<Item> {
  /** Such as "/api/v1/nodes". */
  readonly path: string;
  /** The media type to ask for. */
  readonly accept: string;
  /** Reads a page; anything but an answer of 200 is a SpartakusError. */
  readonly read: (answer: KubeAnswer) => Page<Item>;
  /** Objects a request. */
  readonly pageSize: number;
}

/** Reads pages that come as Kubernetes' protobuf, of which only the fields that the schema declares are read. */
export function protobufPages<Item>(
  schema: GenMessage<Message & { readonly metadata?: ListMeta | undefined; readonly items: Item[] }>,
): (answer: KubeAnswer) => Page<Item> {
  return (answer) => {
    const { items, metadata } = readProtobuf(answer, schema);
    return { items, continueToken: metadata?.continueToken ?? '' };
  };
}

/** Reads a page that came as JSON: the only way that custom resources come. */
export function readJsonPage(answer: KubeAnswer): Page<unknown> {
  const list = readJson(answer);
  const items = pick(list, 'items');
  // Go writes a list that was never filled as null.
  return {
    items: Array.isArray(items) ? (items as unknown[]) : [],
    continueToken: textAt(list, 'metadata', 'continue') ?? '',
  };
}

/**
 * Reads a list page by page into what `begin` makes; each page is reduced to what is needed before the next is asked for.
 *
 * A list that expires on the way (410, https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks)
 * begins anew, into a new result: a report is of one moment.
 */
export async function listPages<Item, Result>(
  kube: KubeClient,
  list: PagedList<Item>,
  begin: () => Result,
  add: (result: Result, item: Item) => void,
): Promise<Result> {
  for (let start = 1; start <= MAX_STARTS; start++) {
    const result = begin();
    if (await listOnce(kube, list, (item) => add(result, item))) return result;
  }
  throw new SpartakusError(
    'unavailable',
    `The list ${list.path} expired before its last page ${MAX_STARTS} times in a row. Is the Kubernetes API server under heavy load?`,
  );
}

/** Whether the list was read to its end; it was not where it expired on the way. */
async function listOnce<Item>(
  kube: KubeClient,
  { path, accept, read, pageSize }: PagedList<Item>,
  add: (item: Item) => void,
): Promise<boolean> {
  let token = '';
  do {
    const more = token === '' ? '' : `&continue=${encodeURIComponent(token)}`;
    const answer = await kube.get(`${path}?limit=${pageSize}${more}`, accept);
    if (answer.status === 410) return false;
    const { items, continueToken } = read(answer);
    for (const item of items) add(item);
    if (continueToken !== '' && continueToken === token) {
      throw new SpartakusError(
        'internal',
        `The Kubernetes API answered a page of ${path} with the token of that same page.`,
      );
    }
    token = continueToken;
  } while (token !== '');
  return true;
}
