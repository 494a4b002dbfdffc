import type { Clock } from '../../runtime/clock.ts';
import { createRate } from './rate.ts';

export interface QuarantineOptions {
  /** How many clusters may begin to report from one source in an hour; 0 for any number. */
  readonly newClustersPerHour: number;
  /** Whether reports of this cluster are stored that are not in quarantine. */
  readonly isKnown: (clusterId: string) => Promise<boolean>;
  readonly clock: Pick<Clock, 'now'>;
}

/** Tells which reports look made up: those of a crowd of new clusters that comes from one address. */
export interface Quarantine {
  /** Whether what this cluster sends is to be held back. */
  holds(from: From): Promise<boolean>;
}

interface From {
  /** Empty where it is not said: then nothing is held. */
  readonly clusterId: string;
  /** What the cluster is remembered by. */
  readonly key: string;
  /** As of a Peer; of what has none nothing is held. */
  readonly source: string | undefined;
}

/** The most clusters that are remembered as known; whoever was remembered first is forgotten first. */
const MAX_REMEMBERED = 100_000;
const HOUR_MS = 3_600_000;

/**
 * The database is asked only about what comes from a source that has used up its new clusters, so that the usual report costs nothing.
 */
export function createQuarantine({ newClustersPerHour, isKnown, clock }: QuarantineOptions): Quarantine {
  if (newClustersPerHour === 0) return { holds: () => Promise.resolve(false) };
  const rate = createRate({
    count: newClustersPerHour,
    perMs: HOUR_MS,
    burst: newClustersPerHour,
    now: () => clock.now(),
  });
  const known = new Set<string>();
  const remember = (key: string): void => {
    known.add(key);
    if (known.size <= MAX_REMEMBERED) return;
    for (const oldest of known) {
      known.delete(oldest);
      return;
    }
  };
  return {
    async holds({ clusterId, key, source }) {
      if (source === undefined || clusterId === '' || known.has(key)) return false;
      if (rate.take(source) > 0 && !(await isKnown(clusterId))) return true;
      remember(key);
      return false;
    },
  };
}
