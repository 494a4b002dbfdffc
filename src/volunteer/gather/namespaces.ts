import type { Summaries } from './summaries.ts';

/** How many namespaces the cluster has. */
export async function countNamespaces(summaries: Summaries): Promise<number> {
  return (await summaries('namespaces')).count;
}
