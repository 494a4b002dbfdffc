import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkStoredOnce, STORED_ONCE } from '../support/history.ts';
import { restartUnderLoad } from '../support/rolling-restarts.ts';
import { type RunningDatabase, startDatabase } from '../support/running-database.ts';

const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
const RESTARTS = Number(process.env['SPARTAKUS_TEST_RESTARTS'] ?? 50);
/** The default of --shutdown-grace, and half a second for the process to end. */
const MAX_STOP_MS = 5_500;

let database: RunningDatabase;

beforeAll(async () => {
  database = await startDatabase();
});

afterAll(() => database.close());

test(
  `${RESTARTS} rolling restarts of two programs: each report is stored once, and each program exits with 0 within ` +
    `${MAX_STOP_MS} ms (seed ${SEED}; SPARTAKUS_TEST_SEED repeats it)`,
  { timeout: 30_000 + RESTARTS * 10_000 },
  async () => {
    const { history, stops } = await restartUnderLoad(database.uri, RESTARTS, SEED);

    expect(stops.map(({ code }) => code)).toStrictEqual(Array(RESTARTS).fill(0));
    expect(Math.max(...stops.map(({ stopMs }) => stopMs))).toBeLessThan(MAX_STOP_MS);
    expect(checkStoredOnce(history, await database.storedReports())).toStrictEqual(STORED_ONCE);
  },
);
