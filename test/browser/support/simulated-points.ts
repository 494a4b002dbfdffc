import type { PointReader } from '../../../src/collector/statistics/answers.ts';
import {
  type AmountCount,
  answerKey,
  type DayPoint,
  PERCENTS,
  type PointAnswer,
} from '../../../src/collector/statistics/day-point.ts';
import { dayOf, dayText, type SimulatedCluster } from './simulated-clusters.ts';

const ACTIVE_DAYS = 30;

/** Computes the figures of each day from simulated clusters when they are asked for. */
export function readSimulatedPoints(clusters: readonly SimulatedCluster[], first: string, last: string): PointReader {
  return {
    lastDay: (until = last) => Promise.resolve(until < first ? undefined : until < last ? until : last),
    read(since, until, ids) {
      const from = Math.max(dayOf(since), dayOf(first));
      const days = Array.from({ length: dayOf(until) - from + 1 }, (_, index) => from + index);
      return Promise.resolve(days.map((day) => pointOf(clusters, day, ids)));
    },
  };
}

/** The figures of questions that the page does not know are those of others. */
const LATER_QUESTIONS: Readonly<Record<string, string>> = {
  'later.word': 'nodes.cloudProvider',
  'later.version': 'masterVersion',
  'later.size': 'nodes',
  'later.amounts': 'nodes.capacity',
};

function pointOf(clusters: readonly SimulatedCluster[], day: number, ids: readonly string[]): DayPoint {
  const active = clusters.filter((cluster) => isActive(cluster, day));
  const answers = ids.flatMap((id) => {
    const answer = answerOf(LATER_QUESTIONS[id] ?? id, active, clusters, day);
    return answer === undefined ? [] : [[answerKey(id), answer] as const];
  });
  return {
    _id: dayText(day),
    computedAt: new Date(Date.now() - 3 * 60_000),
    activeWindowDays: ACTIVE_DAYS,
    clusters: active.length,
    nodes: active.reduce((sum, cluster) => sum + nodesOf(cluster, day), 0),
    newClusters: active.filter(({ first }) => first === day).length,
    returningClusters: active.filter(({ gap }) => gap?.[1] === day).length,
    lostClusters: clusters.filter((cluster) => isActive(cluster, day - 1) && !isActive(cluster, day)).length,
    answers: Object.fromEntries(answers),
  };
}

/** A cluster is active until so many days after its last report. */
function isActive({ first, end, gap }: SimulatedCluster, day: number): boolean {
  if (day < first || day >= end + ACTIVE_DAYS) return false;
  return gap === undefined || day < gap[0] + ACTIVE_DAYS || day >= gap[1];
}

function nodesOf({ nodes, growth, first }: SimulatedCluster, day: number): number {
  return Math.max(1, Math.round(nodes * growth ** (Math.max(day - first, 0) / 365)));
}

function minorOf({ upgrades, first }: SimulatedCluster, day: number): number {
  return upgrades.findLast((upgrade) => upgrade.day <= Math.max(day, first))?.minor ?? upgrades[0]?.minor ?? 30;
}

function versionOf(cluster: SimulatedCluster, minor: number): string {
  return `v1.${minor}.${(cluster.first + minor) % 7}${cluster.vendor}`;
}

