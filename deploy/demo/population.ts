import type { Node, Report } from '../../gen/spartakus/report/v1/report_pb.js';
import releases from '../../src/collector/statistics/kubernetes-releases.json' with { type: 'json' };
import { assembleNode, assembleReport } from '../../src/report/assemble.ts';

/** A number from 0 to less than 1; the same sequence for the same seed. */
export type Random = () => number;

/** https://github.com/bryc/code/blob/master/jshash/PRNGs.md#mulberry32 (public domain) */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Vendor {
  readonly name: string;
  readonly weight: number;
  readonly cloud: string;
  /** After the version, such as "+k3s1". */
  readonly suffix: string;
  readonly osImages: readonly string[];
  readonly kernel: string;
  readonly runtime: string;
  /** The median number of nodes. */
  readonly nodes: number;
  /** The median number of days after a release at which a cluster upgrades. */
  readonly lagDays: number;
  readonly arm: number;
}

const UBUNTU = ['Ubuntu 22.04.5 LTS', 'Ubuntu 24.04.3 LTS'];
const VENDORS: readonly Vendor[] = [
  {
    name: 'eks',
    weight: 24,
    cloud: 'aws',
    suffix: '-eks-5e0fdde',
    osImages: ['Amazon Linux 2', 'Amazon Linux 2023.6.20250115', 'Bottlerocket OS 1.29.0'],
    kernel: '6.1.141-155.amzn2023.x86_64',
    runtime: 'containerd://1.7.27',
    nodes: 7,
    lagDays: 240,
    arm: 0.3,
  },
  {
    name: 'gke',
    weight: 20,
    cloud: 'gce',
    suffix: '-gke.1443001',
    osImages: ['Container-Optimized OS from Google'],
    kernel: '6.6.72+',
    runtime: 'containerd://1.7.24',
    nodes: 6,
    lagDays: 170,
    arm: 0.1,
  },
  {
    name: 'aks',
    weight: 15,
    cloud: 'azure',
    suffix: '',
    osImages: ['Ubuntu 22.04.5 LTS', 'CBL-Mariner/Linux'],
    kernel: '5.15.0-1089-azure',
    runtime: 'containerd://1.7.28-1',
    nodes: 6,
    lagDays: 210,
    arm: 0.08,
  },
  {
    name: 'k3s',
    weight: 17,
    cloud: '',
    suffix: '+k3s1',
    osImages: ['Debian GNU/Linux 12 (bookworm)', ...UBUNTU],
    kernel: '6.1.0-32-amd64',
    runtime: 'containerd://2.0.5-k3s1',
    nodes: 2,
    lagDays: 260,
    arm: 0.45,
  },
  {
    name: 'rke2',
    weight: 7,
    cloud: '',
    suffix: '+rke2r1',
    osImages: ['SUSE Linux Enterprise Server 15 SP6', ...UBUNTU],
    kernel: '6.4.0-150600.23.47-default',
    runtime: 'containerd://1.7.27-k3s1',
    nodes: 9,
    lagDays: 280,
    arm: 0.03,
  },
  {
    name: 'openshift',
    weight: 5,
    cloud: 'aws',
    suffix: '',
    osImages: ['Red Hat Enterprise Linux CoreOS 418.94.202501221327-0'],
    kernel: '5.14.0-427.50.1.el9_4.x86_64',
    runtime: 'cri-o://1.31.4',
    nodes: 12,
    lagDays: 300,
    arm: 0.02,
  },
  {
    name: 'talos',
    weight: 3,
    cloud: 'hcloud',
    suffix: '',
    osImages: ['Talos (v1.9.5)', 'Talos (v1.10.3)'],
    kernel: '6.12.18-talos',
    runtime: 'containerd://2.0.3',
    nodes: 5,
    lagDays: 120,
    arm: 0.2,
  },
  {
    name: 'kubeadm',
    weight: 9,
    cloud: '',
    suffix: '',
    osImages: [...UBUNTU, 'Debian GNU/Linux 12 (bookworm)', 'Rocky Linux 9.5 (Blue Onyx)'],
    kernel: '6.8.0-60-generic',
    runtime: 'containerd://1.7.27',
    nodes: 4,
    lagDays: 330,
    arm: 0.1,
  },
];

