import http2 from 'node:http2';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '../../gen/grpc/health/v1/health_pb.js';
import { type LocalCollector, startCollectorOn } from '../support/collector.ts';
import { createDice } from '../support/dice.ts';
import { checkStoredOnce, createHistory, STORED_ONCE } from '../support/history.ts';
import { startLoad } from '../support/load.ts';
import { restartUnderLoad, startLoadedCollector, stopCollector } from '../support/rolling-restarts.ts';
import { type RunningDatabase, startDatabase } from '../support/running-database.ts';
import { sampled } from '../support/sampled.ts';

const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
const TITLE = `(seed ${SEED}; SPARTAKUS_TEST_SEED repeats it)`;
const RESTARTS = sampled(4, 20);
/** A start takes most of a second; restart.soak.test.ts restarts the programs more often, and asserts how long each takes to stop. */
const PROGRAM_RESTARTS = 2;

let database: RunningDatabase;

beforeAll(async () => {
  database = await startDatabase();
});

beforeEach(async () => {
  await (await database.reports()).deleteMany({});
});

afterAll(() => database.close());

test(`on SIGTERM under load every report that is stored is acknowledged, over every protocol ${TITLE}`, async () => {
  const history = createHistory();
  const collector = await startLoadedCollector(database.uri);
  const load = startLoad({ history, dice: createDice(SEED), pickUrl: () => collector.url });
  await load.acknowledged(200);

  await expect(stopCollector(collector)).resolves.toMatchObject({ code: 0 });

  await load.stop();
  const stored = await database.storedReports();
  expect(history.violations(stored)).toStrictEqual([]);
  expect(stored.length).toBe(history.counts.acknowledged);
});

test('a client that watches the health service receives NOT_SERVING before its connection receives GOAWAY', async () => {
  const collector = await startCollectorOn(database.uri);
  const order: string[] = [];
  const sessionManager = new Http2SessionManager(collector.url);
  const health = createClient(Health, createGrpcTransport({ baseUrl: collector.url, sessionManager }));
  const session = http2.connect(collector.url);
  session.on('goaway', () => order.push('GOAWAY'));
  const watching = (async () => {
    for await (const { status } of health.watch({})) order.push(ServingStatus[status]);
  })();
  await expect.poll(() => order).toStrictEqual(['SERVING']);

  await collector.close();
  await watching;

  // Node.js sends GOAWAY twice.
  expect([...new Set(order)]).toStrictEqual(['SERVING', 'NOT_SERVING', 'GOAWAY']);
  session.close();
});

test(
  `${RESTARTS} rolling restarts of two collectors on one database: each report is stored once ${TITLE}`,
  { timeout: 120_000 },
  async () => {
    const dice = createDice(SEED);
    const history = createHistory();
    const start = (): Promise<LocalCollector> => startCollectorOn(database.uri, { shutdownGraceMs: 500 });
    const collectors = [await start(), await start()];
    // Clients are not told that a collector stops: a request fails, and they send it again.
    const load = startLoad({
      history,
      dice,
      pickUrl: () => collectors[dice() < 0.5 ? 0 : 1]?.url,
      concurrency: 1,
      pauseMs: 50,
    });

    for (let restart = 0; restart < RESTARTS; restart += 1) {
      await load.acknowledged(5);
      const index = restart % 2;
      await collectors[index]?.close();
      collectors[index] = await start();
    }
    await load.finish();

    expect(checkStoredOnce(history, await database.storedReports())).toStrictEqual(STORED_ONCE);
    await Promise.all(collectors.map((collector) => collector.close()));
  },
);

test(
  `${PROGRAM_RESTARTS} rolling restarts of two programs: each report is stored once, and each program exits with 0 ${TITLE}`,
  { timeout: 60_000 },
  async () => {
    const { history, stops } = await restartUnderLoad(database.uri, PROGRAM_RESTARTS, SEED);

    expect(stops.map(({ code }) => code)).toStrictEqual(Array(PROGRAM_RESTARTS).fill(0));
    expect(checkStoredOnce(history, await database.storedReports())).toStrictEqual(STORED_ONCE);
  },
);
