import process from 'node:process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMongoClient } from '../../src/collector/store/mongo-client.ts';
import { type LocalCollector, startCollectorOn } from '../support/collector.ts';
import { makeEmbeddedDatabase } from '../support/database.ts';
import { createDice } from '../support/dice.ts';
import { checkStoredOnce, createHistory, STORED_ONCE } from '../support/history.ts';
import { type Load, startLoad } from '../support/load.ts';
import { openReplicaSet, type ReplicaSet } from '../support/replica-set/replica-set.ts';
import { type RunningDatabase, startDatabase } from '../support/running-database.ts';
import { compareFigures, FAILURES, haveIncidents, startRollUps, STEP_DOWNS } from '../support/step-downs.ts';

const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
const TITLE = `(seed ${SEED}; SPARTAKUS_TEST_SEED repeats it)`;

let database: RunningDatabase;
let set: ReplicaSet;
const history = createHistory();
const dice = createDice(SEED);

beforeAll(async () => {
  database = await startDatabase(makeEmbeddedDatabase);
  set = await openReplicaSet(database.uri);
});

afterAll(async () => {
  await set.close();
  await database.close();
});

/** Two collectors. Their clients stay with one: a client that goes to another collector cancels what it still sends. */
async function startCollectors(
  uri: string,
  storeTimeoutMs: number,
): Promise<{ readonly loads: readonly [Load, Load]; readonly close: () => Promise<readonly string[]> }> {
  const config = {
    storeTimeoutMs,
    statistics: { activeWindowDays: 30, retainMs: 0 },
    // Each new cluster is looked up.
    limits: { newClustersPerHourPerAddress: 1_000_000 },
  };
  const collectors = [await startCollectorOn(uri, config), await startCollectorOn(uri, config)] as const;
  const loadOf = ({ url }: LocalCollector): Load =>
    startLoad({ history, dice, pickUrl: () => url, concurrency: 1, pauseMs: 40 });
  return {
    loads: [loadOf(collectors[0]), loadOf(collectors[1])],
    close: async () => {
      for (const collector of collectors) await collector.close();
      return collectors.flatMap(({ complaints }) => complaints);
    },
  };
}

test(`while primaries step down or end, the database stays available and each report is stored once ${TITLE}`, async () => {
  const { loads, close } = await startCollectors(set.uri, 10_000);

  await haveIncidents(set, loads[0], STEP_DOWNS, { dice, electionMs: 100, count: 4 });
  for (const load of loads) await load.finish();
  const complaints = await close();

  expect(set.stepDowns).toBe(4);
  expect(complaints.filter((each) => each.includes('database'))).toStrictEqual([]);
  expect(checkStoredOnce(history, await database.storedReports())).toStrictEqual(STORED_ONCE);
});

test(`when majorities are lost, writes rolled back and primaries isolated, each report is stored and counted once ${TITLE}`, async () => {
  // Nothing but figures may be read from secondaries, which have no data here.
  const uri = `${set.uri}&readPreference=secondary`;
  set.setLag('empty');
  set.clearCommands();
  const { loads, close } = await startCollectors(uri, 1_000);
  const client = createMongoClient({ uri, appName: 'roll-up', connectTimeoutMs: 2_000, storeTimeoutMs: 1_000 });
  // As a further collector.
  const rollUps = startRollUps([client.db('spartakus')]);

  await haveIncidents(set, loads[0], FAILURES, { dice, electionMs: 100, count: 3 });
  for (const load of loads) await load.finish();
  await close();
  await rollUps.finish();

  const reports = await database.reports();
  expect(checkStoredOnce(history, await database.storedReports())).toStrictEqual(STORED_ONCE);
  await expect(reports.countDocuments({ facts: { $exists: false } })).resolves.toBe(0);
  const { stored, counted } = await compareFigures(reports.db);
  expect(stored).toStrictEqual(counted);
  expect(stored).toContainEqual(expect.objectContaining({ clusters: history.counts.reports }));
  expect(set.commands.filter(({ readPreference }) => readPreference !== undefined)).toStrictEqual([]);
  const writes = set.commands.filter(({ name }) => ['insert', 'update', 'delete', 'findAndModify'].includes(name));
  const concerns = writes.map(({ writeConcern: { w, j } = {} }) => ({ w, j }));
  expect(concerns.filter(({ w, j }) => w !== 'majority' || j !== true)).toStrictEqual([]);
  await client.close();
});
