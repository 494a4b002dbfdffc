import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEngine } from '../../../src/collector/store/engine/start-engine.ts';
import { peakResidentMiB, residentMiB } from '../../support/resident-memory.ts';
import { spreadOf } from '../rounds.ts';
import { type BenchCase, collectorCommand, type Ratio, type Row, withDirectory, withServers } from './case.ts';

const IDLE_MS = 5_000;
const STEADY_SECONDS = 20;
const QUICK_SECONDS = 3;
const OFFERED = 10_000;
const LOAD = { protocol: 'stream', connections: 2, inFlight: 2_000, nodes: 1 } as const;

const IDLE = 'idle, on a server database';
const STEADY = `most, with ${OFFERED.toLocaleString('en-US')} reports a second offered over gRPC streams`;

const mebibytes = (id: string, label: string, value: number, target: number): Ratio => ({
  id,
  label,
  value: spreadOf([value]),
  unit: 'MiB',
  better: 'lower',
  target,
});

async function measureIdle(uri: string, ms: number): Promise<number> {
  return await withServers({ collector: collectorCommand(`--database=${uri}`) }, async ({ collector }) => {
    await sleep(ms);
    return await residentMiB(collector.pid);
  });
}

/** The memory in RAM of the collector's process. The server database is an engine in a process of its own, behind its connection string. */
export const MEMORY_CASE: BenchCase = {
  id: 'memory',
  title: 'Memory of the collector',
  run: ({ generator, isQuick }) =>
    withDirectory(async (directory) => {
      const idleDirectory = path.join(directory, 'server');
      await mkdir(idleDirectory);
      const engine = await startEngine(idleDirectory);
      let idle: number;
      try {
        idle = await measureIdle(engine.uri, isQuick ? IDLE_MS / 5 : IDLE_MS);
      } finally {
        await engine.close();
      }
      const embedded = collectorCommand(`--database=embedded:${path.join(directory, 'embedded')}`);
      const steady = await withServers({ collector: embedded }, async ({ collector: { pid, port } }) => {
        let perSecond = 0;
        const most = await peakResidentMiB(pid, async () => {
          const seconds = isQuick ? QUICK_SECONDS : STEADY_SECONDS;
          const { answered, seconds: elapsed } = await generator.run({ ...LOAD, port, seconds, offered: OFFERED });
          perSecond = answered / elapsed;
        });
        return { most, perSecond };
      });
      const rows: readonly Row[] = [
        { name: IDLE, figures: { MiB: spreadOf([idle]) } },
        { name: STEADY, figures: { MiB: spreadOf([steady.most]), 'a second': spreadOf([steady.perSecond]) } },
      ];
      return { rows, ratios: [mebibytes('idle', IDLE, idle, 110), mebibytes('steady', STEADY, steady.most, 250)] };
    }),
};
