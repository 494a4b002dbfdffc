import type { Clock } from '../../runtime/clock.ts';
import { createBatcher } from './batcher.ts';
import type { ClusterLookup } from './observer.ts';
import { createRateLimiter, deleteOldest } from './rate-limiter.ts';

interface QuarantineOptions {
  /** The clusters that may begin to report from one address per hour; 0 for no limit. */
  readonly newClustersPerHour: number;
  /** Further lookups are rejected as `overloaded`. */
  readonly maxPendingLookups: number;
  /** Beyond it, the cluster that reported longest ago is forgotten, and looked up again. */
  readonly maxKnownClusters?: number;
  readonly isKnown: (clusterId: string) => Promise<boolean>;
  readonly onLookup?: ((result: ClusterLookup) => void) | undefined;
  readonly clock: Clock;
}

interface Origin {
  readonly clusterId: string;
  /** A hash of the cluster id. */
  readonly clusterKey: string;
  readonly addressKey: string | undefined;
}

const MAX_KNOWN_CLUSTERS = 100_000;
const HOUR_MS = 3_600_000;
/** Of one query; while it runs, others wait. */
const MAX_LOOKUPS = 100;
const MAX_WAIT_MS = 10_000;

/**
 * Detects forged reports: those of many new clusters from one address. A cluster that the database knows takes nothing from the limit of
 * its address, so that it does not count as new after a restart.
 *
 * @returns whether a report is to be stored in quarantine, at once where it is known; never for one without a cluster id or an address key. Rejects with the error
 * of `isKnown`, or with SpartakusError `overloaded`
 */
export function createQuarantine(options: QuarantineOptions): (origin: Origin) => boolean | Promise<boolean> {
  const {
    newClustersPerHour,
    maxPendingLookups,
    maxKnownClusters = MAX_KNOWN_CLUSTERS,
    isKnown,
    onLookup,
    clock,
  } = options;
  if (newClustersPerHour === 0) return () => false;
  const rateLimiter = createRateLimiter({ count: newClustersPerHour, perMs: HOUR_MS, clock });
  /** In the order of use. Only what stays true: an unknown cluster may be released at any time. */
  const known = new Set<string>();
  const lookups = new Map<string, Promise<boolean>>();
  const batcher = createBatcher<string, boolean>({
    write: (clusterIds) => Promise.all(clusterIds.map(isKnown)),
    maxItems: MAX_LOOKUPS,
    maxInFlight: 1,
    maxBytes: Number.POSITIVE_INFINITY,
    sizeOf: () => 0,
    maxPendingItems: maxPendingLookups,
    maxPendingBytes: Number.POSITIVE_INFINITY,
    maxWaitMs: MAX_WAIT_MS,
    clock,
  });
  const remember = (clusterKey: string): void => {
    known.delete(clusterKey);
    known.add(clusterKey);
    deleteOldest(known, maxKnownClusters);
  };
  /** Concurrent reports of one cluster share a lookup. */
  const lookUp = (clusterKey: string, clusterId: string): Promise<boolean> => {
    const running = lookups.get(clusterKey);
    if (running !== undefined) return running;
    const lookup = batcher.put(clusterId).finally(() => lookups.delete(clusterKey));
    lookups.set(clusterKey, lookup);
    return lookup;
  };

  const decide = async (origin: Origin, addressKey: string): Promise<boolean> => {
    const { clusterId, clusterKey } = origin;
    const isStored = await lookUp(clusterKey, clusterId);
    // Another report of a new cluster may have taken from the limit meanwhile.
    if (!known.has(clusterKey)) {
      const isNew = !isStored;
      if (isNew && rateLimiter.take(addressKey) > 0) {
        onLookup?.('quarantined');
        return true;
      }
      onLookup?.(isNew ? 'new' : 'known');
    }
    remember(clusterKey);
    return false;
  };
  return (origin) => {
    const { clusterId, clusterKey, addressKey } = origin;
    if (addressKey === undefined || clusterId === '') return false;
    if (!known.has(clusterKey)) return decide(origin, addressKey);
    remember(clusterKey);
    return false;
  };
}
