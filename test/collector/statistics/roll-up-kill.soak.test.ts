import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { DayPoint } from '../../../src/collector/statistics/day-point.ts';
import { createFacts } from '../../../src/collector/statistics/facts.ts';
import { replayDirtyDays } from '../../../src/collector/statistics/replay.ts';
import { DEFAULT_STATISTICS_CONFIG, rollUp } from '../../../src/collector/statistics/roll-up.ts';
import { readState } from '../../../src/collector/statistics/state.ts';
import { toDocument } from '../../../src/report/stored-document.ts';
import { createDice } from '../../support/dice.ts';
import { plainPoint, type PlainReport } from '../../support/plain-statistics.ts';
import { startDatabase } from '../../support/running-database.ts';

const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
const KILLS = 30;
const CLUSTERS = 300;
const LOOP = fileURLToPath(new URL('../../support/update-loop.ts', import.meta.url));
const DAY_MS = 86_400_000;

test(
  `after ${KILLS} kills while reports come, the figures are those of a plain loop (seed ${SEED})`,
  { timeout: 30_000 + KILLS * 3_000 },
  async () => {
    const dice = createDice(SEED);
    const running = await startDatabase();
    const reports = await running.reports();
    const db = reports.db;
    const makeFacts = createFacts();
    let sent = 0;
    const send = async (): Promise<void> => {
      const receivedAt = new Date();
      const documents = Array.from({ length: 20 }, () => {
        const ageDays = dice() < 0.8 ? 0 : Math.floor(dice() * 5);
        const report = create(ReportSchema, {
          reportId: `report-${(sent += 1)}`,
          clusterId: `cluster-${Math.floor(dice() * CLUSTERS)}`,
          masterVersion: `v1.${30 + Math.floor(dice() * 3)}.0`,
          observedAt: timestampFromDate(new Date(receivedAt.getTime() - ageDays * DAY_MS)),
          nodes: Array.from({ length: 1 + Math.floor(dice() * 3) }, () => ({ osImage: 'Ubuntu 24.04 LTS' })),
        });
        return toDocument(report, receivedAt, { facts: makeFacts(report, { receivedAt, dialect: 'report' }) });
      });
      await reports.insertMany(documents);
    };

    for (let kill = 0; kill < KILLS; kill += 1) {
      const child = spawn(process.execPath, [LOOP, running.uri], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(child.stdout, 'data');
      const lifeMs = 600 + dice() * 800;
      for (let leftMs = lifeMs; leftMs > 0; leftMs -= 40) {
        await send();
        await sleep(Math.min(leftMs, 40));
      }
      child.kill('SIGKILL');
      await once(child, 'exit');
    }

    // The killed ones got this far.
    expect((await readState(db)).watermark).toBeInstanceOf(Date);
    let epochs = 0;
    const options = {
      clock: { now: () => new Date() },
      config: DEFAULT_STATISTICS_CONFIG,
      lease: { owner: 'test', assertHeld: () => undefined },
      makeFacts,
      newEpoch: () => `epoch-${(epochs += 1)}`,
    };
    await db
      .collection<{ _id: string }>('statisticsState')
      .updateOne({ _id: 'rollUp' }, { $set: { lease: { owner: 'test', until: new Date(8e15) } } });
    await rollUp(db, options);
    await replayDirtyDays(db, options);

    const raw = (await reports.find().toArray()) as unknown as PlainReport[];
    const points = await db.collection<DayPoint>('statistics').find().sort({ _id: 1 }).toArray();
    expect(points.length).toBeGreaterThan(3);
    for (const { _id, clusters, nodes, newClusters, returningClusters, lostClusters } of points)
      expect({ clusters, nodes, newClusters, returningClusters, lostClusters }).toStrictEqual(
        expect.objectContaining(totalsOf(plainPoint(raw, _id, DEFAULT_STATISTICS_CONFIG.activeWindowDays))),
      );
    await running.close();
  },
);

function totalsOf(point: object): object {
  const { clusters, nodes, newClusters, returningClusters, lostClusters } = point as DayPoint;
  return { clusters, nodes, newClusters, returningClusters, lostClusters };
}
