import { type BatcherOptions, createBatcher } from '../../src/collector/ingest/batcher.ts';
import { createManualClock } from './manual-clock.ts';

interface PendingWrite {
  readonly items: readonly string[];
  succeed(): Promise<void>;
  fail(reason: Error): Promise<void>;
}

/** Until what has happened has had its effects. */
export const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** A batcher whose writes end when the test says so. An item's result is the item with a mark; its size is its length. */
export function makeBatcher(limits: Partial<Omit<BatcherOptions<string, string>, 'write' | 'sizeOf' | 'clock'>> = {}) {
  const writes: PendingWrite[] = [];
  const clock = createManualClock(new Date('2026-11-21T10:00:00Z'));
  const batcher = createBatcher<string, string>({
    maxItems: 100,
    maxBytes: 1000,
    maxInFlight: 1,
    maxPendingItems: 100,
    maxPendingBytes: 1000,
    maxWaitMs: 10_000,
    defer: (begin) => begin(),
    clock,
    ...limits,
    sizeOf: (item) => item.length,
    write: (items) => {
      const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
      writes.push({
        items,
        succeed: () => (resolve(items.map((item) => `${item}!`)), settle()),
        fail: (reason) => (reject(reason), settle()),
      });
      return promise;
    },
  });
  return { batcher, writes, clock, itemsOf: () => writes.map(({ items }) => items.join('')) };
}
