import { Measure } from '../../../gen/spartakus/options/v1/options_pb.js';
import { type ClusterDocument, parseSeen, reportAsOf, type Seen } from './cluster-document.ts';
import { coarseValue } from './coarse-value.ts';
import { compareVersions } from './compare-versions.ts';
import { addDays, addMonths, type Day, daysBetween, monthOf } from './days.ts';
import { decodeFacts, type Fact, pairsOf } from './facts-text.ts';
import { DIALECT, type Facts, KUBELET_SKEW } from './facts.ts';
import type { MeasuredField } from './measured-fields.ts';

/**
 * The figures of a day as sums over clusters: what one cluster contributes can be added and subtracted. Entries by question (answerKey,
 * or one of the names below) and by a text whose first letter says what it counts.
 */
export type Tally = Map<string, Map<string, TallyEntry>>;

export interface TallyEntry {
  clusters: number;
  /** Nodes; of amounts, the total. */
  amount: number;
}

/** Not the key of a question. */
export const TOTALS = '';
export const COHORTS = 'cohorts';
export const UPGRADES = 'upgrades';

/** The first letter of an entry. The parts of a longer name are separated by "\n", which no value contains. */
export const ENTRY = { reporting: 'r', fine: 'f', coarse: 'c', size: 's', amount: 'a', other: 'o' } as const;
export const SEPARATOR = '\n';

/** An amount is counted in one of 64 classes between two powers of two, so that percentiles are right to 0.6 %. */
const CLASSES = 64;
/** A cluster is kept for a year after its last report, so cohorts of the last twelve months are complete. */
const COHORT_MONTHS = 12;
const UPGRADE_DAYS = 365;

/** What the figures of a day need to know of a cluster. */
export type CountedCluster = Pick<ClusterDocument, '_id' | 'first' | 'seen'> &
  Partial<Pick<ClusterDocument, 'last' | 'earlier'>>;

export interface Contributor {
  /** Adds what a cluster contributes to the figures of a day; with the weight -1, removes it. */
  add(tally: Tally, cluster: CountedCluster, day: Day, weight?: 1 | -1): void;
}

export function createContributor(fields: readonly CountedField[], activeWindowDays: number): Contributor {
  let dates = datesOf('1970-01-01', activeWindowDays);
  const byFactKey = new Map(fields.map((field) => [field.factKey, field]));
  const countFacts = (tally: Tally, { f, nodes }: Facts, weight: number): void => {
    for (const [field, fact] of decodeFacts(f, byFactKey))
      countFact(tally, field, fact, weight, field.ofNodes ? nodes : undefined);
  };
  return {
    add(tally, cluster, day, weight = 1) {
      if (cluster.first > day) return;
      if (dates.day !== day) dates = datesOf(day, activeWindowDays);
      const { inactiveSince } = dates;
      const report = reportAsOf(cluster, day);
      // The answers about Kubermatic count installations, and all others count clusters.
      if (typeof cluster._id !== 'string') {
        if (report !== undefined && report.facts.day > inactiveSince) countFacts(tally, report.facts, weight);
        return;
      }
      const total = (name: string, amount = 0): void => count(tally, TOTALS, name, weight, amount);
      if (cluster.first === day) total('newClusters');
      const seen = cluster.seen.map(parseSeen).filter((each) => each.day <= day);
      countCohort(tally, cluster.first, seen, dates, weight);
      if (report === undefined) return;
      const { facts, prev } = report;
      // A replay does not load the report before, if that is long ago.
      if (facts.day === day && cluster.first < day && (prev ?? '') < inactiveSince) total('returningClusters');
      if (facts.day === inactiveSince) total('lostClusters');
      if (facts.day <= inactiveSince) return;
      total('clusters', facts.nodes);
      countFacts(tally, facts, weight);
      countUpgrades(tally, seen, dates, weight);
    },
  };
}

type Dates = Readonly<ReturnType<typeof datesOf>>;

function datesOf(day: Day, activeWindowDays: number) {
  return {
    day,
    inactiveSince: addDays(day, -activeWindowDays),
    cohortsAfter: addMonths(monthOf(day), -COHORT_MONTHS),
    upgradesAfter: addDays(day, -UPGRADE_DAYS),
  };
}

/** A question about a fact; those that are computed from several fields have no field of the schema. */
export type CountedField = Pick<MeasuredField, 'key' | 'factKey' | 'measure' | 'ofNodes'>;

