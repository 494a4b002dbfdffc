import http2 from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '../../gen/grpc/health/v1/health_pb.js';
import { openStore } from '../../src/collector/store/open.ts';
import type { ReportStore } from '../../src/report/report-sink.ts';
import { type LocalCollector, startCollectorOn } from '../support/collector.ts';
import { makeTestDatabase, type TestDatabase } from '../support/database.ts';
import { createDice } from '../support/dice.ts';
import { createHistory, type History } from '../support/history.ts';
import { startLoad } from '../support/load.ts';
import { prepareCollector, type ReadyCollector } from '../support/ready-collector.ts';

const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
const TITLE = `(seed ${SEED}; SPARTAKUS_TEST_SEED repeats it)`;
const RESTARTS = 50;
const PROGRAM_RESTARTS = Number(process.env['SPARTAKUS_TEST_RESTARTS'] ?? 2);
/** The default of --shutdown-grace, and a little for the process to end. */
const STOP_WITHIN_MS = 5_500;

/** Holds the engine open for the whole file: one engine a process. */
let database: TestDatabase;
let engine: ReportStore;

beforeAll(async () => {
  database = await makeTestDatabase();
  engine = await openStore(database.spec, {
    appName: 'spartakus-test',
    storeTimeoutMs: 10_000,
    stdout: process.stdout,
  });
});

beforeEach(async () => {
  await (await database.reports()).deleteMany({});
});

afterAll(() => database.remove(() => engine.close()));

const storedIds = async (): Promise<readonly { readonly _id: string; readonly clusterID?: unknown }[]> =>
  await (await database.reports()).find({}, { projection: { clusterID: 1 } }).toArray();

async function untilAcknowledged(history: History, count: number): Promise<void> {
  const goal = history.counts.acknowledged + count;
  while (history.counts.acknowledged < goal) await sleep(2);
}

test(`on SIGTERM under load every report that is stored is acknowledged, over every protocol ${TITLE}`, async () => {
  const history = createHistory();
  const collector = prepareCollector([`--database=${await database.uri()}`]);
  collector.go();
  const url = await collector.url();
  const load = startLoad({ history, dice: createDice(SEED), pickUrl: () => url });
  await untilAcknowledged(history, 200);

  const started = performance.now();
  await expect(collector.end('SIGTERM')).resolves.toBe(0);

  expect(performance.now() - started).toBeLessThan(STOP_WITHIN_MS);
  await load.stop();
  const stored = await storedIds();
  expect(history.violations(stored)).toStrictEqual([]);
  expect(stored.length).toBe(history.counts.acknowledged);
});

test('whoever watches the health hears that the collector stops before its connection is told to go away', async () => {
  const collector = await startCollectorOn(await database.uri());
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

  // Node.js tells it twice.
  expect([...new Set(order)]).toStrictEqual(['SERVING', 'NOT_SERVING', 'GOAWAY']);
  session.close();
});

test(
  `${RESTARTS} rolling restarts of two collectors on one database: nothing is lost, and nothing stored twice ${TITLE}`,
  { timeout: 120_000 },
  async () => {
    const uri = await database.uri();
    const dice = createDice(SEED);
    const history = createHistory();
    const start = (): Promise<LocalCollector> => startCollectorOn(uri, { shutdownGraceMs: 500 });
    const running = [await start(), await start()] as const;
    const collectors: LocalCollector[] = [...running];
    // A client is not told when a collector stops: it runs into it, and comes again.
    const load = startLoad({
      history,
      dice,
      pickUrl: () => collectors[dice() < 0.5 ? 0 : 1]?.url,
      atOnce: 1,
      restMs: 50,
    });

    for (let restart = 0; restart < RESTARTS; restart += 1) {
      await untilAcknowledged(history, 5);
      const which = restart % 2;
      await collectors[which]?.close();
      collectors[which] = await start();
    }
    await load.finish();

    const stored = await storedIds();
    expect(history.violations(stored)).toStrictEqual([]);
    expect({ acknowledged: history.counts.acknowledged, stored: stored.length }).toStrictEqual({
      acknowledged: history.counts.reports,
      stored: history.counts.reports,
    });
    await Promise.all(collectors.map((collector) => collector.close()));
  },
);

test(
  `${PROGRAM_RESTARTS} rolling restarts of two programs: nothing is lost, nothing stored twice, each ends with 0 in time ${TITLE}`,
  { timeout: 30_000 + PROGRAM_RESTARTS * 10_000 },
  async () => {
    const uri = await database.uri();
    const dice = createDice(SEED);
    const history = createHistory();
    const running: ReadyCollector[] = [];
    const urls: string[] = [];
    const begin = async (which: number): Promise<void> => {
      const collector = prepareCollector([`--database=${uri}`]);
      collector.go();
      urls[which] = await collector.url();
      running[which] = collector;
    };
    await Promise.all([begin(0), begin(1)]);
    const load = startLoad({ history, dice, pickUrl: () => urls[dice() < 0.5 ? 0 : 1] });

    for (let restart = 0; restart < PROGRAM_RESTARTS; restart += 1) {
      await untilAcknowledged(history, 20);
      const which = restart % 2;
      const started = performance.now();
      await expect(running[which]?.end('SIGTERM')).resolves.toBe(0);
      expect(performance.now() - started).toBeLessThan(STOP_WITHIN_MS);
      await begin(which);
    }
    await load.finish();

    const stored = await storedIds();
    expect(history.violations(stored)).toStrictEqual([]);
    expect({ acknowledged: history.counts.acknowledged, stored: stored.length }).toStrictEqual({
      acknowledged: history.counts.reports,
      stored: history.counts.reports,
    });
  },
);
