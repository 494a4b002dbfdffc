import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { makeEmbeddedDatabase } from '../support/database.ts';
import { createDice } from '../support/dice.ts';
import { checkStoredOnce, createHistory, type History, STORED_ONCE } from '../support/history.ts';
import { startLoad } from '../support/load.ts';
import { prepareCollector, type PreparedCollector } from '../support/prepared-collector.ts';
import { startDatabase } from '../support/running-database.ts';
import { sampled } from '../support/sampled.ts';

const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
const KILLS_BY_DEFAULT = 4;
const KILLS = Number(process.env['SPARTAKUS_TEST_KILLS'] ?? KILLS_BY_DEFAULT);
/** Collectors that share a database are killed less often: the engine is not killed. */
const KILLS_OF_TWO = Math.ceil(KILLS / 5);
const TITLE = `(seed ${SEED}; SPARTAKUS_TEST_SEED repeats it)`;
/** A process is killed at a random time, within so long after the first report that is acknowledged. */
const LIFE_MS = 250;
/** The share of collectors that are killed while they start. */
const KILLED_AT_START = 0.1;
/** Without pauses the clients take the CPU time from the program that starts. */
const PAUSE_MS = sampled(10, 0);
const timeout = 30_000 + KILLS * 5_000;

/** Prints the progress of a thousand kills. */
function printProgress(kill: number, of: number, history: History, started: number): void {
  if (KILLS <= KILLS_BY_DEFAULT || (kill % 50 !== 0 && kill !== of)) return;
  const { reports, acknowledged, attempts } = history.counts;
  const seconds = Math.round((Date.now() - started) / 1000);
  process.stderr.write(
    `${kill} of ${of} kills, ${reports} reports, ${attempts} attempts, ${acknowledged} acknowledged, ${seconds} s\n`,
  );
}

type Victim = 'the collector' | 'the engine' | 'both';
const VICTIMS: readonly Victim[] = ['the collector', 'the engine', 'both'];

test(
  `a collector and its embedded engine, of which one or both are killed ${KILLS} times, lose no acknowledged report ${TITLE}`,
  { timeout },
  async () => {
    const dice = createDice(SEED);
    const history = createHistory();
    const database = await makeEmbeddedDatabase();
    const sockets = await mkdtemp(path.join(tmpdir(), 'spartakus-sockets-'));
    const prepare = (): PreparedCollector => prepareCollector([`--database=${database.spec}`], { TMPDIR: sockets });
    const started = Date.now();
    const kills = { 'the collector': 0, 'the engine': 0, both: 0 };
    let url: string | undefined;
    const load = startLoad({ history, dice, pickUrl: () => url, pauseMs: PAUSE_MS });
    let collector: PreparedCollector | undefined;
    let next = prepare();

    for (let kill = 1; kill <= KILLS; kill += 1) {
      let victim = VICTIMS[Math.floor(dice() * VICTIMS.length)] ?? 'both';
      if (collector === undefined) {
        collector = next;
        next = prepare();
        collector.start();
        if (dice() < KILLED_AT_START) victim = 'the collector';
        else url = await collector.url();
      }
      if (url !== undefined) await load.acknowledged(1);
      await sleep(dice() * LIFE_MS);
      kills[victim] += 1;
      if (victim !== 'the collector') await collector.killEngine();
      if (victim !== 'the engine') {
        await collector.end('SIGKILL');
        collector = undefined;
        url = undefined;
      }
      printProgress(kill, KILLS, history, started);
    }
    if (collector === undefined) {
      next.start();
      url = await next.url();
    }
    await load.finish();

    const stored = await (await database.reports()).find({}, { projection: { clusterID: 1 } }).toArray();
    expect(checkStoredOnce(history, stored)).toStrictEqual(STORED_ONCE);
    if (KILLS > KILLS_BY_DEFAULT) process.stderr.write(`kills: ${JSON.stringify(kills)}\n`);

    await database.remove(async () => {
      if (collector !== undefined) await next.end('SIGKILL');
      await expect((collector ?? next).end('SIGTERM')).resolves.toBe(0);
    });
    await expect(readdir(sockets)).resolves.toStrictEqual([]);
    await rm(sockets, { recursive: true });
  },
);

test(
  `two collectors on one database, of which one is killed ${KILLS_OF_TWO} times, store each report once ${TITLE}`,
  { timeout },
  async () => {
    const dice = createDice(SEED + 1);
    const history = createHistory();
    const database = await startDatabase();
    const prepare = (): PreparedCollector => prepareCollector([`--database=${database.uri}`]);
    const started = Date.now();
    const running: (PreparedCollector | undefined)[] = [undefined, undefined];
    const urls: (string | undefined)[] = [undefined, undefined];
    const pickUrl = (): string | undefined => urls[dice() < 0.5 ? 0 : 1] ?? urls[0] ?? urls[1];
    const load = startLoad({ history, dice, pickUrl, pauseMs: PAUSE_MS });
    let next = prepare();
    const start = async (index: number): Promise<void> => {
      running[index] = next;
      next.start();
      const url = next.url();
      next = prepare();
      urls[index] = await url;
    };
    await start(0);
    await start(1);

    for (let kill = 1; kill <= KILLS_OF_TWO; kill += 1) {
      const index = dice() < 0.5 ? 0 : 1;
      await load.acknowledged(1);
      await sleep(dice() * LIFE_MS);
      urls[index] = undefined;
      await running[index]?.end('SIGKILL');
      await start(index);
      printProgress(kill, KILLS_OF_TWO, history, started);
    }
    await load.finish();

    expect(checkStoredOnce(history, await database.storedReports())).toStrictEqual(STORED_ONCE);

    for (const collector of [...running, next]) await collector?.end('SIGKILL');
    await database.close();
  },
);