export const COMPUTED_FIELDS: readonly CountedField[] = [
  { key: 'kubeletSkew', factKey: KUBELET_SKEW, measure: Measure.WORD, ofNodes: false },
  { key: 'dialect', factKey: DIALECT, measure: Measure.WORD, ofNodes: false },
];

function count(tally: Tally, question: string, name: string, clusters: number, amount = 0): void {
  let entries = tally.get(question);
  if (entries === undefined) tally.set(question, (entries = new Map<string, TallyEntry>()));
  const entry = entries.get(name);
  if (entry === undefined) entries.set(name, { clusters, amount: amount * clusters });
  else {
    entry.clusters += clusters;
    entry.amount += amount * clusters;
  }
}

function countFact(tally: Tally, { key, measure }: CountedField, fact: Fact, weight: number, nodes?: number): void {
  count(tally, key, ENTRY.reporting, weight);
  if (typeof fact === 'number') return count(tally, key, ENTRY.size + fact, weight, fact);
  if (measure === Measure.HISTOGRAM) {
    for (const bound of fact as readonly string[]) count(tally, key, ENTRY.size + bound, weight);
    return;
  }
  if (measure === Measure.QUANTITY) {
    for (const [name, total] of pairsOf(fact)) {
      const size = Math.round(Math.log2(total) * CLASSES);
      count(tally, key, `${ENTRY.amount}${name}${SEPARATOR}${size}`, weight, total);
    }
    return;
  }
  const values = valuesOf(fact, nodes);
  for (const [value, amount] of values) count(tally, key, ENTRY.fine + value, weight, amount);
  if (!hasCoarseValues(measure)) return;
  const coarse = new Map<string, number>();
  for (const [value, amount] of values) {
    const name = coarseValue(measure, value);
    coarse.set(name, (coarse.get(name) ?? 0) + amount);
  }
  for (const [value, amount] of coarse) count(tally, key, ENTRY.coarse + value, weight, amount);
}

export function hasCoarseValues(measure: Measure): boolean {
  return measure === Measure.VERSION || measure === Measure.NAME_AND_VERSION || measure === Measure.KEY;
}

/** Values with their nodes; 0 where they are not values of nodes. */
function valuesOf(fact: Exclude<Fact, number>, nodes?: number): readonly (readonly [value: string, nodes: number])[] {
  if (typeof fact === 'string') return [[fact, nodes ?? 0]];
  return nodes === undefined ? fact.map((value) => [String(value), 0]) : pairsOf(fact);
}

function countCohort(tally: Tally, first: Day, seen: readonly Seen[], dates: Dates, weight: number): void {
  const cohort = monthOf(first);
  if (cohort <= dates.cohortsAfter) return;
  const months = new Set(seen.map(({ month }) => month));
  for (const month of months) count(tally, COHORTS, `${ENTRY.other}${cohort}${SEPARATOR}${month}`, weight);
}

/** A cluster counts once for each change from one version to another: for the last one. */
function countUpgrades(tally: Tally, seen: readonly Seen[], dates: Dates, weight: number): void {
  const runs: { readonly minor: string; readonly from: Day }[] = [];
  const byDay = seen
    .filter(({ minor }) => minor !== '')
    .toSorted((left, right) =>
      left.day === right.day ? compareVersions(left.minor, right.minor) : left.day < right.day ? -1 : 1,
    );
  for (const { minor, day: from } of byDay) if (runs.at(-1)?.minor !== minor) runs.push({ minor, from });
  if (runs.length === 0) return;
  count(tally, UPGRADES, ENTRY.reporting, weight);
  const changes = new Map<string, number>();
  for (const [index, { minor, from }] of runs.entries()) {
    const before = runs[index - 1];
    if (before === undefined || from <= dates.upgradesAfter) continue;
    changes.set(`${before.minor}${SEPARATOR}${minor}`, daysBetween(before.from, from));
  }
  for (const [pair, days] of changes) count(tally, UPGRADES, `${ENTRY.other}${pair}${SEPARATOR}${days}`, weight);
}

/** Adds changes to a tally, and drops the entries that no cluster contributes to any more. */
export function addTally(target: Tally, other: Tally): void {
  for (const [question, entries] of other) {
    let into = target.get(question);
    if (into === undefined) target.set(question, (into = new Map<string, TallyEntry>()));
    for (const [name, { clusters, amount }] of entries) {
      const entry = into.get(name);
      const sum = (entry?.clusters ?? 0) + clusters;
      if (sum === 0) into.delete(name);
      else into.set(name, { clusters: sum, amount: (entry?.amount ?? 0) + amount });
    }
  }
}
