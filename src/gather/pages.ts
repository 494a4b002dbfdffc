import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import type { ListMeta } from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import { SpartakusError } from '../report/errors.ts';
import { readProtobuf } from './kube-answer.ts';
import type { KubeClient } from './kube.ts';

/** How often a list is begun anew before it is given up; a list expires when it takes longer than etcd's compaction, 5 minutes. */
const MAX_STARTS = 3;

/** A list to read in pages. */
export interface PagedList<Desc extends DescMessage> {
  /** Such as "/api/v1/nodes". */
  readonly path: string;
  /** The media type to ask for. */
  readonly accept: string;
  /** What a page is: a message with ListMeta as its metadata. */
  readonly schema: Desc;
  /** Objects a request. */
  readonly pageSize: number;
}

/**
 * Reads a list page by page into what `begin` makes; each page is reduced to what is needed before the next is asked for.
 *
 * A list that expires on the way (410, https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks)
 * begins anew, into a new result: a report is of one moment.
 */
export async function listPages<Desc extends DescMessage, Result>(
  kube: KubeClient,
  list: PagedList<Desc>,
  begin: () => Result,
  add: (result: Result, page: MessageShape<Desc>) => void,
): Promise<Result> {
  for (let start = 1; start <= MAX_STARTS; start++) {
    const result = begin();
    if (await listOnce(kube, list, (page) => add(result, page))) return result;
  }
  throw new SpartakusError(
    'unavailable',
    `The list ${list.path} expired before its last page ${MAX_STARTS} times in a row. Is the Kubernetes API server under heavy load?`,
  );
}

/** Whether the list was read to its end; it was not where it expired on the way. */
async function listOnce<Desc extends DescMessage>(
  kube: KubeClient,
  { path, accept, schema, pageSize }: PagedList<Desc>,
  add: (page: MessageShape<Desc>) => void,
): Promise<boolean> {
  let continueToken = '';
  do {
    const more = continueToken === '' ? '' : `&continue=${encodeURIComponent(continueToken)}`;
    const answer = await kube.get(`${path}?limit=${pageSize}${more}`, accept);
    if (answer.status === 410) return false;
    const page = readProtobuf(answer, schema);
    add(page);
    const next = continueTokenOf(page);
    if (next !== '' && next === continueToken) {
      throw new SpartakusError('internal', `The Kubernetes API answered a page of ${path} with the token of that same page.`);
    }
    continueToken = next;
  } while (continueToken !== '');
  return true;
}

function continueTokenOf(page: object): string {
  const { metadata } = page as { readonly metadata?: ListMeta };
  return metadata?.continueToken ?? '';
}
