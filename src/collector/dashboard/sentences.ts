import { capitalised, formatAmount, formatDays, formatNumber, formatShare, plural } from './format.ts';
import type { Answer, Cohort, Group } from './model.ts';

/** How shares of an answer are computed. */
export interface Counting {
  readonly unit: 'clusters' | 'nodes';
  readonly of: (group: Group) => number;
  /** What 100 % is. */
  readonly whole: number;
}

/** Values that say nothing by themselves. */
const VAGUE = new Set(['unknown', 'other']);
const ABOUT_HALF = 0.475;
const VERSION = /^v?\d+\.\d+/;

/** Where fewer clusters report a value, the sentence says so. */
const ALMOST_ALL = 0.95;

/** The answer to a question in a sentence; undefined where there are no figures for one. */
export function answerInWords(answer: Answer, counting: Counting): string | undefined {
  const { reporting, active, kind } = answer;
  const isAboutValues = kind === 'values' || kind === 'sizes' || kind === 'amounts';
  if (!isAboutValues || reporting >= active * ALMOST_ALL) {
    const sentence = describe(answer, counting);
    return sentence && capitalised(sentence);
  }
  const sentence = describe(answer, { ...counting, isPart: true });
  const clusters = `${plural(reporting, 'cluster')} that report${reporting === 1 ? 's' : ''} this`;
  return sentence && `Of the ${counting.unit === 'nodes' ? `nodes of the ${clusters}` : clusters}, ${sentence}`;
}

/** Shares of all clusters, or of a part of them that was named before. */
interface Shares extends Counting {
  readonly isPart?: boolean;
}

function describe(answer: Answer, counting: Shares): string | undefined {
  switch (answer.kind) {
    case 'values':
      return describeValues(answer, counting);
    case 'sizes':
      return describeSizes(answer, counting);
    case 'amounts':
      return describeAmounts(answer);
    case 'cohorts':
      return describeCohorts(answer.cohorts);
    case 'upgrades':
      return describeUpgrades(answer);
    case 'unknown':
      return undefined;
  }
}

/** Groups with a value and figures. */
function shownGroups({ groups }: Answer): readonly Group[] {
  return groups.filter(({ isHidden, clusters }) => !isHidden && clusters.value > 0);
}

function describeValues(answer: Answer, counting: Shares): string | undefined {
  const groups = shownGroups(answer);
  if (groups.length === 0 || counting.whole === 0) return undefined;
  if (answer.id === 'support') return describeSupport(groups, counting);
  if (answer.id === 'kubeletSkew') return describeSkew(groups, counting);
  const isVersion = groups.every(({ value }) => VERSION.test(value));
  if (answer.isOrdered && isVersion) return describeVersions(groups, counting);
  return describeLeaders(groups, counting);
}

function describeSupport(groups: readonly Group[], shares: Shares): string {
  const unsupported = groups.filter(({ value }) => value !== 'supported');
  const count = unsupported.reduce((sum, group) => sum + shares.of(group), 0);
  return count === 0
    ? `${partOf(shares.whole, shares)} run a version that is supported.`
    : `${partOf(count, shares)} run a version that is out of support.`;
}

function describeSkew(groups: readonly Group[], shares: Shares): string {
  const same = groups.filter(({ value }) => Number(value) === 0).reduce((sum, group) => sum + shares.of(group), 0);
  return `on ${partOf(same, shares)}, every kubelet has the minor version of the control plane.`;
}

/** The newest version that at least half of the clusters have reached. */
function describeVersions(groups: readonly Group[], shares: Shares): string {
  let later = 0;
  for (const group of groups.toReversed()) {
    later += shares.of(group);
    if (later / shares.whole >= ABOUT_HALF) return `${partOf(later, shares)} run ${group.value} or newer.`;
  }
  return describeLeaders(groups, shares);
}

