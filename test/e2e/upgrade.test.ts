import { type Db, MongoClient } from 'mongodb';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { SCHEMA } from '../../src/collector/store/schema-version.ts';
import {
  type CollectorProgram,
  launchCollector,
  startCollectorProgram,
  UNLIMITED_CLIENTS,
} from '../support/collector-program.ts';
import { createDice } from '../support/dice.ts';
import { checkStoredOnce, createHistory, STORED_ONCE } from '../support/history.ts';
import { startLoad } from '../support/load.ts';
import { SOURCES } from '../support/program.ts';
import { loadRecorded } from '../support/recorded-database.ts';
import { stopCollector } from '../support/rolling-restarts.ts';
import { type RunningDatabase, startDatabase } from '../support/running-database.ts';

const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
/** Node.js arguments of the program, as a later version would be: see later-build.ts. */
const LATER_BUILD = ['--import', './test/support/later-build.ts', SOURCES];

let database: RunningDatabase;
let client: MongoClient;
/** Written by the version before this one. */
let db: Db;
let uri: string;

beforeAll(async () => {
  database = await startDatabase();
  uri = database.uri.replace(/\/[^/]*(\?|$)/, '/spartakus_upgrade$1');
  client = await new MongoClient(uri).connect();
  db = client.db();
});

afterAll(async () => {
  await db.dropDatabase();
  await client.close();
  await database.close();
});

const argsOf = (): readonly string[] => [`--database=${uri}`, ...UNLIMITED_CLIENTS];

/** Starts a collector of this version, or of one that is later by so many versions. */
async function start(later = 0): Promise<CollectorProgram> {
  const program =
    later === 0
      ? await startCollectorProgram(argsOf())
      : await startCollectorProgram(argsOf(), { LATER_BUILD: String(later) }, LATER_BUILD);
  onTestFinished(() => void program.process.kill('SIGKILL'));
  return program;
}

test(
  `rolling upgrade to the next version, with both versions serving: nothing is lost (seed ${SEED}; SPARTAKUS_TEST_SEED repeats it)`,
  { timeout: 120_000 },
  async () => {
    const recorded = await loadRecorded(db, 'before-versions.json');
    const before = recorded.find(({ name }) => name === 'reports')?.documents.map(({ _id }) => String(_id)) ?? [];
    const dice = createDice(SEED);
    const history = createHistory();
    const serving = await Promise.all([start(), start()]);
    const pickUrl = (): string | undefined => serving[dice() < 0.5 ? 0 : 1]?.url;
    const load = startLoad({ history, dice, pickUrl, concurrency: 1, pauseMs: 50 });
    const replace = async (index: number, later: number): Promise<void> => {
      await stopCollector(serving[index]);
      serving[index] = await start(later);
      await load.acknowledged(30);
    };

    await load.acknowledged(30);
    await replace(0, 1);
    // This version starts again beside the next one, such as after its node was drained.
    await replace(1, 0);
    const stillServing = await db.collection('metadata').findOne();
    await replace(1, 1);
    await load.finish();
    for (const collector of serving) await stopCollector(collector);

    const stored = await db
      .collection<{ _id: string }>('reports')
      .find({}, { projection: { clusterID: 1 } })
      .toArray();
    const own = stored.filter(({ _id }) => !before.includes(_id));
    expect(checkStoredOnce(history, own)).toStrictEqual(STORED_ONCE);
    expect(stored.length - own.length).toBe(before.length);
    expect(stillServing).toMatchObject({ version: SCHEMA.version + 1, minVersion: SCHEMA.minVersion + 1 });
    // Both have written, and the index of the next version is there although this one started after it.
    const byNext = await db.collection('reports').countDocuments({ later: { $exists: true } });
    expect(byNext).toBeGreaterThan(0);
    expect(byNext).toBeLessThan(own.length);
    expect((await db.collection('reports').indexes()).map(({ name }) => name)).toContain('later_day');
  },
);

test('two versions later, this one does not start any more, and says why', async () => {
  await stopCollector(await start(2));

  const ended = await launchCollector(argsOf()).ended;

  expect(ended.code).toBe(1);
  expect(ended.stderr).toContain(
    `the database has schema version ${SCHEMA.version + 2}, which needs a program of schema version ${SCHEMA.version + 1} or later; this ` +
      `one has ${SCHEMA.version}.`,
  );
});
