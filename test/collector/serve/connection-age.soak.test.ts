import { once } from 'node:events';
import http2 from 'node:http2';
import { expect, test } from 'vitest';
import { startCollectorOn } from '../../support/collector.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

/** The spread of the endings of twenty connections of the same age, in milliseconds. */
const MIN_SPREAD_MS = 20;

test('connections that were opened at the same time are not all closed at the same time', async () => {
  const collector = await startCollectorOn(
    'memory',
    { limits: { maxConnectionAgeMs: 500 }, shutdownGraceMs: 100 },
    { openStore: () => Promise.resolve(createMemoryStore()) },
  );
  const endings = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const session = http2.connect(collector.url);
      const start = performance.now();
      await once(session, 'goaway');
      const end = performance.now();
      session.destroy();
      return end - start;
    }),
  );
  await collector.close();

  expect(Math.max(...endings) - Math.min(...endings)).toBeGreaterThan(MIN_SPREAD_MS);
});