function describeLeaders(groups: readonly Group[], { of, whole, unit, isPart = false }: Shares): string {
  const sorted = groups.toSorted((one, other) => of(other) - of(one));
  const known = sorted.filter(({ value }) => !VAGUE.has(value));
  const [first, second] = known.length === 0 ? sorted : known;
  if (first === undefined) return '';
  const share = (group: Group): string => formatShare(Math.min(of(group) / whole, 1));
  const rest = second === undefined ? '' : `, ${share(second)} ${second.value}`;
  return `${share(first)}${isPart ? '' : ` of ${unit}`} report ${first.value}${rest}.`;
}

function describeSizes(answer: Answer, { isPart = false }: Shares): string | undefined {
  const amount = answer.amounts[0];
  const median = amount?.percentiles.get(50);
  if (amount === undefined || median === undefined) return undefined;
  const thing = answer.id === 'nodes' || answer.id === 'namespaces' ? ` ${answer.id}` : '';
  const word = median === 1 ? thing.replace(/s$/, '') : thing;
  const total = `${formatAmount(amount.total, '')}${thing} in total`;
  return `half${isPart ? '' : ' of all clusters'} have ${formatNumber(median)}${word} or fewer; ${total}.`;
}

function describeAmounts({ amounts }: Answer): string | undefined {
  const named = ['cpu', 'memory'].map((name) => amounts.find((amount) => amount.name === name));
  const [first, second] = named[0] === undefined ? amounts : named;
  if (first === undefined) return undefined;
  const total = (each: typeof first): string =>
    `${formatAmount(each.total, each.unit)}${each.unit === 'bytes' || each.unit === '' ? ` of ${each.name}` : ''}`;
  return `the total is ${total(first)}${second === undefined ? '' : ` and ${total(second)}`}.`;
}

/** Of the clusters that are old enough, how many reported a year (or less, where none is as old) after their first report. */
function describeCohorts(cohorts: readonly Cohort[]): string | undefined {
  for (const months of [12, 6, 3, 1]) {
    // Where too few are left, the service tells none: such a cohort does not count as one without any.
    const old = cohorts.filter(({ active }) => (active[months] ?? 0) > 0);
    const clusters = old.reduce((sum, cohort) => sum + cohort.clusters, 0);
    if (clusters === 0) continue;
    const active = old.reduce((sum, cohort) => sum + (cohort.active[months] ?? 0), 0);
    return `${formatShare(active / clusters)} of clusters still report ${plural(months, 'month')} after their first report.`;
  }
  return cohorts.length === 0 ? undefined : 'The first clusters have not reported for a month yet.';
}

function describeUpgrades({ upgrades }: Answer): string | undefined {
  const all = upgrades.reduce((sum, { clusters }) => sum + clusters, 0);
  if (all === 0) return undefined;
  const minor = (version: string): number => Number(version.split('.')[1]);
  const single = upgrades.filter(({ from, to }) => minor(to) - minor(from) === 1);
  const share = single.reduce((sum, { clusters }) => sum + clusters, 0) / all;
  const timed = upgrades.filter(({ medianDays }) => medianDays !== undefined);
  const weight = timed.reduce((sum, { clusters }) => sum + clusters, 0);
  const days =
    timed.reduce((sum, { clusters, medianDays = 0 }) => sum + clusters * medianDays, 0) / Math.max(weight, 1);
  const time = weight === 0 ? '' : `, typically after ${formatDays(Math.round(days))}`;
  return `${formatShare(share)} of changes are to the next minor version${time}.`;
}

/** "half of all clusters", "all clusters", "34 % of clusters"; without the clusters where they were named before. */
function partOf(count: number, { whole, unit, isPart = false }: Shares): string {
  const share = Math.min(count / whole, 1);
  const percent = Math.round(share * 100);
  if (percent === 100) return isPart ? 'all' : `all ${unit}`;
  if (percent === 50) return isPart ? 'half' : `half of all ${unit}`;
  if (share === 0) return isPart ? 'none' : `no ${unit}`;
  return `${formatShare(share)}${isPart ? '' : ` of ${unit}`}`;
}