const MEMORY_PER_CORE_KI = 4 * 2 ** 20;
const DAY_MS = 86_400_000;
const REPORT_EVERY_DAYS = 14;

/** A made-up cluster that takes part from `from` to `to`. */
interface Cluster {
  readonly id: string;
  readonly vendor: Vendor;
  readonly fromMs: number;
  readonly toMs: number;
  readonly random: Random;
  readonly nodes: number;
  readonly growthAYear: number;
  readonly cores: number;
  readonly lagDays: number;
  /** Some clusters are never upgraded. */
  readonly upgrades: boolean;
  readonly hasArm: boolean;
  readonly gpus: number;
  readonly osImage: string;
  readonly countsNamespaces: boolean;
}

export interface PopulationOptions {
  readonly clusters: number;
  readonly seed: number;
  /** The last day of the year, UTC. */
  readonly until: Date;
  readonly days: number;
}

/** Makes the reports of a made-up population of clusters, in the order of their times: each cluster reports every two weeks. */
export function* generateReports({ clusters, seed, until, days }: PopulationOptions): Generator<Report> {
  const untilMs = until.getTime();
  const random = createRandom(seed);
  const population = Array.from({ length: clusters }, () => createCluster(random, untilMs - days * DAY_MS, untilMs));
  for (let day = days; day >= 0; day -= 1) {
    for (const [index, cluster] of population.entries()) {
      if ((index + day) % REPORT_EVERY_DAYS !== 0) continue;
      const timeMs = untilMs - day * DAY_MS;
      if (timeMs >= cluster.fromMs && timeMs <= cluster.toMs) yield reportOf(cluster, timeMs);
    }
  }
}

function createCluster(random: Random, startMs: number, untilMs: number): Cluster {
  const own = createRandom(Math.floor(random() * 2 ** 32));
  const vendor = pickByWeight(VENDORS, own());
  // More and more clusters take part: 40 % from the start, the others over the year.
  const fromMs = own() < 0.4 ? startMs : startMs + Math.sqrt(own()) * (untilMs - startMs);
  const leaves = own() < 0.22;
  return {
    id: uuid(own),
    vendor,
    fromMs,
    toMs: leaves ? fromMs + own() * (untilMs - fromMs) : untilMs,
    random: own,
    nodes: Math.max(1, Math.round(vendor.nodes * logNormal(own, 0.9))),
    growthAYear: own() * 0.5 - 0.1,
    cores: [2, 4, 8, 16, 32][Math.floor(own() ** 1.3 * 5)] ?? 4,
    lagDays: vendor.lagDays * logNormal(own, 0.35),
    upgrades: own() > 0.08,
    hasArm: own() < vendor.arm,
    gpus: own() < 0.06 ? ([1, 2, 4, 8][Math.floor(own() * 4)] ?? 1) : 0,
    osImage: vendor.osImages[Math.floor(own() * vendor.osImages.length)] ?? '',
    countsNamespaces: own() < 0.35,
  };
}

