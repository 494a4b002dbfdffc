import type { Clock } from '../../runtime/clock.ts';
import { createRateLimiter, deleteOldest } from './rate-limiter.ts';

export interface QuarantineOptions {
  /** The clusters that may begin to report from one address per hour; 0 for no limit. */
  readonly newClustersPerHour: number;
  readonly isKnown: (clusterId: string) => Promise<boolean>;
  readonly clock: Pick<Clock, 'now'>;
}

/** Detects forged reports: those of many new clusters from one address. */
export interface Quarantine {
  /** Whether a report is to be stored in quarantine; never for one without a cluster id or an address key. */
  shouldHold(report: {
    readonly clusterId: string;
    /** Identifies the cluster in memory: the cluster id, or a hash of it. */
    readonly clusterKey: string;
    readonly addressKey: string | undefined;
  }): Promise<boolean>;
}

const MAX_KNOWN_CLUSTERS = 100_000;
const HOUR_MS = 3_600_000;

/** The database is queried only for reports from an address that has used up its new clusters: usual reports cost nothing. */
export function createQuarantine({ newClustersPerHour, isKnown, clock }: QuarantineOptions): Quarantine {
  if (newClustersPerHour === 0) return { shouldHold: () => Promise.resolve(false) };
  const rateLimiter = createRateLimiter({
    count: newClustersPerHour,
    perMs: HOUR_MS,
    burst: newClustersPerHour,
    now: () => clock.now(),
  });
  const known = new Set<string>();
  return {
    async shouldHold({ clusterId, clusterKey, addressKey }) {
      if (addressKey === undefined || clusterId === '' || known.has(clusterKey)) return false;
      if (rateLimiter.take(addressKey) > 0 && !(await isKnown(clusterId))) return true;
      known.add(clusterKey);
      deleteOldest(known, MAX_KNOWN_CLUSTERS);
      return false;
    },
  };
}
