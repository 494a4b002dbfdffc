import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import type { Db } from 'mongodb';
import { withLease } from '../../src/collector/statistics/lease.ts';
import { rebuild } from '../../src/collector/statistics/rebuild.ts';
import { rollUp } from '../../src/collector/statistics/roll-up.ts';
import { openEmbeddedStore } from '../../src/collector/store/embedded.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { Logger } from '../../src/runtime/logger.ts';
import { BATCH, insert, insertDay, makeFacts, type Put, reportOf, type Sizes, sizesOf } from './database-fill.ts';
import { cpuMsSync } from './processes.ts';
import { createReports } from './statistics-reports.ts';

/**
 * What a report takes in the database, and what the parts of a roll-up take, for docs/scale.md: `npm run bench:size`. Ids are random, as those
 * of real clusters, and reports arrive in the order of time, so that neighbours in the database have nothing in common.
 *
 * Arguments: the numbers of clusters and of days.
 */
const [CLUSTERS = 4_000, DAYS = 10] = process.argv.slice(2).map(Number);
const DAY_MS = 86_400_000;
const NEW_REPORTS = [500, 1_000, 1_500];

const print = (line: string): void => void process.stdout.write(`${line}\n`);
function printSizes(name: string, { count, size, storageSize, indexSizes }: Sizes): void {
  const each = (bytes: number): string => String(Math.round(bytes / count)).padStart(6);
  print(`${name}: ${count} documents; bytes each: BSON ${each(size)}, stored ${each(storageSize)}`);
  for (const [index, bytes] of Object.entries(indexSizes)) print(`  index ${index.padEnd(24)} ${each(bytes)}`);
}

/** The CPU time of a roll-up's steps in both processes, in milliseconds: other programs on the machine change it little. */
async function measureRollUp(db: Db, newEpoch: () => string): Promise<Readonly<Record<string, number>>> {
  const times: Record<string, number> = {};
  let at = allCpuMs();
  const onStep = (step: string): void => {
    const now = allCpuMs();
    times[step] = (times[step] ?? 0) + now - at;
    at = now;
  };
  const config = { activeWindowDays: 30, overlapMs: 0, minChanged: 1_000_000_000 };
  const lease = { owner: 'bench', clock: systemClock, leaseMs: 600_000 };
  await withLease(db, lease, (held) =>
    rollUp(db, { clock: systemClock, config, lease: held, makeFacts, newEpoch, onStep }),
  );
  return times;
}

let enginePid = 0;
const directory = await mkdtemp(path.join(tmpdir(), 'spartakus-bench-'));
/** The collector's log names the process of the engine. */
const onInfo = (fields: object): void => {
  if ('pid' in fields) enginePid = Number(fields.pid);
};
const logger: Logger = { debug: () => undefined, info: onInfo, warn: () => undefined, error: () => undefined };
const timeouts = { connectTimeoutMs: 5_000, storeTimeoutMs: 600_000 };
const open = () => openEmbeddedStore({ directory, appName: 'bench', logger, ...timeouts });

function allCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000 + cpuMsSync(enginePid);
}

let store = await open();
try {
  const now = new Date();
  const put: Put = (entries) => store.put(entries);
  const reports = createReports(CLUSTERS, now, now);
  const startMs = Math.floor(now.getTime() / DAY_MS) * DAY_MS - DAYS * DAY_MS;
  let [nodes, wire] = [0, 0];
  const cpuBefore = process.cpuUsage();
  for (let day = 0; day < DAYS; day += 1) {
    const sent = await insertDay(put, reports, CLUSTERS, startMs + day * DAY_MS);
    nodes += sent.nodes;
    wire += sent.protobufBytes;
    process.stderr.write(`\rday ${day + 1} of ${DAYS} `);
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  const engineMs = cpuMsSync(enginePid);
  const count = CLUSTERS * DAYS;
  const newEpoch = (): string => randomBytes(16).toString('hex');
  const lease = { owner: 'bench', clock: systemClock, leaseMs: 600_000 };
  const config = { activeWindowDays: 30, overlapMs: 0, minChanged: 500 };
  await withLease(store.database(), lease, (held) =>
    rebuild(store.database(), { clock: systemClock, config, lease: held, makeFacts, newEpoch }),
  );
  // The files have their size after a checkpoint.
  await store.close();
  store = await open();
  const db = store.database();
  print(`\n${count} reports of ${CLUSTERS} clusters, ${(nodes / count).toFixed(1)} nodes each`);
  print(
    `protobuf: ${Math.round(wire / count)} bytes a report; CPU each: made and inserted ${Math.round((user + system) / count)} µs, engine ${Math.round((1000 * engineMs) / count)} µs`,
  );
  for (const name of ['reports', 'clusters', 'statistics']) printSizes(name, await sizesOf(db, name));

  const first = await measureRollUp(db, newEpoch);
  print(`base from all clusters: ${((1000 * (first['sums'] ?? 0)) / CLUSTERS).toFixed(0)} µs a cluster`);
  let next = 0;
  for (const added of NEW_REPORTS) {
    const receivedAt = new Date();
    for (let done = 0; done < added; done += BATCH)
      await insert(
        put,
        Array.from({ length: BATCH }, () => reportOf(reports, next++ % CLUSTERS, receivedAt)),
        receivedAt,
      );
    const { before = 0, merge = 0, sums = 0, point = 0 } = await measureRollUp(db, newEpoch);
    const each = (ms: number, of: number): string => `${((1000 * ms) / of).toFixed(0)} µs`;
    print(
      `roll-up of ${added}: ${each(before + merge, added)} a new report, ${each(sums, next)} a changed cluster (${next}), figures ${point.toFixed(0)} ms`,
    );
  }
} finally {
  await store.close();
  await rm(directory, { recursive: true, force: true });
}
