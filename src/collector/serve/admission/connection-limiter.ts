import type { Clock } from '../../../runtime/clock.ts';
import { createKeyedCounts } from '../../../runtime/keyed-counts.ts';
import { createRateLimiter } from '../../ingest/rate-limiter.ts';
import type { Limits } from './limits.ts';

/**
 * The seconds' worth of connections that an idle address may open at once: all clients behind a load balancer reconnect after a restart.
 * With the default rate, as many as may be open.
 */
const BURST_SECONDS = 10;
/** What a connection costs that is closed for a breach of HTTP/2's rules, such as a flood of resets. */
const ATTACK_CONNECTIONS = 100;

export function createConnectionLimiter(
  {
    maxConnections,
    maxConnectionsPerAddress,
    connectionsPerSecondPerAddress: count,
  }: Pick<Limits, 'maxConnections' | 'maxConnectionsPerAddress' | 'connectionsPerSecondPerAddress'>,
  clock: Pick<Clock, 'now'>,
) {
  const rateLimiter = createRateLimiter({ count, perMs: 1_000, burst: count * BURST_SECONDS, clock });
  let open = 0;
  const openByAddress = createKeyedCounts();
  return {
    /**
     * @param addressKey where undefined, only the limit for all applies
     * @returns a function to call when the connection is closed; undefined where a limit is reached
     */
    acquire(addressKey: string | undefined): (() => void) | undefined {
      const ofAddress = addressKey === undefined ? 0 : openByAddress.get(addressKey);
      if (open >= maxConnections || (maxConnectionsPerAddress > 0 && ofAddress >= maxConnectionsPerAddress))
        return undefined;
      if (addressKey !== undefined && rateLimiter.take(addressKey) > 0) return undefined;
      open += 1;
      if (addressKey !== undefined) openByAddress.increment(addressKey);
      return () => {
        open -= 1;
        if (addressKey !== undefined) openByAddress.decrement(addressKey);
      };
    },
    /** The open connections of an address; 0 where undefined. */
    countOf: (addressKey: string | undefined): number => openByAddress.get(addressKey ?? ''),
    /** Counts a connection that ended with an attack as many, so that clients behind an address may connect more often than attackers. */
    penalise: (addressKey: string): void => rateLimiter.charge(addressKey, ATTACK_CONNECTIONS),
  };
}

/** Limits the streams that all HTTP/2 connections of an address have open. */
export function createStreamLimiter({ maxStreamsPerAddress }: Pick<Limits, 'maxStreamsPerAddress'>) {
  const openByAddress = createKeyedCounts();
  return {
    /** @returns whether the address may open one more; `release` must be called when it is closed */
    acquire(addressKey: string): boolean {
      if (maxStreamsPerAddress > 0 && openByAddress.get(addressKey) >= maxStreamsPerAddress) return false;
      openByAddress.increment(addressKey);
      return true;
    },
    release: (addressKey: string): void => openByAddress.decrement(addressKey),
  };
}
