import releases from '../../../src/collector/statistics/kubernetes-releases.json' with { type: 'json' };
import { createDice } from '../../support/dice.ts';

/** A cluster that takes part for a time. Days are numbers since 1970. */
export interface SimulatedCluster {
  readonly first: number;
  readonly end: number;
  /** The cluster did not report in this time; absent if it always did. */
  readonly gap?: readonly [number, number];
  /** Ascending by day. */
  readonly upgrades: readonly { readonly day: number; readonly minor: number }[];
  readonly vendor: string;
  readonly kubeletLag: number;
  readonly nodes: number;
  readonly growth: number;
  readonly osImage: string;
  readonly kernel: string;
  readonly runtime: string;
  readonly architectures: readonly string[];
  readonly operatingSystems: readonly string[];
  readonly cloud: string;
  readonly cpuPerNode: number;
  readonly gpuPerNode: number;
  readonly extensions: readonly string[];
  readonly namespaces?: number;
}

const DAY_MS = 86_400_000;
const OS_IMAGES: Readonly<Record<string, number>> = {
  'Ubuntu 24.04.3 LTS': 20,
  'Ubuntu 22.04.5 LTS': 17,
  'Ubuntu 20.04.6 LTS': 4,
  'Debian GNU/Linux 13 (trixie)': 4,
  'Debian GNU/Linux 12 (bookworm)': 9,
  'Bottlerocket OS 1.49.0': 5,
  'Amazon Linux 2023.9.20251014': 9,
  'Container-Optimized OS from Google': 8,
  'Flatcar Container Linux by Kinvolk 4230.2.4': 5,
  'Talos (v1.11.5)': 6,
  'Red Hat Enterprise Linux CoreOS 9.6.20251023-0 (Plow)': 3,
  'Rocky Linux 9.6 (Blue Onyx)': 2.4,
  'openSUSE Leap 15.6': 1.3,
  'SUSE Linux Enterprise Server 15 SP6': 1,
  'Fedora CoreOS 42.20251012.3.0': 0.8,
  'Alpine Linux v3.22': 0.6,
  'NixOS 25.11 (Xantusia)': 0.4,
  'Arch Linux': 0.2,
  'Raspbian GNU/Linux 12 (bookworm)': 0.2,
  'Gentoo Linux': 0.1,
};
const KERNELS = {
  '6.8.0-85-generic': 30,
  '6.12.53-1-default': 12,
  '6.1.0-40-amd64': 18,
  '5.15.0-157-generic': 14,
  '6.12.48': 9,
  '5.10.245': 3,
};
const RUNTIMES = {
  'containerd://2.1.5': 34,
  'containerd://2.0.7': 16,
  'containerd://1.7.29': 30,
  'cri-o://1.34.1': 9,
  'cri-o://1.33.5': 5,
  'docker://28.5.1': 1.4,
  'containerd://1.6.39': 4,
};
const CLOUDS = { aws: 27, gce: 12, azure: 14, openstack: 6, vsphere: 7, digitalocean: 3, unknown: 31 };
const EXTENSIONS = {
  'example.com/tier': 40,
  'kubermatic.io/edition': 30,
  'example.com/region': 25,
  'example.org/team': 1,
};

interface Minor {
  readonly minor: number;
  readonly released: number;
}

const MINORS: readonly Minor[] = releases.minors.map(({ minor, released }) => ({
  minor: Number(minor.split('.')[1]),
  released: dayOf(released),
}));

export function dayOf(day: string): number {
  return Date.parse(`${day}T00:00:00Z`) / DAY_MS;
}

export function dayText(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** About 2,000 clusters that are active on the last day, and those that were active in the two years before. */
export function simulateClusters(last: string, seed = 1): readonly SimulatedCluster[] {
  const dice = createDice(seed);
  const end = dayOf(last);
  const start = end - 760;
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - dice())) * Math.cos(2 * Math.PI * dice());
  const pick = (weights: Readonly<Record<string, number>>): string => {
    const entries = Object.entries(weights);
    let at = dice() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    return entries.find(([, weight]) => (at -= weight) < 0)?.[0] ?? entries[0]?.[0] ?? '';
  };
  return Array.from({ length: 3_300 }, (_, index): SimulatedCluster => {
    // The number of clusters grows: arrivals are denser later. A third took part before the first day.
    const first = index < 950 ? start - Math.floor(dice() * 300) : start + Math.floor(Math.sqrt(dice()) * 760);
    const life = dice() < 0.12 ? 20 + dice() * 60 : -Math.log(1 - dice()) * 900 + 40;
    const isGone = dice() < 0.06 && life > 300;
    const gapStart = first + Math.floor(60 + dice() * 120);
    const cloud = pick(CLOUDS);
    const own = dice();
    const isBoth = dice() < 0.17;
    return {
      first,
      end: Math.floor(first + life),
      gap: isGone ? [gapStart, gapStart + 50] : undefined,
      upgrades: upgradesOf(first, dice, normal),
      vendor:
        cloud === 'aws'
          ? '-eks-a737599'
          : cloud === 'gce'
            ? '-gke.1443001'
            : own < 0.2
              ? '+k3s1'
              : own < 0.3
                ? '+rke2r1'
                : '',
      kubeletLag: Number(pick({ 0: 80, 1: 14, 2: 4, 3: 1 })),
      nodes: Math.max(1, Math.round(Math.exp(1.7 + normal() * 1.1))),
      growth: 0.8 + dice() * 0.5,
      osImage: pick(OS_IMAGES),
      kernel: pick(KERNELS),
      runtime: pick(RUNTIMES),
      architectures: isBoth
        ? ['amd64', 'arm64']
        : [pick({ amd64: 90, arm64: 9, s390x: 0.8, ppc64le: 0.5, riscv64: 0.15 })],
      operatingSystems: dice() < 0.04 ? ['linux', 'windows'] : ['linux'],
      cloud,
      cpuPerNode: 2 ** Math.floor(1 + dice() * 5),
      gpuPerNode: dice() < 0.07 ? 2 ** Math.floor(dice() * 4) : 0,
      extensions: dice() < 0.12 ? [pick(EXTENSIONS)] : [],
      namespaces: dice() < 0.38 ? Math.max(1, Math.round(Math.exp(3 + normal() * 0.9))) : undefined,
    };
  });
}

/** When a cluster runs which version: some months after each release, some clusters never. */
function upgradesOf(first: number, dice: () => number, normal: () => number) {
  const lag = Math.exp(5.2 + normal() * 0.55);
  const skips = dice() < 0.14;
  const isStuck = dice() < 0.1;
  const upgrades: { day: number; minor: number }[] = [];
  for (const { minor, released } of MINORS) {
    if (skips && minor % 2 === 1) continue;
    const day = Math.floor(released + Math.max(lag * (0.75 + dice() * 0.5), 5));
    const previous = upgrades.at(-1);
    if (day <= first) {
      upgrades.splice(0, 1, { day: first, minor });
    } else if (!isStuck && (previous === undefined || day > previous.day + 20)) {
      upgrades.push({ day, minor });
    }
  }
  return upgrades;
}
