import { Measure } from '../../../gen/spartakus/options/v1/options_pb.js';
import { amountsOf, foldValues } from './fact-readers.ts';
import { decodeFacts, encodeFacts, type Fact, pairsOf } from './facts-text.ts';
import { DIALECT, dialectOf, type Facts, KUBELET_SKEW, kubeletSkew } from './facts.ts';
import type { MeasuredField } from './measured-fields.ts';

/**
 * The facts of a report with the nodes of both: those of a part of its nodes, and those of a report with only further nodes. So the nodes
 * of a large report need not be in memory at once.
 */
export function addNodes(facts: Facts, more: Facts, fields: readonly MeasuredField[]): Facts {
  const nodes = facts.nodes + more.nodes;
  const byFactKey = new Map(fields.map((field) => [field.factKey, field]));
  const added = new Map(decodeFacts(more.f, byFactKey));
  const merged = new Map(decodeFacts(facts.f, byFactKey));
  for (const field of fields) {
    const [left, right] = [merged.get(field), added.get(field)];
    if (left === undefined && right === undefined) continue;
    if (field.id === 'nodes') merged.set(field, nodes);
    else if (field.ofNodes && field.measure === Measure.QUANTITY)
      merged.set(field, amountsOf(sumUp([left ?? [], right ?? []].flatMap(pairsOf))));
    else if (field.ofNodes)
      merged.set(field, foldValues(sumUp([...countsOf(left, facts.nodes), ...countsOf(right, more.nodes)]), nodes));
  }
  const kubelets = fields.find(({ id }) => id === 'nodes.kubeletVersion');
  const skew = kubeletSkew(facts.minor, kubelets && merged.get(kubelets));
  const inOrder = fields.flatMap((field) => {
    const fact = merged.get(field);
    return fact === undefined ? [] : [[field.factKey, fact] as const];
  });
  const dialect = dialectOf(facts);
  return {
    ...facts,
    nodes,
    f: encodeFacts([
      ...inOrder,
      ...(dialect === undefined ? [] : [[DIALECT, dialect] as const]),
      ...(skew === undefined ? [] : [[KUBELET_SKEW, skew] as const]),
    ]),
  };
}

/** The nodes by value, from any form of a fact. */
function countsOf(fact: Fact | undefined, nodes: number): readonly (readonly [value: string, nodes: number])[] {
  if (fact === undefined) return [];
  return typeof fact === 'string' ? [[fact, nodes]] : pairsOf(fact);
}

function sumUp(pairs: readonly (readonly [name: string, number: number])[]): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const [name, number] of pairs) sums.set(name, (sums.get(name) ?? 0) + number);
  return sums;
}
