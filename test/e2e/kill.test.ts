import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openStore } from '../../src/collector/store/open.ts';
import { makeEmbeddedDatabase, makeTestDatabase, type TestDatabase } from '../support/database.ts';
import { createDice } from '../support/dice.ts';
import { createHistory, type History } from '../support/history.ts';
import { startLoad } from '../support/load.ts';
import { prepareCollector, type ReadyCollector } from '../support/ready-collector.ts';

const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
const KILLS = Number(process.env['SPARTAKUS_TEST_KILLS'] ?? 25);
/** The collectors that share a database are killed less often, for the engine, which has most to lose, lives on. */
const KILLS_OF_TWO = Math.ceil(KILLS / 5);
const TITLE = `(seed ${SEED}; SPARTAKUS_TEST_SEED repeats it)`;
/** How long a collector lives at most from the first report that it acknowledges. */
const LIFE_MS = 250;
/** Of the kills, so many come while the collector starts. */
const EARLY = 0.1;
const timeout = 30_000 + KILLS * 5_000;

/** What there is to say while a thousand kills take their time. */
function tell(kill: number, of: number, history: History, started: number): void {
  if (KILLS <= 25 || (kill % 50 !== 0 && kill !== of)) return;
  const { reports, acknowledged, attempts } = history.counts;
  const seconds = Math.round((Date.now() - started) / 1000);
  process.stderr.write(
    `${kill} of ${of} kills, ${reports} reports, ${attempts} attempts, ${acknowledged} acknowledged, ${seconds} s\n`,
  );
}

/** Resolves once one report more is acknowledged: from then on a kill can do harm. */
async function untilAcknowledged(history: History): Promise<void> {
  const { acknowledged } = history.counts;
  while (history.counts.acknowledged === acknowledged) await sleep(2);
}

async function storedIn(
  database: TestDatabase,
): Promise<readonly { readonly _id: string; readonly clusterID?: unknown }[]> {
  return await (await database.reports()).find({}, { projection: { clusterID: 1 } }).toArray();
}

/** What is wrong in the end, and how many reports there are, so that silence is not taken for peace. */
async function judge(history: History, database: TestDatabase): Promise<unknown> {
  const stored = await storedIn(database);
  const { reports, acknowledged } = history.counts;
  return {
    violations: history.violations(stored),
    acknowledged: acknowledged === reports,
    stored: stored.length === reports,
  };
}
const ALL_WELL = { violations: [], acknowledged: true, stored: true };

test(
  `a collector that is killed ${KILLS} times with its database in it loses nothing that it acknowledged ${TITLE}`,
  { timeout },
  async () => {
    const dice = createDice(SEED);
    const history = createHistory();
    const database = await makeEmbeddedDatabase();
    // A killed engine leaves its socket behind.
    const sockets = await mkdtemp(path.join(tmpdir(), 'spartakus-sockets-'));
    const prepare = (): ReadyCollector => prepareCollector([`--database=${database.spec}`], { TMPDIR: sockets });
    const started = Date.now();
    let url: string | undefined;
    const load = startLoad({ history, dice, pickUrl: () => url });
    let next = prepare();

    for (let kill = 1; kill <= KILLS; kill += 1) {
      const collector = next;
      next = prepare();
      collector.go();
      if (dice() < EARLY) {
        await sleep(dice() * LIFE_MS);
      } else {
        url = await collector.url();
        await untilAcknowledged(history);
        await sleep(dice() * LIFE_MS);
      }
      await collector.end('SIGKILL');
      url = undefined;
      tell(kill, KILLS, history, started);
    }
    next.go();
    url = await next.url();
    await load.finish();

    await expect(judge(history, database)).resolves.toStrictEqual(ALL_WELL);

    await database.remove(async () => void (await next.end('SIGTERM')));
    await rm(sockets, { recursive: true, force: true });
  },
);

test(
  `two collectors on one database, of which one is killed ${KILLS_OF_TWO} times, store each report once ${TITLE}`,
  { timeout },
  async () => {
    const dice = createDice(SEED + 1);
    const history = createHistory();
    const database = await makeTestDatabase();
    const engine = await openStore(database.spec, {
      appName: 'spartakus-test',
      storeTimeoutMs: 10_000,
      stdout: process.stdout,
    });
    const uri = await database.uri();
    const prepare = (): ReadyCollector => prepareCollector([`--database=${uri}`]);
    const started = Date.now();
    const running: (ReadyCollector | undefined)[] = [undefined, undefined];
    const urls: (string | undefined)[] = [undefined, undefined];
    const pickUrl = (): string | undefined => urls[dice() < 0.5 ? 0 : 1] ?? urls[0] ?? urls[1];
    const load = startLoad({ history, dice, pickUrl });
    let next = prepare();
    const start = async (which: number): Promise<void> => {
      running[which] = next;
      next.go();
      const url = next.url();
      next = prepare();
      urls[which] = await url;
    };
    await start(0);
    await start(1);

    for (let kill = 1; kill <= KILLS_OF_TWO; kill += 1) {
      const which = dice() < 0.5 ? 0 : 1;
      await untilAcknowledged(history);
      await sleep(dice() * LIFE_MS);
      urls[which] = undefined;
      await running[which]?.end('SIGKILL');
      await start(which);
      tell(kill, KILLS_OF_TWO, history, started);
    }
    await load.finish();

    await expect(judge(history, database)).resolves.toStrictEqual(ALL_WELL);

    for (const collector of [...running, next]) await collector?.end('SIGKILL');
    await database.remove(() => engine.close());
  },
);
