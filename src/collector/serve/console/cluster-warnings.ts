import ipaddr from 'ipaddr.js';
import type { RequestOrigin } from '../../../report/request-origin.ts';
import type { Clock } from '../../../runtime/clock.ts';
import type { Logger } from '../../../runtime/logger.ts';
import type { IngestObserver } from '../../ingest/observer.ts';

interface ClusterWarningsOptions {
  readonly clock: Pick<Clock, 'now'>;
  /** Not a rate-limited one: each warning has a limit of its own. */
  readonly logger: Pick<Logger, 'warn'>;
  /** Whether the address that --record-peer selects is logged. */
  readonly verbose: boolean;
}

export interface ClusterWarnings extends Required<Pick<IngestObserver, 'onCluster' | 'onQuarantined'>> {
  /** The share of the busiest address in the clusters of this hour, from 0 to 1; 0 where it has less than 20 clusters. */
  busiestAddressRatio(): number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MIN_CLUSTERS = 20;
const MIN_RATIO = 0.5;
/** Of an hour; the share is then that of the first ones. */
const MAX_CLUSTERS = 10_000;

const QUARANTINED =
  'Reports are stored in quarantine and are not counted: one address has sent more new clusters in an hour than --max-new-clusters allows. ' +
  'Where a load balancer or proxy stands in front of the collector, name it in --trusted-proxies, with --proxy-protocol where it forwards ' +
  'TCP. Otherwise the reports may be forged, or many clusters may share the address: raise the limit. "spartakus quarantine list" shows ' +
  'the clusters, "spartakus quarantine release" counts them, and "spartakus quarantine drop" deletes them.';
const BUSY_ADDRESS =
  'Most clusters report from one address, so that they share its limits (--max-new-clusters, --max-address-rate, --max-address-connections). ' +
  'Where it is a load balancer or proxy, name it in --trusted-proxies, with --proxy-protocol where it forwards TCP. Otherwise one client ' +
  'may forge clusters.';

/** Warns of quarantine at most once an hour, and of an address with most clusters at most once a day. Addresses stay in memory. */
export function createClusterWarnings({ clock, logger, verbose }: ClusterWarningsOptions): ClusterWarnings {
  const warnQuarantined = createSparseWarning(QUARANTINED, HOUR_MS);
  const warnBusyAddress = createSparseWarning(BUSY_ADDRESS, DAY_MS);
  let hour = createHour(0);
  const currentHour = (nowMs: number) => {
    const ageMs = nowMs - hour.startMs;
    // Negative where the clock was set back.
    if (ageMs >= HOUR_MS || ageMs < 0) hour = createHour(nowMs);
    return hour;
  };
  const addressOf = ({ recordedAddress }: RequestOrigin): object =>
    verbose && recordedAddress !== undefined ? { receivedFrom: recordedAddress } : {};

  function createSparseWarning(message: string, intervalMs: number) {
    let lastMs = Number.NEGATIVE_INFINITY;
    let count = 0;
    return (fields: (count: number) => object): void => {
      const nowMs = clock.now().getTime();
      count += 1;
      if (nowMs - lastMs < intervalMs && nowMs >= lastMs) return;
      lastMs = nowMs;
      logger.warn(fields(count), message);
      count = 0;
    };
  }

  return {
    onCluster(clusterKey, origin) {
      const { clusters, byAddress, busiest } = currentHour(clock.now().getTime());
      if (clusters.size >= MAX_CLUSTERS || clusters.has(clusterKey)) return;
      clusters.add(clusterKey);
      const { addressKey } = origin;
      if (addressKey === undefined) return;
      const count = (byAddress.get(addressKey) ?? 0) + 1;
      byAddress.set(addressKey, count);
      busiest.count = Math.max(busiest.count, count);
      if (count < MIN_CLUSTERS || count <= MIN_RATIO * clusters.size) return;
      warnBusyAddress(() => ({
        clusters: count,
        ofClusters: clusters.size,
        network: rangeOf(addressKey),
        ...addressOf(origin),
      }));
    },
    onQuarantined: (_dialect, origin) =>
      warnQuarantined((count) => ({ reportsSinceLastWarning: count, ...addressOf(origin) })),
    busiestAddressRatio() {
      const { clusters, busiest } = currentHour(clock.now().getTime());
      return busiest.count < MIN_CLUSTERS ? 0 : busiest.count / clusters.size;
    },
  };
}

/** The clusters by hash, and their numbers by address. */
function createHour(startMs: number) {
  return { startMs, clusters: new Set<string>(), byAddress: new Map<string, number>(), busiest: { count: 0 } };
}

/** Such as "private", which suggests a proxy, or "public". */
function rangeOf(addressKey: string): string {
  const range = ipaddr.parse(addressKey.replace(/\/\d+$/, '')).range();
  return range === 'unicast' ? 'public' : range;
}
