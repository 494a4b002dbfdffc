import http from 'node:http';
import http2 from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { peakResidentMiB, residentMiB } from '../support/resident-memory.ts';
import {
  MAX_PENDING,
  type Outcome,
  postOrReject,
  type SlowCollector,
  startSlowCollector,
  submitOrReject,
} from '../support/slow-collector.ts';

const PEAK_MS = 3_000;
const OVERLOAD_MS = 4_000;
const CONNECTIONS = 8;
/** How much memory a collector of this capacity may take in addition, however many clients there are. */
const MAX_GROWTH_MIB = 64;

let collector: SlowCollector;

beforeAll(async () => {
  collector = await startSlowCollector();
});

afterAll(() => collector.close());

/** The rate of "stored" outcomes, from now until the last of them. */
function createMeter(): { readonly add: (outcome: Outcome) => void; readonly storedPerSecond: () => number } {
  const startMs = performance.now();
  let lastMs = startMs;
  let stored = 0;
  return {
    add: (outcome) => {
      if (outcome !== 'stored') return;
      stored += 1;
      lastMs = performance.now();
    },
    storedPerSecond: () => stored / ((lastMs - startMs) / 1000),
  };
}

test.runIf(process.platform === 'linux')(
  'at ten times its capacity a collector stores nine tenths of its peak rate, within its memory, and rejects the rest as retryable',
  async () => {
    const { url, process: child } = collector.program;
    const sessions = Array.from({ length: CONNECTIONS }, () => http2.connect(url));
    const session = (index: number): http2.ClientHttp2Session =>
      sessions[index % CONNECTIONS] as http2.ClientHttp2Session;
    const agent = new http.Agent({ keepAlive: true, maxSockets: 200 });
    try {
      // Its peak rate: nine tenths of the reports that may wait at a time, each followed by another.
      const peakStart = performance.now();
      const peakMeter = createMeter();
      const loop = async (index: number): Promise<void> => {
        while (performance.now() < peakStart + PEAK_MS) peakMeter.add(await submitOrReject(session(index)));
      };
      await Promise.all(Array.from({ length: MAX_PENDING * 0.9 }, (_, index) => loop(index)));
      const peak = peakMeter.storedPerSecond();
      const before = await residentMiB(child.pid);

      // Ten times as many a second, whatever the outcomes.
      const sent: Promise<Outcome>[] = [];
      const overloadMeter = createMeter();
      const most = await peakResidentMiB(child.pid, async () => {
        const start = performance.now();
        for (let now = start; now < start + OVERLOAD_MS; now = performance.now()) {
          while (sent.length < ((now - start) / 1000) * peak * 10) {
            const outcome = sent.length % 10 === 0 ? postOrReject(url, agent) : submitOrReject(session(sent.length));
            sent.push(outcome);
            outcome.then(overloadMeter.add, () => undefined);
          }
          await sleep(10);
        }
      });
      const outcomes = await Promise.all(sent);
      const goodput = overloadMeter.storedPerSecond();

      process.stdout.write(
        `overload: peak ${peak.toFixed(0)}/s, offered ${(sent.length / (OVERLOAD_MS / 1000)).toFixed(0)}/s, stored ${goodput.toFixed(0)}/s ` +
          `(${((100 * goodput) / peak).toFixed(0)} %), memory ${before.toFixed(0)} -> ${most.toFixed(0)} MiB\n`,
      );
      expect(outcomes).toContain('rejected');
      expect(goodput).toBeGreaterThan(0.9 * peak);
      expect(most - before).toBeLessThan(MAX_GROWTH_MIB);
    } finally {
      for (const each of sessions) each.close();
      agent.destroy();
    }
  },
);
