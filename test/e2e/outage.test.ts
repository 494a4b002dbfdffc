import { Code, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, test } from 'vitest';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '../../gen/grpc/health/v1/health_pb.js';
import { openStore } from '../../src/collector/store/open.ts';
import type { ReportStore } from '../../src/report/report-sink.ts';
import { type Answer, sendLegacy, PROTOCOL_CLIENTS } from '../contract/protocols.ts';
import { makeReport } from '../contract/report-sink.ts';
import { startCollectorOn } from '../support/collector.ts';
import { makeTestDatabase, type TestDatabase } from '../support/database.ts';
import { type DbProxy, type CommandAction, openDbProxy } from '../support/db-proxy.ts';

/** The engine lives in this process. Each collector has a way of its own to it, which can break in every way. */
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

afterAll(() => database.remove(() => engine.close()));

const WRITES = new Set(['insert', 'update']);
const writesMeet = (fate: CommandAction) => (proxy: DbProxy) =>
  proxy.onCommand(({ name }) => (WRITES.has(name) ? fate : 'pass'));
const fails = (code: number, codeName: string): CommandAction => ({
  response: { ok: 0, code, codeName, errmsg: `${codeName} at db-7.internal` },
});

const FAULTS: readonly { readonly name: string; readonly begin: (proxy: DbProxy) => void; readonly held?: 'lost' }[] = [
  { name: 'resets every connection that writes', begin: writesMeet('reset-after') },
  { name: 'lets nothing through any more', begin: (proxy) => proxy.hold() },
  {
    name: 'lets nothing through any more, and has forgotten every connection afterwards',
    begin: (proxy) => proxy.hold(),
    held: 'lost',
  },
  { name: 'takes longer than --store-timeout', begin: (proxy) => proxy.delay(1_500) },
  { name: 'refuses connections', begin: (proxy) => proxy.refuse() },
  { name: 'has a full disk', begin: writesMeet(fails(14_031, 'OutOfDiskSpace')) },
  { name: 'is not the primary any more', begin: writesMeet(fails(10_107, 'NotWritablePrimary')) },
];
const REFUSED = {
  outcome: 'rejected',
  code: Code.Unavailable,
  message: 'the database is unavailable. Retry later.',
  retryAfterMs: 5_000,
};

test.concurrent.for(FAULTS)(
  'a database that $name costs no report: all are refused for now, health says so, and all are stored once when it is back',
  { timeout: 60_000 },
  async ({ begin, held }, { expect }) => {
    const proxy = await openDbProxy(await database.uri());
    const collector = await startCollectorOn(proxy.uri, { storeTimeoutMs: 1_000 });
    const { url } = collector;
    const readyz = async (): Promise<number> => (await fetch(`${url}/readyz`)).status;
    const health = createClient(Health, createGrpcTransport({ baseUrl: url }));
    const leave = new AbortController();
    const watched: ServingStatus[] = [];
    const watching = (async () => {
      for await (const { status } of health.watch({}, { signal: leave.signal })) watched.push(status);
    })().catch(() => undefined);
    await expect.poll(() => watched).toStrictEqual([ServingStatus.SERVING]);
    await expect(readyz()).resolves.toBe(200);
    const senders = PROTOCOL_CLIENTS.map((wayIn) => ({ client: wayIn.open(url), report: makeReport() }));
    const sendAll = (): Promise<readonly Answer[]> =>
      Promise.all(senders.map(({ client, report }) => client.send(report)));
    const legacy = makeReport();

    begin(proxy);
    // What comes first finds it out by the time limit, what comes later is told at once.
    for (const state of ['nobody knows it yet', 'it is known']) {
      const [answers, response] = await Promise.all([sendAll(), sendLegacy(url, legacy)]);

      for (const answer of answers) expect(answer, state).toStrictEqual(REFUSED);
      expect([response.status, response.headers.get('retry-after')], state).toStrictEqual([503, '5']);
      await expect(response.text()).resolves.toBe(`Error: ${REFUSED.message}\n`);
      await expect.poll(readyz, { timeout: 20_000 }).toBe(503);
    }
    await expect(health.check({})).resolves.toMatchObject({ status: ServingStatus.NOT_SERVING });
    await expect.poll(() => watched).toStrictEqual([ServingStatus.SERVING, ServingStatus.NOT_SERVING]);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);

    await proxy.heal(held);
    await expect.poll(readyz, { timeout: 20_000 }).toBe(200);
    await expect
      .poll(() => watched.slice(0, 3))
      .toStrictEqual([ServingStatus.SERVING, ServingStatus.NOT_SERVING, ServingStatus.SERVING]);
    // As clients do: again, until it is stored.
    await expect
      .poll(async () => (await sendAll()).filter(({ outcome }) => outcome === 'rejected'), { timeout: 20_000 })
      .toStrictEqual([]);
    await expect.poll(async () => (await sendLegacy(url, legacy)).status, { timeout: 20_000 }).toBe(204);
    const clusterIds = [legacy, ...senders.map(({ report }) => report)].map(({ clusterId }) => clusterId);
    await expect((await database.reports()).countDocuments({ clusterID: { $in: clusterIds } })).resolves.toBe(
      clusterIds.length,
    );
    expect([...new Set(collector.complaints)]).toStrictEqual([
      'the database is unavailable: reports are rejected until it is back',
    ]);

    leave.abort();
    await watching;
    for (const { client } of senders) client.close();
    await collector.close();
    await proxy.close();
  },
);
