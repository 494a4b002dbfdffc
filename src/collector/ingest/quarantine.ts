import type { Clock } from '../../runtime/clock.ts';
import { createRateLimiter, deleteOldest } from './rate-limiter.ts';

interface QuarantineOptions {
  /** The clusters that may begin to report from one address per hour; 0 for no limit. */
  readonly newClustersPerHour: number;
  readonly isKnown: (clusterId: string) => Promise<boolean>;
  readonly clock: Pick<Clock, 'now'>;
}

interface Origin {
  readonly clusterId: string;
  /** Identifies the cluster in memory: the cluster id, or a hash of it. */
  readonly clusterKey: string;
  readonly addressKey: string | undefined;
}

const MAX_KNOWN_CLUSTERS = 100_000;
const HOUR_MS = 3_600_000;

/**
 * Detects forged reports: those of many new clusters from one address. The database is queried only for addresses that exceed the limit.
 *
 * @returns whether a report is to be stored in quarantine; never for one without a cluster id or an address key
 */
export function createQuarantine(options: QuarantineOptions): (origin: Origin) => Promise<boolean> {
  const { newClustersPerHour, isKnown, clock } = options;
  if (newClustersPerHour === 0) return () => Promise.resolve(false);
  const rateLimiter = createRateLimiter({ count: newClustersPerHour, perMs: HOUR_MS, clock });
  const known = new Set<string>();
  return async ({ clusterId, clusterKey, addressKey }) => {
    if (addressKey === undefined || clusterId === '' || known.has(clusterKey)) return false;
    if (rateLimiter.take(addressKey) > 0 && !(await isKnown(clusterId))) return true;
    known.add(clusterKey);
    deleteOldest(known, MAX_KNOWN_CLUSTERS);
    return false;
  };
}
