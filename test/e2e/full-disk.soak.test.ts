import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { startCollectorProgram, UNLIMITED_CLIENTS } from '../support/collector-program.ts';
import { createDice } from '../support/dice.ts';
import { checkStoredOnce, createHistory, STORED_ONCE } from '../support/history.ts';
import { startLoad } from '../support/load.ts';
import { mountSmallDisk } from '../support/small-disk.ts';

const MIB = 1024 * 1024;
const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
const ROUNDS = 3;

const disk = mountSmallDisk(384 * MIB);
afterAll(() => disk?.unmount());
const WHERE = disk === undefined ? ' (skipped: this user may not mount a file system)' : '';

test.skipIf(disk === undefined).each([
  ['with the default reserve', [] as string[], /the disk of the database|MiB are free/],
  ['without a reserve', ['--disk-reserve=0'], /the disk is full/],
])(
  `a disk that fills ${ROUNDS} times under load, %s, loses and doubles no report (seed ${SEED})${WHERE}`,
  { timeout: 600_000 },
  async (name, args, complaint) => {
    if (disk === undefined) return;
    const database = path.join(disk.directory, name.replaceAll(' ', '-'));
    const collector = await startCollectorProgram([`--database=embedded:${database}`, ...UNLIMITED_CLIENTS, ...args]);
    onTestFinished(async () => void (await collector.stop('SIGKILL')));
    const history = createHistory();
    const load = startLoad({ history, dice: createDice(SEED), pickUrl: () => collector.url });
    const started = Date.now();

    for (let round = 1; round <= ROUNDS; round += 1) {
      await load.acknowledged(200);
      // In every second round, reports fill the last part.
      await disk.fill(round % 2 === 0 ? 0 : MIB);
      await expect.poll(async () => (await fetch(`${collector.url}/readyz`)).status, { timeout: 60_000 }).toBe(503);
      await sleep(500);
      await disk.free();
      await load.acknowledged(1);
      const seconds = Math.round((Date.now() - started) / 1000);
      process.stderr.write(`${name}: round ${round}, ${history.counts.acknowledged} acknowledged, ${seconds} s\n`);
    }
    await load.finish();

    const client = await new MongoClient((await readFile(path.join(database, 'mongodb-uri'), 'utf8')).trim()).connect();
    const stored = await client
      .db()
      .collection<{ _id: string }>('reports')
      .find({}, { projection: { clusterID: 1 } })
      .toArray();
    await client.close();
    const { code, stderr } = await collector.stop();
    expect(checkStoredOnce(history, stored)).toStrictEqual(STORED_ONCE);
    expect(code).toBe(0);
    expect(stderr).toMatch(complaint);
  },
);