function reportOf(cluster: Cluster, timeMs: number): Report {
  const { vendor, random } = cluster;
  const years = (timeMs - cluster.fromMs) / (365 * DAY_MS);
  const count = Math.max(1, Math.round(cluster.nodes * (1 + cluster.growthAYear * years)));
  const control = versionAt(cluster.upgrades ? timeMs : cluster.fromMs, cluster.lagDays);
  // During an upgrade kubelets are behind.
  const kubelet = versionAt(cluster.upgrades ? timeMs - 12 * DAY_MS : cluster.fromMs, cluster.lagDays);
  // Nodes differ only in a few values, and to assemble a node is most of the work.
  const kinds = new Map<string, Node>();
  const nodes = Array.from({ length: count }, (_, index) => {
    const isArm = cluster.hasArm && index % 3 === 0;
    const isWindows = vendor.name === 'aks' && index === 1 && cluster.cores === 8;
    const gpus = index === 0 ? cluster.gpus : 0;
    const kubeletVersion = (index % 4 === 0 ? kubelet : control) + vendor.suffix;
    const kind = `${isArm} ${isWindows} ${gpus} ${kubeletVersion}`;
    const node = kinds.get(kind) ?? createNode(cluster, { isArm, isWindows, gpus, kubeletVersion });
    kinds.set(kind, node);
    return { ...node, id: hex(random, 32) };
  });
  return assembleReport({
    version: years > 0.5 ? 'v2.0.0' : 'v1.1.0',
    clusterId: cluster.id,
    masterVersion: `${control}${vendor.suffix}`,
    nodes,
    sequence: 1,
    ...(cluster.countsNamespaces ? { namespaces: 4 + Math.floor(count * 2.5) } : {}),
    observedAt: new Date(timeMs),
    random: Uint8Array.from({ length: 16 }, () => Math.floor(random() * 256)),
  });
}

interface NodeKind {
  readonly isArm: boolean;
  readonly isWindows: boolean;
  readonly gpus: number;
  readonly kubeletVersion: string;
}

function createNode({ vendor, osImage, cores }: Cluster, { isArm, isWindows, gpus, kubeletVersion }: NodeKind): Node {
  return assembleNode({
    operatingSystem: isWindows ? 'windows' : 'linux',
    osImage: isWindows ? 'Windows Server 2022 Datacenter' : osImage,
    kernelVersion: isArm ? vendor.kernel.replace('x86_64', 'aarch64').replace('amd64', 'arm64') : vendor.kernel,
    architecture: isArm ? 'arm64' : 'amd64',
    containerRuntimeVersion: vendor.runtime,
    kubeletVersion,
    ...(vendor.cloud === '' ? {} : { cloudProvider: vendor.cloud }),
    capacity: [
      { resource: 'cpu', value: String(cores) },
      { resource: 'memory', value: `${Math.round(cores * MEMORY_PER_CORE_KI * 0.97)}Ki` },
      { resource: 'pods', value: '110' },
      ...(gpus > 0 ? [{ resource: 'nvidia.com/gpu', value: String(gpus) }] : []),
    ],
  });
}

/** The version that a cluster runs that upgrades to each minor version some days after its release. */
function versionAt(timeMs: number, lagDays: number): string {
  const day = new Date(timeMs - lagDays * DAY_MS).toISOString().slice(0, 10);
  const current = releases.minors.findLast(({ released }) => released <= day) ?? releases.minors[0];
  const sinceDays = (timeMs - lagDays * DAY_MS - Date.parse(current?.released ?? '')) / DAY_MS;
  return `v${current?.minor ?? '1.20'}.${Math.max(1, Math.min(9, Math.floor(sinceDays / 30)))}`;
}

function pickByWeight(vendors: readonly Vendor[], share: number): Vendor {
  let left = share * vendors.reduce((sum, { weight }) => sum + weight, 0);
  const found = vendors.find(({ weight }) => (left -= weight) < 0) ?? vendors.at(-1);
  if (found === undefined) throw new Error('there are no vendors');
  return found;
}

/** With a median of 1: https://en.wikipedia.org/wiki/Box%E2%80%93Muller_transform */
function logNormal(random: Random, sigma: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.exp(sigma * normal);
}

function hex(random: Random, digits: number): string {
  let text = '';
  while (text.length < digits)
    text += Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return text.slice(0, digits);
}

function uuid(random: Random): string {
  return `${hex(random, 8)}-${hex(random, 4)}-4${hex(random, 3)}-8${hex(random, 3)}-${hex(random, 12)}`;
}
