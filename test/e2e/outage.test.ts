import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { Code, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, test } from 'vitest';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '../../gen/grpc/health/v1/health_pb.js';
import { startCollectorProgram, UNLIMITED_CLIENTS } from '../support/collector-program.ts';
import { startCollectorOn } from '../support/collector.ts';
import { makeEmbeddedDatabase } from '../support/database.ts';
import { type DbProxy, type CommandAction, openDbProxy } from '../support/db-proxy.ts';
import { type Answer, sendLegacy, PROTOCOL_CLIENTS } from '../support/protocols.ts';
import { makeReport } from '../support/reports.ts';
import { type RunningDatabase, startDatabase } from '../support/running-database.ts';

/** Each collector connects to the database by a proxy of its own, which can fail in every way. */
let database: RunningDatabase;

beforeAll(async () => {
  database = await startDatabase();
});

afterAll(() => database.close());

const WRITES = new Set(['insert', 'update']);
const onWrite = (action: CommandAction) => (proxy: DbProxy) =>
  proxy.onCommand(({ name }) => (WRITES.has(name) ? action : 'pass'));
const fails = (code: number, codeName: string): CommandAction => ({
  response: { ok: 0, code, codeName, errmsg: `${codeName} at db-7.internal` },
});

const FAULTS: readonly { readonly name: string; readonly begin: (proxy: DbProxy) => void; readonly held?: 'lost' }[] = [
  { name: 'resets every connection that writes', begin: onWrite('reset-after') },
  { name: 'stops responding', begin: (proxy) => proxy.hold() },
  { name: 'stops responding, and has lost every connection afterwards', begin: (proxy) => proxy.hold(), held: 'lost' },
  { name: 'takes longer than --store-timeout', begin: (proxy) => proxy.delay(1_500) },
  { name: 'rejects connections', begin: (proxy) => proxy.reject() },
  { name: 'has a full disk', begin: onWrite(fails(14_031, 'OutOfDiskSpace')) },
  { name: 'is not the primary any more', begin: onWrite(fails(10_107, 'NotWritablePrimary')) },
];
const REJECTED = {
  outcome: 'rejected',
  code: Code.Unavailable,
  message: 'the database is unavailable. Retry later.',
  retryAfterMs: 5_000,
};

test.concurrent.for(FAULTS)(
  'a database that $name loses no report: all are rejected as retryable, health is NOT_SERVING, and all are stored once after it',
  { timeout: 60_000 },
  async ({ begin, held }, { expect }) => {
    const proxy = await openDbProxy(database.uri);
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
    const senders = PROTOCOL_CLIENTS.map((protocol) => ({ client: protocol.open(url), report: makeReport() }));
    const sendAll = (): Promise<readonly Answer[]> =>
      Promise.all(senders.map(({ client, report }) => client.send(report)));
    const legacy = makeReport();

    begin(proxy);
    // The first reports are rejected at the timeout, the later ones at once.
    for (const state of ['before it is detected', 'after it is detected']) {
      const [replies, response] = await Promise.all([sendAll(), sendLegacy(url, legacy)]);

      for (const reply of replies) expect(reply, state).toStrictEqual(REJECTED);
      expect([response.status, response.headers.get('retry-after')], state).toStrictEqual([503, '5']);
      await expect(response.text()).resolves.toBe(`Error: ${REJECTED.message}\n`);
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
    // Clients send again until it is stored.
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

test('a collector outlives its embedded engine: reports are rejected as retryable until it runs again, and are then stored once', async ({
  expect,
}) => {
  const embedded = await makeEmbeddedDatabase();
  const collector = await startCollectorProgram([`--database=${embedded.spec}`, ...UNLIMITED_CLIENTS]);
  const [, pid] = await collector.says(/"pid":(\d+),"msg":"MongoDB's embedded engine runs/);
  const senders = PROTOCOL_CLIENTS.map((protocol) => ({ client: protocol.open(collector.url), report: makeReport() }));
  const sendAll = (): Promise<readonly Answer[]> =>
    Promise.all(senders.map(({ client, report }) => client.send(report)));
  const legacy = makeReport();
  const readyz = async (): Promise<number> => (await fetch(`${collector.url}/readyz`)).status;
  // The engine does not start again while its configuration is wrong.
  const config = path.join(embedded.spec.slice('embedded:'.length), 'WiredTiger.config');
  await writeFile(config, 'transaction_sync=(enabled=false)\n');

  process.kill(Number(pid), 'SIGKILL');
  const [replies, response] = await Promise.all([sendAll(), sendLegacy(collector.url, legacy)]);

  for (const reply of replies) expect(reply).toStrictEqual(REJECTED);
  expect([response.status, response.headers.get('retry-after')]).toStrictEqual([503, '5']);
  await expect.poll(readyz, { timeout: 20_000 }).toBe(503);
  await collector.says(/engine does not run, and reports are rejected until it does: .*SIGKILL/);
  await collector.says(/engine does not run, and reports are rejected until it does: .*WiredTiger.config: sets/);

  await rm(config);
  await collector.says(/embedded engine runs again/);
  await expect
    .poll(async () => (await sendAll()).filter(({ outcome }) => outcome === 'rejected'), { timeout: 20_000 })
    .toStrictEqual([]);
  await expect.poll(async () => (await sendLegacy(collector.url, legacy)).status, { timeout: 20_000 }).toBe(204);
  await expect((await embedded.reports()).countDocuments()).resolves.toBe(senders.length + 1);
  for (const { client } of senders) client.close();
  await embedded.remove(async () => expect((await collector.stop()).code).toBe(0));
});
