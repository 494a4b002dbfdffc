import process from 'node:process';
import { onTestFinished, expect, test } from 'vitest';
import { createMongoClient } from '../../src/collector/store/mongo-client.ts';
import { makeEmbeddedDatabase } from '../support/database.ts';
import { createDice } from '../support/dice.ts';
import { checkStoredOnce, createHistory, STORED_ONCE } from '../support/history.ts';
import { startLoad } from '../support/load.ts';
import { openReplicaSet } from '../support/replica-set/replica-set.ts';
import { startLoadedCollector, stopCollector } from '../support/rolling-restarts.ts';
import { startDatabase } from '../support/running-database.ts';
import { compareFigures, FAILURES, haveIncidents, startRollUps, STEP_DOWNS } from '../support/step-downs.ts';

const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
const ROUNDS = Number(process.env['SPARTAKUS_TEST_STEP_DOWNS'] ?? 60) / (STEP_DOWNS.length + FAILURES.length);
/** The mean. */
const ELECTION_MS = 1_500;
/** From the election to the next report that is stored. The driver asks a server again half a second after the last time. */
const MAX_DELAY_MS = 2_500;

test(
  `${Math.ceil(ROUNDS)} rounds of step-downs and failures under the load of two programs: each report is stored and counted once, no step-down ` +
    `rejects one, and reports are stored again within ${MAX_DELAY_MS} ms of an election (seed ${SEED}; SPARTAKUS_TEST_SEED repeats it)`,
  { timeout: 60_000 + ROUNDS * 60_000 },
  async () => {
    const dice = createDice(SEED);
    const history = createHistory();
    const database = await startDatabase(makeEmbeddedDatabase);
    const set = await openReplicaSet(database.uri);
    const collectors = await Promise.all([startLoadedCollector(set.uri), startLoadedCollector(set.uri)]);
    const loads = collectors.map(({ url }) => startLoad({ history, dice, pickUrl: () => url, pauseMs: 10 }));
    const [load] = loads;
    const client = createMongoClient({
      uri: set.uri,
      appName: 'roll-up',
      connectTimeoutMs: 2_000,
      storeTimeoutMs: 2_000,
    });
    onTestFinished(() => client.close());
    const rollUps = startRollUps([client.db('spartakus'), client.db('spartakus')]);
    const delays: number[] = [];
    const rejections: number[] = [];
    const measured = STEP_DOWNS.map((incident): typeof incident => async (incidentSet, electionMs) => {
      const before = loads.reduce((sum, each) => sum + each.rejections, 0);
      await incident(incidentSet, electionMs);
      const start = performance.now();
      await load?.acknowledged(1);
      delays.push(Math.round(performance.now() - start));
      rejections.push(loads.reduce((sum, each) => sum + each.rejections, 0) - before);
    });

    for (let round = 0; round < ROUNDS && load !== undefined; round += 1) {
      await rollUps.next();
      await haveIncidents(set, load, measured, { dice, electionMs: ELECTION_MS });
      await haveIncidents(set, load, FAILURES, { dice, electionMs: ELECTION_MS });
      for (const { url } of collectors)
        await expect.poll(async () => (await fetch(`${url}/readyz`)).status, { timeout: 20_000 }).toBe(200);
    }
    for (const each of loads) await each.finish();
    for (const collector of collectors) await stopCollector(collector);
    const updates = await rollUps.finish();

    const sorted = delays.toSorted((left, right) => left - right);
    const { reports, attempts } = history.counts;
    process.stderr.write(
      `${set.stepDowns} step-downs, ${reports} reports in ${attempts} attempts, ${updates} updates of the statistics; until a report is ` +
        `stored after an election: median ${sorted[Math.floor(sorted.length / 2)]} ms, longest ${sorted.at(-1)} ms; reports rejected ` +
        `in ${rejections.length} step-downs: ${rejections.reduce((sum, each) => sum + each, 0)}\n`,
    );
    const stored = await database.reports();
    expect(checkStoredOnce(history, await database.storedReports())).toStrictEqual(STORED_ONCE);
    await expect(stored.countDocuments({ facts: { $exists: false } })).resolves.toBe(0);
    const figures = await compareFigures(stored.db);
    expect(figures.stored).toStrictEqual(figures.counted);
    expect(sorted.at(-1)).toBeLessThan(MAX_DELAY_MS);
    expect(rejections).toStrictEqual(rejections.map(() => 0));
    await client.close();
    await set.close();
    await database.close();
  },
);