const coarseVersion = remember((value) => /^v?(\d+\.\d+)/.exec(value)?.[1] ?? value);
const coarseName = remember((value) =>
  value.includes('://') ? (value.split('://')[0] ?? '') : (/^(.*?)\s+\(?v?\d/.exec(value)?.[1] ?? value),
);

/** Simulated clusters have few different values. */
function remember(compute: (value: string) => string): (value: string) => string {
  const results = new Map<string, string>();
  return (value) => {
    const result = results.get(value) ?? compute(value);
    results.set(value, result);
    return result;
  };
}

function answerOf(
  id: string,
  active: readonly SimulatedCluster[],
  all: readonly SimulatedCluster[],
  day: number,
): PointAnswer | undefined {
  const values = (
    of: (cluster: SimulatedCluster) => readonly string[],
    ofNodes: boolean,
    coarse?: (value: string) => string,
  ) => countValues(active, day, of, ofNodes, coarse);
  const size = (of: (cluster: SimulatedCluster) => number | undefined) => countSizes(active, of);
  switch (id) {
    case 'version':
      return values(
        ({ first }) => [first % 9 === 0 ? 'v1.1.0' : first % 3 === 0 ? 'v2.0.0' : 'v2.0.1'],
        false,
        coarseVersion,
      );
    case 'dialect':
      return values(({ first }) => [first % 9 === 0 ? 'spartakus v1' : 'report v1'], false);
    case 'masterVersion':
      return values((cluster) => [versionOf(cluster, minorOf(cluster, day))], false, coarseVersion);
    case 'nodes.kubeletVersion':
      return values((cluster) => [versionOf(cluster, minorOf(cluster, day) - cluster.kubeletLag)], true, coarseVersion);
    case 'kubeletSkew':
      return values(({ kubeletLag }) => [String(kubeletLag)], false);
    case 'nodes.operatingSystem':
      return values(({ operatingSystems }) => operatingSystems, true);
    case 'nodes.osImage':
      return values(({ osImage }) => [osImage], true, coarseName);
    case 'nodes.kernelVersion':
      return values(({ kernel }) => [kernel], true, coarseVersion);
    case 'nodes.architecture':
      return values(({ architectures }) => architectures, true);
    case 'nodes.containerRuntimeVersion':
      return values(({ runtime }) => [runtime], true, coarseName);
    case 'nodes.cloudProvider':
      return values(({ cloud }) => [cloud], true);
    case 'extensions':
      return values(({ extensions }) => extensions, false);
    case 'nodes':
      return size((cluster) => nodesOf(cluster, day));
    case 'namespaces':
      return size(({ namespaces }) => namespaces);
    case 'nodes.capacity':
      return { kind: 'amounts', reporting: active.length, amounts: capacityOf(active, day) };
    case 'cohorts':
      return { kind: 'cohorts', reporting: active.length, cohorts: cohortsOf(all, day) };
    case 'upgrades':
      return { kind: 'upgrades', reporting: active.length, upgrades: upgradesOf(active, day) };
    default:
      return undefined;
  }
}

function countValues(
  active: readonly SimulatedCluster[],
  day: number,
  of: (cluster: SimulatedCluster) => readonly string[],
  ofNodes: boolean,
  coarse: ((value: string) => string) | undefined,
): PointAnswer {
  const count = (valuesOf: (cluster: SimulatedCluster) => readonly string[]) => {
    const counts = new Map<string, { clusters: number; nodes: number }>();
    for (const cluster of active) {
      const values = new Set(valuesOf(cluster));
      for (const value of values) {
        const entry = counts.get(value) ?? { clusters: 0, nodes: 0 };
        entry.clusters += 1;
        if (ofNodes) entry.nodes += Math.ceil(nodesOf(cluster, day) / values.size);
        counts.set(value, entry);
      }
    }
    return [...counts].map(([value, { clusters, nodes }]) => ({ value, clusters, ...(ofNodes ? { nodes } : {}) }));
  };
  return {
    kind: 'values',
    reporting: active.filter((cluster) => of(cluster).length > 0).length,
    values: count(of),
    ...(coarse === undefined ? {} : { coarse: count((cluster) => of(cluster).map(coarse)) }),
  };
}

function countSizes(
  active: readonly SimulatedCluster[],
  of: (cluster: SimulatedCluster) => number | undefined,
): PointAnswer {
  const sizes = active.map(of).filter((size) => size !== undefined);
  const buckets = new Map<number, number>();
  for (const size of sizes) {
    const atLeast = 2 ** Math.floor(Math.log2(size));
    buckets.set(atLeast, (buckets.get(atLeast) ?? 0) + 1);
  }
  return {
    kind: 'sizes',
    reporting: sizes.length,
    buckets: [...buckets]
      .map(([atLeast, clusters]) => ({ atLeast, clusters }))
      .toSorted((one, other) => one.atLeast - other.atLeast),
    amount: amountOf('', sizes),
  };
}

function capacityOf(active: readonly SimulatedCluster[], day: number): AmountCount[] {
  const each = (of: (cluster: SimulatedCluster, nodes: number) => number): number[] =>
    active.map((cluster) => of(cluster, nodesOf(cluster, day))).filter((amount) => amount > 0);
  return [
    amountOf(
      'cpu',
      each(({ cpuPerNode }, nodes) => cpuPerNode * nodes),
    ),
    amountOf(
      'memory',
      each(({ cpuPerNode }, nodes) => cpuPerNode * nodes * 4 * 2 ** 30),
    ),
    amountOf(
      'ephemeral-storage',
      each((_, nodes) => nodes * 100 * 2 ** 30),
    ),
    amountOf(
      'pods',
      each((_, nodes) => nodes * 110),
    ),
    amountOf(
      'nvidia.com/gpu',
      each(({ gpuPerNode }, nodes) => gpuPerNode * Math.ceil(nodes / 4)),
    ),
  ];
}

function amountOf(name: string, amounts: readonly number[]): AmountCount {
  const sorted = amounts.toSorted((one, other) => one - other);
  return {
    name,
    clusters: sorted.length,
    total: sorted.reduce((sum, amount) => sum + amount, 0),
    percentiles: PERCENTS.map((percent) => sorted[Math.floor(((sorted.length - 1) * percent) / 100)] ?? 0),
  };
}

function cohortsOf(all: readonly SimulatedCluster[], day: number) {
  const monthIndex = (at: number): number => {
    const [year = 0, month = 0] = dayText(at).split('-').map(Number);
    return year * 12 + month - 1;
  };
  const now = monthIndex(day);
  const byMonth = Map.groupBy(
    all.filter(({ first }) => first <= day && monthIndex(first) > now - 24),
    ({ first }) => monthIndex(first),
  );
  return [...byMonth]
    .toSorted(([one], [other]) => one - other)
    .map(([month, members]) => ({
      month: `${Math.floor(month / 12)}-${String((month % 12) + 1).padStart(2, '0')}`,
      clusters: members.length,
      active: Array.from(
        { length: now - month + 1 },
        (_, after) =>
          members.filter(({ end, first }) => after === 0 || monthIndex(Math.min(end, day)) >= monthIndex(first) + after)
            .length,
      ),
    }));
}

function upgradesOf(active: readonly SimulatedCluster[], day: number) {
  const times = new Map<string, number[]>();
  for (const { upgrades } of active) {
    upgrades.forEach((upgrade, index) => {
      const before = upgrades[index - 1];
      if (before === undefined || upgrade.day > day || upgrade.day <= day - 365) return;
      const key = `1.${before.minor} 1.${upgrade.minor}`;
      times.set(key, [...(times.get(key) ?? []), upgrade.day - before.day]);
    });
  }
  return [...times].map(([key, days]) => {
    const [from = '', to = ''] = key.split(' ');
    const sorted = days.toSorted((one, other) => one - other);
    return { from, to, clusters: days.length, medianDays: sorted[Math.floor(sorted.length / 2)] ?? 0 };
  });
}
