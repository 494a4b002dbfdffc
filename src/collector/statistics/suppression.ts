import type { ValueCount } from './day-point.ts';

/** The groups of one question on one day, without small ones. */
export interface SafeGroups {
  /** The clusters that report the value, as it may be shown. */
  readonly reporting: number;
  /** In the order of the input. */
  readonly shown: readonly ValueCount[];
  /** The values that are hidden; absent if there are none. */
  readonly hidden?: { readonly clusters: number; readonly nodes: number };
}

export interface GroupsInput {
  /** The active clusters that report the value. */
  readonly reporting: number;
  readonly active: number;
  readonly values: readonly ValueCount[];
  /** Values that were not stored one by one. */
  readonly rest?: Pick<ValueCount, 'clusters' | 'nodes'> | undefined;
  /** The coarse group of a value, where those are published too. */
  readonly coarseOf?: (value: string) => string;
  /** The coarse values that are shown; fine values of others are hidden. */
  readonly shownCoarse?: ReadonlySet<string>;
}

/**
 * Hides the values of fewer than `smallest` clusters in one group, and with them as many others as are needed so that no subtraction
 * returns a small number: each hidden group has at least two values and at least `smallest` clusters, in all and within each coarse value
 * that is shown (primary and complementary suppression; https://doi.org/10.1002/9781118348239, chapter 4). The clusters that do not
 * report the value are a value too: if they are few, they are hidden with the others.
 */
export function hideSmallGroups(input: GroupsInput, smallest: number): SafeGroups {
  const { reporting, active, values, rest, coarseOf, shownCoarse } = input;
  if (reporting < smallest) return { reporting: 0, shown: [] };
  const silent = active - reporting;
  const others: ValueCount[] = [];
  if (silent > 0 && silent < smallest) others.push({ value: '', clusters: silent });
  if (rest !== undefined && rest.clusters > 0) others.push({ value: '', clusters: rest.clusters, nodes: rest.nodes });

  const hidden = new Set<ValueCount>();
  const candidates = values.filter(({ clusters }) => clusters > 0);
  for (const each of candidates) {
    const isCoarseHidden = coarseOf !== undefined && shownCoarse?.has(coarseOf(each.value)) !== true;
    if (each.clusters < smallest || isCoarseHidden) hidden.add(each);
  }
  if (coarseOf !== undefined) {
    // Values that were not stored one by one may be of any coarse value, in any number.
    const unknown = rest === undefined ? [] : [{ value: '', clusters: 0 }];
    const groups = Map.groupBy(candidates, ({ value }) => coarseOf(value));
    for (const [coarse, members] of groups)
      if (shownCoarse?.has(coarse) === true) complement(members, hidden, unknown, smallest);
  }
  complement(candidates, hidden, others, smallest);

  const shownReporting = silent > 0 && silent < smallest ? active : reporting;
  const folded = [...hidden, ...others];
  const shown = candidates.filter((each) => !hidden.has(each));
  if (folded.length === 0) return { reporting: shownReporting, shown };
  const clusters = folded.reduce((sum, each) => sum + each.clusters, 0);
  const nodes = folded.reduce((sum, each) => sum + (each.nodes ?? 0), 0);
  // A cluster with several hidden values counts for each of them.
  return { reporting: shownReporting, shown, hidden: { clusters: Math.min(shownReporting, clusters), nodes } };
}

/** Adds the smallest shown values until the hidden ones are at least two with at least `smallest` clusters. */
function complement(
  values: readonly ValueCount[],
  hidden: Set<ValueCount>,
  others: readonly ValueCount[],
  smallest: number,
): void {
  const together = [...others, ...values.filter((each) => hidden.has(each))];
  let count = together.length;
  let clusters = together.reduce((sum, each) => sum + each.clusters, 0);
  if (count === 0 || (count >= 2 && clusters >= smallest)) return;
  for (const each of values.filter((value) => !hidden.has(value)).toSorted(byClusters)) {
    if (count >= 2 && clusters >= smallest) return;
    hidden.add(each);
    count += 1;
    clusters += each.clusters;
  }
}

/** By value where clusters are equal, so that the choice does not depend on the order of the input. */
function byClusters(left: ValueCount, right: ValueCount): number {
  return left.clusters - right.clusters || (left.value < right.value ? -1 : 1);
}

/**
 * Joins neighbouring buckets, from the largest size down, until each has at least `smallest` clusters. Returns no buckets if all together
 * have fewer.
 */
export function joinSmallBuckets(
  buckets: readonly { readonly atLeast: number; readonly clusters: number }[],
  smallest: number,
): readonly { readonly atLeast: number; readonly clusters: number }[] {
  const joined: { atLeast: number; clusters: number }[] = [];
  let clusters = 0;
  for (const bucket of buckets.toReversed()) {
    clusters += bucket.clusters;
    if (clusters < smallest) continue;
    joined.unshift({ atLeast: bucket.atLeast, clusters });
    clusters = 0;
  }
  const [first] = joined;
  const [lowest] = buckets;
  // The smallest sizes, if they are too few.
  if (first !== undefined && lowest !== undefined && clusters > 0) {
    first.atLeast = lowest.atLeast;
    first.clusters += clusters;
  }
  return joined;
}
